"""What goes over the wire to ECS, Lambda and SNS, and what is made of the answers: real clients, prepared answers."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from retry_run_task.aws import ecs, recoveries, topic
from retry_run_task.launch.values import Answer, Lost, Origin, Outcome, Placed, Refused
from retry_run_task.messages.message import Message, Severity
from support.loopback import Asked, Loopback, Reply, error
from support.paces import FakeTime, no_wait
from support.records import CAPACITY, parameters

# Regions of this module's own: clients are made once, and keep the endpoint they were made with.
REGION, NOBODY_THERE, NO_CREDENTIALS = "us-west-1", "us-west-2", "ca-west-1"
TOPIC = "arn:aws:sns:sa-east-1:123456789012:contract"
TOKEN = "rrt-0123456789abcdef0123456789abcdef-1"

PLACED = Reply(body={"tasks": [{"taskArn": "t1"}], "failures": []})
# botocore repeats these twice, and sleeps up to three seconds in all; so they are all tried at the same time.
REPEATED = {
    "an error of ECS's, and then an answer": (error("ServerException", status=500), PLACED),
    "nothing but errors of ECS's": (error("ServerException", "Service Unavailable.", status=500),),
    "throttling": (error("ThrottlingException", "Rate exceeded"),),
    "an error of ECS's, and then a refusal": (
        error("ServerException", status=503),
        error("ClientException", "no"),
    ),
    "no answer at all": (Reply(status=0),),
}


def body(task_definition: str = "nightly:7", **changes: Any) -> dict[str, Any]:
    return parameters(taskDefinition=task_definition, clientToken=TOKEN, dryrun=None, **changes)


class Ecs:
    """A loopback for ECS, and a client that speaks to it.

    Attributes:
        reply: What RunTask answers.
    """

    def __init__(self) -> None:
        self.reply = PLACED
        self.endpoint = Loopback(self._answer)
        self._asked_for: Counter[str] = Counter()
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_ENDPOINT_URL_ECS", self.endpoint.url)
            environment.setenv("AWS_ACCESS_KEY_ID", "dummy")
            environment.setenv("AWS_SECRET_ACCESS_KEY", "dummy")
            self.client = ecs.client(REGION)

    def run(self, sent: dict[str, Any], reply: Reply = PLACED) -> tuple[Answer, Asked]:
        """Call RunTask once; return the answer, and what came over the wire."""
        self.reply = reply
        answer = ecs.run_task(self.client, sent, no_wait())
        return answer, self.endpoint.asked[-1]

    def _answer(self, asked: Asked) -> Reply:
        name = asked.json.get("taskDefinition")
        if name not in REPEATED:
            return self.reply
        self._asked_for[name] += 1
        replies = REPEATED[name]
        return replies[min(self._asked_for[name], len(replies)) - 1]


@pytest.fixture(scope="module")
def loopback() -> Iterator[Ecs]:
    ecs_ = Ecs()
    with ecs_.endpoint:
        yield ecs_


@pytest.fixture(scope="module")
def times() -> dict[str, FakeTime]:
    """The clock by which each call that botocore repeats is paced."""
    return {name: FakeTime() for name in REPEATED}


@pytest.fixture(scope="module")
def repeated(loopback: Ecs, times: dict[str, FakeTime]) -> dict[str, tuple[Answer, list[Asked]]]:
    """What became of each call that botocore repeats, and all that it sent."""

    def run(name: str) -> Answer:
        return ecs.run_task(loopback.client, body(name), times[name].limiter(2))

    with ThreadPoolExecutor(len(REPEATED)) as threads:
        answers = list(threads.map(run, REPEATED))
    return {
        name: (answer, [a for a in list(loopback.endpoint.asked) if a.json.get("taskDefinition") == name])
        for name, answer in zip(REPEATED, answers, strict=True)
    }


def signature(asked: Asked, *, secret: str) -> tuple[str, str]:
    """Return the signature that a request has, and the one that its own body and headers call for.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    headers = {name.lower(): value.strip() for name, value in asked.headers.items()}
    method, _, rest = headers["authorization"].partition(" ")
    given = dict(part.strip().split("=", 1) for part in rest.split(","))
    scope = given["Credential"].split("/", 1)[1]
    canonical = "\n".join(
        [
            asked.method,
            asked.path,
            "",
            *(f"{name}:{headers[name]}" for name in given["SignedHeaders"].split(";")),
            "",
            given["SignedHeaders"],
            hashlib.sha256(asked.body).hexdigest(),
        ]
    )
    to_sign = "\n".join(
        [method, headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return given["Signature"], hmac.digest(key, to_sign.encode(), "sha256").hex()


def test_the_body_on_the_wire_is_exactly_ours(loopback: Ecs) -> None:
    """Also what the installed botocore has never heard of, at the top and deep inside."""
    sent = body(
        memberOfNextYear={"nested": [1, None, {"deep": True}]},
        overrides={
            "containerOverrides": [
                {
                    "name": "app",
                    "resourceRequirements": [{"type": "GPU", "value": "1", "strategyOfNextYear": "shared"}],
                    "environment": [{"name": "GREETING", "value": "grüezi 🏔"}],
                }
            ]
        },
    )
    answer, asked = loopback.run(sent)
    assert answer == Placed(task_arns=("t1",))
    assert asked.body == json.dumps(sent).encode()
    assert asked.operation == "RunTask"
    assert asked.headers["Content-Length"] == str(len(asked.body))


def test_what_is_signed_is_what_is_sent(loopback: Ecs) -> None:
    _, asked = loopback.run(body(memberOfNextYear=1))
    given, expected = signature(asked, secret="dummy")
    assert given == expected
    assert f"/{REGION}/ecs/aws4_request" in asked.headers["Authorization"]


def test_other_operations_of_the_client_are_botocore_s_own(loopback: Ecs) -> None:
    loopback.reply = Reply(body={"taskArns": ["t1"]})
    assert loopback.client.list_tasks(cluster="batch")["taskArns"] == ["t1"]
    assert loopback.endpoint.asked[-1].json == {"cluster": "batch"}


def test_threads_that_share_the_client_do_not_mix_their_bodies(loopback: Ecs) -> None:
    first = len(loopback.endpoint.asked)
    sent = [body(f"job:{n}", mark="x" * n) for n in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda one: ecs.run_task(loopback.client, one, no_wait()), sent))
    asked = loopback.endpoint.asked[first:]
    assert sorted(a.body for a in asked) == sorted(json.dumps(one).encode() for one in sent)
    for one in asked:
        given, expected = signature(one, secret="dummy")
        assert given == expected


@pytest.mark.parametrize("name", REPEATED)
def test_every_try_waits_for_its_turn_and_the_call_is_not_over_before_the_next_might_begin(
    repeated: dict[str, tuple[Answer, list[Asked]]], times: dict[str, FakeTime], name: str
) -> None:
    """Also those that botocore makes by itself. Whoever gets the place then calls no sooner than this one might."""
    assert times[name].slept == [0.5] * len(repeated[name][1])


def test_a_call_right_after_another_has_waited_already(loopback: Ecs) -> None:
    time = FakeTime()
    limiter = time.limiter(2)
    for n in range(3):
        ecs.run_task(loopback.client, body(f"paced:{n}"), limiter)
    assert time.slept == [0.5] * 3


@pytest.mark.parametrize("name", REPEATED)
def test_every_repetition_carries_the_token_and_the_body(
    repeated: dict[str, tuple[Answer, list[Asked]]], name: str
) -> None:
    """ECS takes them for one call because of the token."""
    _, asked = repeated[name]
    assert len(asked) == (2 if "then" in name else 3)
    assert {a.body for a in asked} == {json.dumps(body(name)).encode()}
    for one in asked:
        given, expected = signature(one, secret="dummy")
        assert given == expected


def test_an_error_of_ecs_s_is_repeated_until_there_is_an_answer(
    repeated: dict[str, tuple[Answer, list[Asked]]],
) -> None:
    assert repeated["an error of ECS's, and then an answer"][0] == Placed(task_arns=("t1",))


def test_after_nothing_but_errors_of_ecs_s_nobody_knows(
    repeated: dict[str, tuple[Answer, list[Asked]]],
) -> None:
    answer = repeated["nothing but errors of ECS's"][0]
    assert isinstance(answer, Lost)
    assert (answer.failure.code, answer.failure.reason) == ("ServerException", "Service Unavailable.")


def test_without_any_answer_nobody_knows(repeated: dict[str, tuple[Answer, list[Asked]]]) -> None:
    assert isinstance(repeated["no answer at all"][0], Lost)


@pytest.mark.parametrize("name", ["throttling", "an error of ECS's, and then a refusal"])
def test_a_refusal_after_repetitions_does_not_say_what_became_of_the_first_call(
    repeated: dict[str, tuple[Answer, list[Asked]]], name: str
) -> None:
    answer = repeated[name][0]
    assert isinstance(answer, Refused)
    assert answer.is_unsure


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "User is not authorized to perform: ecs:RunTask"),
        ("ClientException", "TaskDefinition is inactive"),
        ("InvalidParameterException", "subnets can not be empty."),
        ("ClusterNotFoundException", "Cluster not found."),
    ],
)
def test_a_refusal_at_the_first_try_is_certain(loopback: Ecs, code: str, message: str) -> None:
    answer, _ = loopback.run(body(), error(code, message))
    assert isinstance(answer, Refused)
    assert (answer.failure.origin, answer.failure.code, answer.failure.reason) == (
        Origin.ERROR,
        code,
        message,
    )
    assert not answer.is_unsure


def test_a_conflict_names_the_tasks_that_the_token_has_started(loopback: Ecs) -> None:
    """https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ConflictException.html ."""
    answer, _ = loopback.run(body(), error("ConflictException", "in use", resourceIds=["t1", "t2"]))
    assert answer == Placed(task_arns=("t1", "t2"), is_conflict=True)


def test_a_conflict_may_say_that_the_token_has_started_no_task(loopback: Ecs) -> None:
    answer, _ = loopback.run(body(), error("ConflictException", "in use", resourceIds=[]))
    assert answer == Placed(is_conflict=True)


def test_a_conflict_that_does_not_speak_of_tasks_is_a_refusal(loopback: Ecs) -> None:
    answer, _ = loopback.run(body(), error("ConflictException", "in use"))
    assert isinstance(answer, Refused)
    assert answer.failure.code == "ConflictException"


def test_an_answer_may_hold_tasks_and_failures(loopback: Ecs) -> None:
    failures = [{"arn": "i-1", "reason": "RESOURCE:CPU", "detail": "none left"}, {"reason": CAPACITY}, {}]
    reply = Reply(body={"tasks": [{"taskArn": "t1", "createdAt": 1.5}], "failures": failures})
    answer, _ = loopback.run(body(count=4), reply)
    assert isinstance(answer, Placed)
    assert answer.task_arns == ("t1",)
    assert [(f.origin, f.arn, f.reason, f.detail) for f in answer.failures] == [
        (Origin.ANSWER, "i-1", "RESOURCE:CPU", "none left"),
        (Origin.ANSWER, None, CAPACITY, None),
        (Origin.ANSWER, None, "", None),
    ]


def test_what_an_answer_says_of_every_instance_is_kept_once(loopback: Ecs) -> None:
    """The answer of each attempt is kept, and a durable execution may keep 100 MB."""
    failures = [{"arn": f"i-{nth}", "reason": "RESOURCE:CPU"} for nth in range(300)]
    answer, _ = loopback.run(body(), Reply(body={"tasks": [], "failures": [*failures, {"reason": CAPACITY}]}))
    assert isinstance(answer, Placed)
    assert [(f.reason, f.times) for f in answer.failures] == [("RESOURCE:CPU", 300), (CAPACITY, 1)]


def test_an_answer_may_hold_neither(loopback: Ecs) -> None:
    """Nothing was placed, for an unknown reason."""
    answer, _ = loopback.run(body(), Reply(body={"tasks": [], "failures": []}))
    assert answer == Placed()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b"<html>502 Bad Gateway</html>"),
        Reply(body=b""),
        Reply(body={}),
        Reply(body=b'{"tasks": [{"taskArn": "t1"}], "fail'),
        Reply(body=b'{"tasks": [{"taskArn": "t1"}], "fail', announced=400),
        Reply(body=b"\xff\xfe"),
        Reply(body=[]),
        Reply(body=None),
        Reply(body=3),
        Reply(body={"tasks": ["t1"], "failures": []}),
        Reply(body={"tasks": [{"taskArn": "t1", "createdAt": "yesterday"}], "failures": []}),
        Reply(body=[1], status=400),
    ],
    ids=lambda reply: f"{reply.status} {reply.body!r}"[:40] + (" cut off" if reply.announced else ""),
)
def test_an_answer_that_cannot_be_read_may_stand_for_a_task(loopback: Ecs, reply: Reply) -> None:
    """A broken connection may cut an answer off, and botocore makes an empty one of what is left."""
    answer, _ = loopback.run(body(), reply)
    assert isinstance(answer, Lost)


def test_where_nobody_listens_an_earlier_try_may_have_been_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK tells of its last try only."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", f"http://127.0.0.1:{port}")
    assert isinstance(ecs.run_task(ecs.client(NOBODY_THERE), body(), no_wait()), Lost)


def test_without_credentials_nothing_is_sent(loopback: Ecs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECS", loopback.endpoint.url)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    before = len(loopback.endpoint.asked)
    # A session of its own: the default one keeps the credentials that it has seen.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    answer = ecs.run_task(ecs.client(NO_CREDENTIALS), body(), no_wait())
    assert isinstance(answer, Refused)
    assert (answer.failure.code, answer.is_unsure) == ("NoCredentialsError", False)
    assert len(loopback.endpoint.asked) == before


class Functions:
    """A loopback for Lambda, and a client that tries twice."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.endpoint = Loopback(lambda _: self.replies.pop(0))
        self.client: Any = boto3.client(
            "lambda",
            region_name=REGION,
            endpoint_url=self.endpoint.url,
            aws_access_key_id="dummy",
            aws_secret_access_key="dummy",
            config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
        )

    def start(self, *replies: Reply) -> recoveries.Started:
        self.replies = list(replies)
        return recoveries.start(self.client, function="recover:live", name="one-abc", payload='{"a":1}')


@pytest.fixture(scope="module")
def functions() -> Iterator[Functions]:
    functions_ = Functions()
    with functions_.endpoint:
        yield functions_


def lambda_error(code: str, status: int) -> Reply:
    return Reply(status=status, body={"Message": "?"}, headers={"x-amzn-ErrorType": code})


BUSY = lambda_error("TooManyRequestsException", 429)
ACCEPTED = Reply(status=202, body=b"")


def test_a_recovery_is_started_by_name_with_its_payload_and_nobody_waits_for_it(functions: Functions) -> None:
    assert functions.start(ACCEPTED) is recoveries.Started.ACCEPTED
    asked = functions.endpoint.asked[-1]
    assert asked.path == "/2015-03-31/functions/recover%3Alive/invocations"
    assert asked.headers["X-Amz-Invocation-Type"] == "Event"
    assert asked.headers["X-Amz-Durable-Execution-Name"] == "one-abc"
    assert asked.body == b'{"a":1}'


def test_a_name_that_was_started_with_another_payload_is_no_error(functions: Functions) -> None:
    started = functions.start(lambda_error("DurableExecutionAlreadyStartedException", 409))
    assert started is recoveries.Started.BEFORE


@pytest.mark.parametrize(
    ("code", "status"), [("ResourceNotFoundException", 404), ("AccessDeniedException", 403)]
)
def test_what_keeps_a_recovery_from_being_started_is_raised(
    functions: Functions, code: str, status: int
) -> None:
    with pytest.raises(ClientError) as raised:
        functions.start(lambda_error(code, status))
    assert raised.value.response["Error"]["Code"] == code


def test_a_busy_lambda_is_asked_again_under_the_same_name(functions: Functions) -> None:
    before = len(functions.endpoint.asked)
    assert functions.start(BUSY, ACCEPTED) is recoveries.Started.ACCEPTED
    names = [a.headers["X-Amz-Durable-Execution-Name"] for a in functions.endpoint.asked[before:]]
    assert names == ["one-abc", "one-abc"]


def test_a_lambda_that_stays_busy_is_an_error(functions: Functions) -> None:
    with pytest.raises(ClientError, match="TooManyRequests"):
        functions.start(BUSY, BUSY)


def test_starts_share_a_connection() -> None:
    """The end of the answer is read, or the next start would shake hands again, 100 times for 100 launches."""
    with Loopback(lambda _: ACCEPTED, keeps_alive=True) as endpoint:
        client: Any = boto3.client(
            "lambda",
            region_name=REGION,
            endpoint_url=endpoint.url,
            aws_access_key_id="dummy",
            aws_secret_access_key="dummy",
        )
        for _ in range(3):
            recoveries.start(client, function="recover:live", name="one-abc", payload="{}")
        client.close()
    assert (len(endpoint.asked), endpoint.connections) == (3, 1)


def test_the_client_of_intake_tries_once_and_leaves_the_rest_to_it() -> None:
    config = recoveries.starter().meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections == recoveries.STARTS_AT_ONCE
    assert config.connect_timeout + config.read_timeout < 20


def test_the_client_of_the_function_repeats_what_passes() -> None:
    retries = recoveries.client().meta.config.retries
    assert retries["mode"] == "standard"
    assert retries["total_max_attempts"] > 3


@pytest.fixture(scope="module")
def sns() -> Iterator[Loopback]:
    with Loopback(lambda _: Reply(status=0)) as endpoint:
        yield endpoint


def note(**changes: Any) -> Message:
    values: dict[str, Any] = {
        "subject": "DID NOT RUN: nightly",
        "plain_subject": "DID NOT RUN: nightly",
        "text": "What to do\n- look",
        "chat": None,
        "severity": Severity.ERROR,
        "outcome": Outcome.EXPIRED,
    }
    return Message(**(values | changes))


PUBLISHED = b"<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>"


def publish(
    sns: Loopback, reply: Reply, monkeypatch: pytest.MonkeyPatch, message: Message | None = None
) -> str | None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", sns.url)
    sns.answer = lambda _: reply
    return topic.publish(TOPIC, message or note())


def test_a_message_reaches_the_topic(sns: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    assert publish(sns, Reply(body=PUBLISHED), monkeypatch) is None
    sent = parse_qs(sns.asked[-1].body.decode())
    assert sent["TopicArn"] == [TOPIC]
    assert sent["Subject"] == ["DID NOT RUN: nightly"]
    assert sent["Message"] == ["What to do\n- look"]
    assert "MessageStructure" not in sent
    attributes = {sent[f"MessageAttributes.entry.{n}.Name"][0]: n for n in (1, 2)}
    assert {
        name: sent[f"MessageAttributes.entry.{n}.Value.StringValue"] for name, n in attributes.items()
    } == {
        "severity": ["error"],
        "outcome": ["expired"],
    }


def test_a_form_for_chat_goes_to_https_and_the_text_to_everybody_else(
    sns: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = note(subject="【未実行】nightly", chat='{"version":"1.0"}')
    assert publish(sns, Reply(body=PUBLISHED), monkeypatch, message) is None
    sent = parse_qs(sns.asked[-1].body.decode())
    assert sent["MessageStructure"] == ["json"]
    assert json.loads(sent["Message"][0]) == {"default": message.text, "https": '{"version":"1.0"}'}
    assert sent["Subject"] == ["【未実行】nightly"]


INVALID = "<Error><Code>InvalidParameter</Code><Message>Invalid parameter: Subject</Message></Error>"


def test_a_message_is_not_lost_for_its_subject(sns: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should an SNS take nothing but ASCII, as older documentation says, it gets that."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", sns.url)
    refused = Reply(status=400, body=f"<ErrorResponse>{INVALID}</ErrorResponse>".encode())

    def only_ascii(asked: Asked) -> Reply:
        (subject,) = parse_qs(asked.body.decode())["Subject"]
        return Reply(body=PUBLISHED) if subject.isascii() else refused

    sns.answer = only_ascii
    assert topic.publish(TOPIC, note(subject="【未実行】nightly")) is None
    subjects = [parse_qs(asked.body.decode())["Subject"] for asked in sns.asked]
    assert subjects[-2:] == [["【未実行】nightly"], ["DID NOT RUN: nightly"]]


def test_what_is_invalid_with_any_subject_is_tried_no_more_than_twice_and_returned(
    sns: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Reply(status=400, body=f"<ErrorResponse>{INVALID}</ErrorResponse>".encode())
    before = len(sns.asked)
    assert "Invalid parameter" in (publish(sns, refused, monkeypatch, note(subject="未実行")) or "")
    assert "Invalid parameter" in (publish(sns, refused, monkeypatch) or "")
    assert len(sns.asked) - before == 2 + 1


def test_what_the_topic_says_against_a_message_is_returned(
    sns: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = "<Error><Code>NotFound</Code><Message>Topic does not exist</Message></Error>"
    reply = Reply(status=404, body=f"<ErrorResponse>{refusal}</ErrorResponse>".encode())
    said = publish(sns, reply, monkeypatch)
    assert said is not None
    assert "Topic does not exist" in said
