"""Durable executions of the local AWS, by boto3: AWS's rule for names, virtual time, and recovery from a crash."""

import gc
import json
import threading
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from retry_run_task.aws import counting
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.clock import Clock
from retry_run_task.local.ecs.service import Lifecycle
from retry_run_task.local.lambda_ import runner
from retry_run_task.local.lambda_.functions import DurableConfig
from support.local_aws import HANDLERS, SPEED, Seen, client

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
REQUEST = {
    "cluster": "batch",
    "taskDefinition": "nightly",
    "launchType": "FARGATE",
    "networkConfiguration": NETWORK,
}


@pytest.fixture(scope="module")
def aws():
    with LocalAws(speed=SPEED, event_sources=()) as running:
        running.ecs.create_cluster("batch")
        running.ecs.lifecycle = Lifecycle(run_for=None)
        running.ecs.register_task_definition("nightly")
        running.ecs.add_subnet("subnet-a", "ap-northeast-1a")
        for name in ("loop", "launch"):
            running.functions.create(
                name,
                f"durable.{name}",
                python_path=[HANDLERS],
                durable=DurableConfig(execution_timeout=timedelta(hours=3), retention_days=1),
            )
        running.functions.create(
            "brief",
            "durable.loop",
            python_path=[HANDLERS],
            durable=DurableConfig(execution_timeout=timedelta(minutes=10)),
        )
        running.functions.create("plain", "plain.echo", python_path=[HANDLERS])
        running.functions.create(
            "open", "durable.loop", python_path=[HANDLERS], durable=DurableConfig(allow_unqualified=True)
        )
        yield running


@pytest.fixture(scope="module")
def lambda_(aws):
    return client(aws, "lambda")


@pytest.fixture
def start(lambda_):
    def start(name, rounds=0, wait_s=1, function="loop:live", **changed):
        event = {"rounds": rounds, "wait_s": wait_s, **changed}
        answer = lambda_.invoke(
            FunctionName=function,
            InvocationType="Event",
            DurableExecutionName=name,
            Payload=json.dumps(event, sort_keys=True),
        )
        assert answer["StatusCode"] == 202
        return answer["DurableExecutionArn"]

    return start


def history(lambda_, arn):
    events = lambda_.get_durable_execution_history(DurableExecutionArn=arn, IncludeExecutionData=True)[
        "Events"
    ]
    return [event["EventType"] for event in events], events


def test_steps_and_waits_until_it_is_done(aws, lambda_, start):
    arn = start("straight", rounds=2, wait_s=120)
    assert json.loads(aws.durable.wait(arn).payload) == [0, 1]
    found = lambda_.get_durable_execution(DurableExecutionArn=arn)
    assert (found["Status"], found["Result"], found["Version"]) == ("SUCCEEDED", "[0, 1]", "1")
    assert found["FunctionArn"] == "arn:aws:lambda:ap-northeast-1:123456789012:function:loop:1"
    # Two waits of two minutes, in a moment.
    assert found["EndTimestamp"] - found["StartTimestamp"] >= timedelta(minutes=4)
    kinds, _ = history(lambda_, arn)
    assert kinds.count("InvocationCompleted") == 3
    assert [kind for kind in kinds if kind.endswith("Succeeded")] == [
        "StepSucceeded",
        "WaitSucceeded",
        "StepSucceeded",
        "WaitSucceeded",
        "ExecutionSucceeded",
    ]  # fmt: skip -- one line a pair


def test_has_an_arn_like_awss(start):
    prefix = "arn:aws:lambda:ap-northeast-1:123456789012:function:loop:1/durable-execution/named/"
    assert start("named").startswith(prefix)


def test_the_same_name_and_payload_is_the_same_execution_while_it_runs(lambda_, start):
    arn = start("twice", rounds=1, wait_s=3600)
    assert start("twice", rounds=1, wait_s=3600) == arn
    listed = lambda_.list_durable_executions_by_function(FunctionName="loop", DurableExecutionName="twice")
    assert [one["DurableExecutionArn"] for one in listed["DurableExecutions"]] == [arn]


def test_those_in_progress_are_counted_as_recover_does_it(aws, lambda_, start):
    for number in range(5):
        start(f"open-{number}", rounds=1, wait_s=3600)
    aws.durable.wait(start("ended"))
    counted = counting.count_running(lambda_, "loop", "1")
    assert counted is not None
    assert counted >= 5
    # In pages, of which no more are read than it takes.
    assert counting.count_running(lambda_, "loop", "1", page_size=2) == counted
    start("one-more", rounds=1, wait_s=3600)
    assert counting.count_running(lambda_, "loop", "1") == counted + 1
    assert counting.count_running(lambda_, "nobody", "1") is None
    assert counting.count_running(lambda_, "loop", "99") is None


def test_the_same_name_and_payload_is_the_same_execution_after_its_end(aws, lambda_, start):
    arn = start("again")
    aws.durable.wait(arn)
    before, _ = history(lambda_, arn)
    assert start("again") == arn
    assert history(lambda_, arn)[0] == before


@pytest.mark.parametrize("is_over", [False, True])
def test_another_payload_under_the_name_is_refused(aws, lambda_, start, is_over):
    arn = start(f"other-{is_over}", rounds=1, wait_s=1 if is_over else 3600)
    if is_over:
        aws.durable.wait(arn)
    with pytest.raises(lambda_.exceptions.DurableExecutionAlreadyStartedException) as error:
        start(f"other-{is_over}", rounds=2)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_many_callers_of_one_name_start_one_execution(start):
    arns = Seen()
    threads = [threading.Thread(target=lambda: arns(start("crowd"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert len({arns.next() for _ in threads}) == 1


def test_a_name_is_forgotten_when_the_retention_period_is_over():
    """A day is 0.2 s here, and the execution ends by its time-out before its handler begins."""
    with LocalAws(speed=400_000, event_sources=()) as aws:
        config = DurableConfig(execution_timeout=timedelta(hours=1), retention_days=1)
        function = aws.functions.create("loop", "durable.loop", python_path=[HANDLERS], durable=config)
        first = aws.durable.begin(function, "old", b"{}")
        aws.durable.wait(first)
        assert aws.durable.begin(function, "old", b"{}") == first
        tomorrow = threading.Event()
        aws.clock.call_later(24 * 3600 + 60, tomorrow.set)
        assert tomorrow.wait(60)
        assert aws.durable.begin(function, "old", b'{"another": "payload"}') != first


@pytest.mark.parametrize("name", ["a" * 65, "a.b", "a b", "ä"])
def test_a_name_that_is_none_is_refused(lambda_, start, name):
    with pytest.raises(ClientError):
        start(name)


def test_needs_a_version_or_an_alias_unless_told_otherwise(lambda_, start):
    with pytest.raises(lambda_.exceptions.InvalidParameterValueException, match="unqualified"):
        start("unqualified", function="loop")
    assert start("unqualified", function="open")


def test_a_plain_function_takes_no_name(lambda_, start):
    with pytest.raises(lambda_.exceptions.InvalidParameterValueException, match="not a durable function"):
        start("plain", function="plain")


def test_who_waits_for_the_answer_gets_it(lambda_):
    answer = lambda_.invoke(FunctionName="loop:live", Payload=b'{"rounds": 1, "wait_s": 60}')
    assert (answer["StatusCode"], json.loads(answer["Payload"].read())) == (200, [0])
    assert "/durable-execution/" in answer["DurableExecutionArn"]


def test_a_process_killed_in_a_step_leaves_one_task(aws, lambda_, start, tmp_path):
    """The step is run again with the same client token, and ECS answers with the task it has started."""
    calls = Seen()
    aws.ecs.on_call.append(calls)
    mark = str(tmp_path / "mark")
    arn = start("killed", function="launch:live", mark=mark, request={**REQUEST, "clientToken": "token-1"})
    aws.logs.wait_for("/aws/lambda/launch", "hanging")
    aws.functions.kill("launch")
    tasks = json.loads(aws.durable.wait(arn).payload)
    assert [call.body["clientToken"] for call in (calls.next(), calls.next())] == ["token-1", "token-1"]
    assert aws.ecs.list_tasks({"cluster": "batch"})["taskArns"] == tasks
    assert len(tasks) == 1
    assert history(lambda_, arn)[0].count("StepSucceeded") == 1


def test_a_handler_that_raises_fails_its_execution_and_the_event_is_a_dead_letter(aws, lambda_, start):
    arn = start("hopeless", rounds=-1)
    result = aws.durable.wait(arn)
    assert result.error == "Unhandled"
    assert json.loads(result.payload)["ErrorMessage"] == "nothing helps"
    found = lambda_.get_durable_execution(DurableExecutionArn=arn)
    assert (found["Status"], found["Error"]["ErrorType"]) == ("FAILED", "LookupError")
    letter = aws.functions.dead_letters[-1]
    assert (letter.function, json.loads(letter.payload)) == ("loop", {"rounds": -1, "wait_s": 1})


def test_an_execution_times_out_in_virtual_time(aws, lambda_, start):
    arn = start("late", rounds=1, wait_s=24 * 3600, function="brief:live")
    aws.durable.wait(arn)
    found = lambda_.get_durable_execution(DurableExecutionArn=arn)
    assert found["Status"] == "TIMED_OUT"
    took = found["EndTimestamp"] - found["StartTimestamp"]
    assert timedelta(minutes=10) <= took < timedelta(hours=3)


def test_what_a_handler_asks_for_after_the_end_is_not_done_and_python_does_not_warn():
    """A demo that is interrupted has handlers that are just returning."""
    scheduler = runner._Scheduler(Clock(SPEED))
    scheduler.start()
    done = []
    assert scheduler.call_later(lambda: done.append(1)).result(timeout=60) is None
    scheduler.stop()
    assert scheduler.call_later(lambda: done.append(2)).cancelled()
    gc.collect()
    assert done == [1]


def test_may_be_stopped(aws, lambda_, start):
    arn = start("stopped", rounds=1, wait_s=3600)
    lambda_.stop_durable_execution(
        DurableExecutionArn=arn, Error={"ErrorType": "Person", "ErrorMessage": "enough"}
    )
    aws.durable.wait(arn)
    assert lambda_.get_durable_execution(DurableExecutionArn=arn)["Status"] == "STOPPED"
    told = history(lambda_, arn)[1][-1]
    assert (told["EventType"], told["ExecutionStoppedDetails"]["Error"]["Payload"]) == (
        "ExecutionStopped",
        {"ErrorType": "Person", "ErrorMessage": "enough"},
    )


def status(lambda_, arn):
    return lambda_.get_durable_execution(DurableExecutionArn=arn)["Status"]


def test_may_be_paused_and_resumed(aws, lambda_, start):
    """While it is held its waits go on and its code does not; who and why stands in the history."""
    arn = start("paused", rounds=2, wait_s=200)
    lambda_.pause_durable_execution(DurableExecutionArn=arn, Reason="the Region is down")
    due = threading.Event()
    aws.clock.call_later(500, due.set)
    assert due.wait(60)
    found = lambda_.get_durable_execution(DurableExecutionArn=arn)
    assert (found["Status"], found["PauseDetails"]["Reason"]) == ("PAUSED", "the Region is down")
    assert found["PauseDetails"]["ExecutionTimeoutPaused"] is True
    bare = lambda_.get_durable_execution(DurableExecutionArn=arn, IncludeExecutionData=False)
    assert not {"Reason"} & set(bare["PauseDetails"]) | {"InputPayload"} & set(bare)
    listed = lambda_.list_durable_executions_by_function(FunctionName="loop", Statuses=["PAUSED"])
    assert [one["DurableExecutionArn"] for one in listed["DurableExecutions"]] == [arn]
    lambda_.resume_durable_execution(DurableExecutionArn=arn, Reason="it is back")
    assert json.loads(aws.durable.wait(arn, 30).payload) == [0, 1]
    kinds, events = history(lambda_, arn)
    assert (
        kinds.index("ExecutionPaused") < kinds.index("ExecutionResumed") < kinds.index("ExecutionSucceeded")
    )
    said = [one.get("ExecutionPausedDetails", one.get("ExecutionResumedDetails")) for one in events]
    assert [one["Reason"]["Payload"] for one in said if one] == ["the Region is down", "it is back"]
    assert [one["EventId"] for one in events] == list(range(1, len(events) + 1))
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.pause_durable_execution(DurableExecutionArn=f"{arn[:-1]}x")


def test_a_pause_twice_is_a_conflict_unless_it_is_the_same_request(aws, lambda_, start):
    """A repeated token "returns a successful response instead of an error", says AWS's page of the operation."""
    arn = start("held", rounds=1, wait_s=3600)
    for _ in range(2):
        lambda_.pause_durable_execution(DurableExecutionArn=arn, ClientToken="one")
    with pytest.raises(lambda_.exceptions.ResourceConflictException):
        lambda_.pause_durable_execution(DurableExecutionArn=arn, ClientToken="two")
    for _ in range(2):
        lambda_.resume_durable_execution(DurableExecutionArn=arn, ClientToken="three")
    with pytest.raises(lambda_.exceptions.ResourceConflictException):
        lambda_.resume_durable_execution(DurableExecutionArn=arn, ClientToken="four")
    assert history(lambda_, arn)[0].count("ExecutionPaused") == 1
    lambda_.pause_durable_execution(DurableExecutionArn=arn)
    lambda_.stop_durable_execution(DurableExecutionArn=arn)
    aws.durable.wait(arn)
    assert status(lambda_, arn) == "STOPPED", "it may be stopped while it is held"
    with pytest.raises(lambda_.exceptions.ResourceConflictException):
        lambda_.pause_durable_execution(DurableExecutionArn=arn)


def test_a_history_has_pages_in_either_order_and_its_data_unless_told_otherwise(aws, lambda_, start):
    arn = start("pages", rounds=2, wait_s=60)
    aws.durable.wait(arn)
    whole = history(lambda_, arn)[1]
    pages = lambda_.get_paginator("get_durable_execution_history").paginate

    def told(**asked):
        found = pages(DurableExecutionArn=arn, **asked)
        return [one for page in found for one in page["Events"]]

    assert told(PaginationConfig={"PageSize": 3}) == whole
    assert told(ReverseOrder=True, PaginationConfig={"PageSize": 4}) == whole[::-1]
    assert told() == whole, "the data is there by default"
    bare = told(IncludeExecutionData=False)
    assert [one["EventType"] for one in bare] == [one["EventType"] for one in whole]
    assert "Payload" not in json.dumps(bare, default=str)
    with pytest.raises(lambda_.exceptions.InvalidParameterValueException):
        lambda_.get_durable_execution_history(DurableExecutionArn=arn, Marker="nix")


def test_is_listed_by_function_status_name_and_time(aws, lambda_, start):
    before = aws.clock.now()
    arns = [start(f"listed-{number}") for number in range(3)]
    for arn in arns:
        aws.durable.wait(arn)

    def listed(**asked):
        pages = lambda_.get_paginator("list_durable_executions_by_function").paginate(
            FunctionName="loop", **asked
        )
        return [one["DurableExecutionArn"] for page in pages for one in page["DurableExecutions"]]

    newest_first = arns[::-1]
    assert listed(StartedAfter=before) == newest_first
    assert (
        listed(StartedAfter=before, Statuses=["SUCCEEDED"], PaginationConfig={"PageSize": 2}) == newest_first
    )
    assert listed(StartedAfter=before, Statuses=["FAILED", "STOPPED"]) == []
    assert listed(StartedAfter=before, ReverseOrder=True) == arns
    assert listed(StartedAfter=before, Qualifier="1") == newest_first
    assert listed(StartedAfter=before, Qualifier="$LATEST") == []
    assert listed(DurableExecutionName="listed-1") == [arns[1]]
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.list_durable_executions_by_function(FunctionName="nobody")


def test_an_unknown_execution_is_not_found(lambda_):
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.get_durable_execution(
            DurableExecutionArn="arn:aws:lambda:x:1:function:f:1/durable-execution/a/b"
        )


def test_tells_the_event_bus_when_it_starts_and_ends(aws, start):
    changes = Seen()

    def changed(one):
        # An execution of another test may end only now.
        if one.start_input.execution_name == "watched":
            changes((one.start_input.execution_name, one.current_status().value))

    aws.durable.on_change.append(changed)
    start("watched")
    assert [changes.next(), changes.next()] == [("watched", "RUNNING"), ("watched", "SUCCEEDED")]
