"""The local ECS keeps AWS's documented promises about client tokens.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ECS_Idempotency.html, whose example is a
retry "when there is one running task, one stopped task, and one task that failed to launch". Where a
test goes beyond the page it says so.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.local.ecs.service import NO_CAPACITY, Ecs, EcsError, Lifecycle, TokenBucket

Json = dict[str, Any]

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(hours=24)
# The token of the page's own example of a request.
TOKEN = "550e8400-e29b-41d4-a716-446655440000"


class Account:
    """An ECS with one zone, two clusters and a clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = START
        self.events: list[Json] = []
        self.ecs = Ecs(account="123456789012", region="us-east-1", now=lambda: self.time)
        self.ecs.run_task_rate = TokenBucket(rate=None)
        # A token's life is counted from STOPPED.
        self.ecs.lifecycle = Lifecycle(run_for=None, stopping_for=timedelta(0))
        self.ecs.on_task_state_change.append(self.events.append)
        for cluster in ("X", "Y"):
            self.ecs.create_cluster(cluster)
        self.ecs.register_task_definition("mytask")
        self.ecs.add_subnet("subnet-1", "us-east-1a")

    def body(self, **members: Any) -> Json:
        network = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        return {
            "cluster": "X",
            "taskDefinition": "mytask:1",
            "launchType": "FARGATE",
            "networkConfiguration": network,
            "clientToken": TOKEN,
        } | members

    def run(self, **members: Any) -> Json:
        return self.ecs.run_task(self.body(**members))

    def try_run(self, **members: Any) -> Json | EcsError:
        try:
            return self.run(**members)
        except EcsError as error:
            return error

    def refused(self, **members: Any) -> EcsError:
        with pytest.raises(EcsError) as caught:
            self.run(**members)
        return caught.value

    def capacity(self, slots: int | None) -> None:
        self.ecs.capacity.set("us-east-1a", "FARGATE", slots)

    def stop(self, arn: str) -> None:
        self.ecs.stop_task({"cluster": "X", "task": arn})

    @property
    def started(self) -> int:
        """How many tasks there ever were, whoever knows of them."""
        return len({event["taskArn"] for event in self.events})


@pytest.fixture
def account() -> Account:
    return Account()


def arns(answer: Json) -> list[str]:
    return [task["taskArn"] for task in answer["tasks"]]


def test_a_retry_with_the_same_parameters_gives_the_result_of_the_original_request(account: Account) -> None:
    """The page: "the result of the original request is returned"; all of it while nothing has stopped."""
    first = account.run(count=3, startedBy="me")
    assert account.run(count=3, startedBy="me") == first
    assert account.started == 3


def test_the_documented_example_one_running_one_stopped_one_failed(account: Account) -> None:
    """Stopped tasks "only include the task ARN, last status, and desired status"; the failure is replayed."""
    account.capacity(2)
    first = account.run(count=3)
    running, stopped = arns(first)
    account.time += timedelta(minutes=5)
    account.stop(stopped)
    account.capacity(None)
    again = account.run(count=3)
    assert arns(again) == [running, stopped]
    assert again["failures"] == first["failures"] == [{"reason": NO_CAPACITY}]
    assert again["tasks"][0]["lastStatus"] == again["tasks"][0]["desiredStatus"] == "RUNNING"
    assert again["tasks"][0]["availabilityZone"] == "us-east-1a"
    assert again["tasks"][1] == {"taskArn": stopped, "lastStatus": "STOPPED", "desiredStatus": "STOPPED"}
    assert account.started == 2


def test_a_replay_shows_the_task_as_it_is_now(account: Account) -> None:
    account.run()
    account.time += timedelta(seconds=30)
    assert account.run()["tasks"][0]["lastStatus"] == "RUNNING"


def test_the_failures_of_a_call_that_placed_nothing_are_replayed_too(account: Account) -> None:
    """Documented for the mixed case only; that it holds for this one is an assumption to design by."""
    account.capacity(0)
    first = account.run(count=2)
    assert first == {"tasks": [], "failures": [{"reason": NO_CAPACITY}] * 2}
    account.capacity(None)
    assert account.run(count=2) == first
    assert account.started == 0
    assert len(account.run(count=2, clientToken="another")["tasks"]) == 2


# "One or more of the parameters are different"
@pytest.mark.parametrize(
    "change",
    [
        {"count": 2},
        {"count": 1},
        {"taskDefinition": "mytask"},
        {"startedBy": "me"},
        {
            "overrides": {
                "containerOverrides": [{"name": "app", "environment": [{"name": "A", "value": "b"}]}]
            }
        },
        {"tags": [{"key": "a", "value": "b"}]},
        {"enableExecuteCommand": True},
        {"launchType": "EC2"},
        {"somethingNew": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_retry_with_other_parameters_is_a_conflict_that_names_the_tasks(
    account: Account, change: Json
) -> None:
    """``resourceIds``: "the existing task ARNs which are already associated with the clientToken".

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#API_RunTask_Errors
    """
    first = account.run()
    error = account.refused(**change)
    assert (error.code, error.status) == ("ConflictException", 400)
    assert error.extra == {"resourceIds": arns(first)}
    assert account.started == 1
    assert account.run() == first


def test_a_conflict_with_a_call_that_placed_nothing_names_nothing(account: Account) -> None:
    account.capacity(0)
    account.run()
    assert account.refused(count=2).extra == {"resourceIds": []}


@pytest.mark.parametrize(
    "same",
    [
        {"overrides": None},
        {"cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/X"},
    ],
    ids=["null is absent", "ARN of the cluster"],
)
def test_what_means_the_same_is_the_same(account: Account, same: Json) -> None:
    """Assumed: the page does not say how parameters are compared."""
    assert account.run(**same) == account.run()
    assert account.started == 1


def test_the_order_of_members_does_not_matter(account: Account) -> None:
    first = account.run()
    backwards = dict(reversed(account.body().items()))
    assert account.ecs.run_task(backwards) == first


def test_the_scope_of_a_token_is_the_cluster(account: Account) -> None:
    """The page: "you can use ClientToken A for a RunTask request for cluster Y"."""
    in_x, in_y = account.run(), account.run(cluster="Y")
    assert arns(in_x) != arns(in_y)
    assert account.run(cluster="Y", count=None) == in_y
    assert account.refused(cluster="Y", count=2).extra == {"resourceIds": arns(in_y)}
    assert account.started == 2


def test_a_token_is_case_sensitive(account: Account) -> None:
    assert arns(account.run(clientToken="a")) != arns(account.run(clientToken="A"))


def test_a_call_without_a_token_is_always_a_new_one(account: Account) -> None:
    """SDKs add a token of their own; what comes without one is not remembered."""
    assert arns(account.run(clientToken=None)) != arns(account.run(clientToken=None))


@pytest.mark.parametrize(
    ("elapsed", "is_remembered"),
    [(timedelta(hours=23, minutes=59, seconds=59), True), (DAY, False), (timedelta(days=3), False)],
)
def test_a_token_lives_for_24_hours_while_its_task_runs(
    account: Account, elapsed: timedelta, is_remembered: bool
) -> None:
    first = account.run()
    account.time += elapsed
    again = account.run(count=1 if not is_remembered else None)
    assert (arns(again) == arns(first)) is is_remembered
    assert account.started == (1 if is_remembered else 2)


@pytest.mark.parametrize(
    ("stopped_after", "elapsed", "is_remembered"),
    [
        (timedelta(minutes=5), timedelta(hours=1, minutes=4, seconds=59), True),
        (timedelta(minutes=5), timedelta(hours=1, minutes=5), False),
        (timedelta(hours=10), timedelta(hours=10, minutes=59), True),
        (timedelta(hours=10), timedelta(hours=11), False),
        # The lower of the two values: 24 hours come first.
        (timedelta(hours=23, minutes=30), timedelta(hours=23, minutes=59), True),
        (timedelta(hours=23, minutes=30), DAY, False),
    ],
)
def test_a_token_dies_an_hour_after_its_task_stopped(
    account: Account, stopped_after: timedelta, elapsed: timedelta, is_remembered: bool
) -> None:
    """The page: "the lifetime of the resource plus one hour"; so a short job's token is free again early."""
    first = account.run()
    account.time += stopped_after
    account.stop(arns(first)[0])
    account.time = START + elapsed
    again = account.run()
    assert (arns(again) == arns(first)) is is_remembered
    assert account.started == (1 if is_remembered else 2)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)], ids=["in order", "backwards"])
def test_the_last_task_to_stop_counts(account: Account, order: slice) -> None:
    """The page: the lifetime is that "of the last task that transitioned to STOPPED"."""
    both = arns(account.run(count=2))
    one, other = both[order]
    account.stop(one)
    account.time += timedelta(hours=5)
    # Not documented: what a replay says of a task that stopped more than an hour ago. It is still there.
    again = account.run(count=2)
    assert arns(again) == both
    assert again["tasks"][both.index(one)] == {
        "taskArn": one,
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
    }
    account.stop(other)
    account.time += timedelta(minutes=59)
    assert arns(account.run(count=2)) == both
    account.time += timedelta(minutes=1)
    assert set(arns(account.run(count=2))).isdisjoint(both)


def test_a_freed_token_may_mean_another_request(account: Account) -> None:
    account.run()
    account.time += DAY
    assert len(account.run(count=2)["tasks"]) == 2
    assert len(account.refused(count=3).extra["resourceIds"]) == 2


def test_a_token_that_was_freed_early_lives_its_new_life_whole(account: Account) -> None:
    account.stop(arns(account.run())[0])
    account.time += timedelta(hours=2)
    second = account.run()
    account.time = START + DAY
    assert arns(account.run()) == arns(second)
    assert account.started == 2


def test_of_failures_older_than_an_hour_only_the_number_is_left(account: Account) -> None:
    """The answer has no member for a number; that it is told by empty entries is an assumption."""
    account.capacity(1)
    first = account.run(count=3)
    account.time += timedelta(hours=1)
    assert account.run(count=3)["failures"] == first["failures"]
    account.time += timedelta(seconds=1)
    again = account.run(count=3)
    assert arns(again) == arns(first)
    assert again["failures"] == [{}, {}]


@pytest.mark.parametrize("status", [500, 503])
def test_a_5xx_binds_the_token_and_the_retry_finds_the_task(account: Account, status: int) -> None:
    """The page: "when you retry a request because you received a 5xx exception", the tasks are there, once."""
    if status == 500:
        account.ecs.faults.lose_answers(2)
        assert account.refused().status == 500
        assert account.refused().status == 500
        assert account.started == 1
    else:
        # Refused at the door: nothing happened, and the retry is the first request.
        account.ecs.faults.raise_next(1, "ServiceUnavailableException", "x", 503)
        assert account.refused().status == 503
        assert account.started == 0
    assert len(account.run()["tasks"]) == 1
    assert account.started == 1


@pytest.mark.parametrize(
    "wrong",
    [{"count": 11}, {"taskDefinition": "x"}, {"startedBy": "a b"}],
    ids=["count", "definition", "text"],
)
def test_a_4xx_does_not_bind_the_token(account: Account, wrong: Json) -> None:
    """Nothing was created; the page has no rule for this, so that the token stays free is assumed."""
    assert account.refused(**wrong).status == 400
    assert len(account.run()["tasks"]) == 1


def test_a_throttled_call_does_not_bind_the_token(account: Account) -> None:
    account.ecs.faults.throttle(1)
    assert account.refused().code == "ThrottlingException"
    assert len(account.run(count=2)["tasks"]) == 2


def test_a_replay_needs_nothing_that_the_request_needed(account: Account) -> None:
    """Not documented: that the definition is gone, or capacity is, does not change what was done."""
    first = account.run()
    account.ecs.deregister("mytask:1")
    account.capacity(0)
    assert account.run() == first
    assert account.refused(clientToken="new").message == "TaskDefinition is inactive"


def test_a_replay_is_the_caller_s_to_change(account: Account) -> None:
    account.capacity(1)
    first = account.run(count=2)
    account.run(count=2)["failures"][0]["reason"] = "x"
    first["failures"][0]["reason"] = "y"
    assert account.run(count=2)["failures"] == [{"reason": NO_CAPACITY}]


calls = st.tuples(
    st.sampled_from("XY"), st.sampled_from("abc"), st.integers(1, 3), st.booleans(), st.integers(0, 7200)
)


@settings(max_examples=60)
@given(story=st.lists(calls, max_size=12), slots=st.integers(0, 8))
def test_a_token_never_starts_twice_while_it_is_known(
    story: list[tuple[str, str, int, bool, int]], slots: int
) -> None:
    """Whatever is asked, lost and asked again within 24 hours of tasks that run on."""
    account = Account()
    account.capacity(slots)
    results: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for cluster, token, count, is_lost, seconds in story:
        if is_lost:
            account.ecs.faults.lose_answers(1)
        known = results.get((cluster, token))
        before = account.started
        answer = account.try_run(cluster=cluster, clientToken=token, count=count)
        if isinstance(answer, EcsError) and answer.code == "ConflictException":
            assert known is not None
            assert known[0] != count
            assert answer.extra["resourceIds"] == known[1]
            account.ecs.faults.clear()
            continue
        if isinstance(answer, EcsError):
            assert answer.code == "ServerException"
            answer = account.run(cluster=cluster, clientToken=token, count=count)
        assert len(answer["tasks"]) + len(answer["failures"]) == count
        if known is None:
            assert account.started - before == len(answer["tasks"])
            results[cluster, token] = (count, arns(answer))
        else:
            assert (known[0], known[1]) == (count, arns(answer))
            assert account.started == before
        account.time += timedelta(seconds=seconds)
    assert account.started == sum(len(tasks) for _, tasks in results.values()) <= slots
