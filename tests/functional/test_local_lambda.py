"""Lambda of the local AWS, by boto3: handlers in real processes, and what happens when they fail."""

import hashlib
import io
import json
import os
import signal
import threading
import time
import urllib.request
import zipfile
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from botocore.exceptions import ClientError

from retry_run_task.local.aws import LocalAws
from support.local_aws import HANDLERS, SPEED, Seen, client

FUNCTIONS = {
    "calls": ("identity", "run_task"),
    "plain": (
        "describe_context",
        "echo",
        "fail",
        "hang",
        "hang_once",
        "leave",
        "pid",
        "show",
        "talk",
        "unspeakable",
    ),
}


@pytest.fixture(scope="module")
def aws():
    with LocalAws(speed=SPEED) as running:
        for module, names in FUNCTIONS.items():
            for name in names:
                is_slow = name.startswith("hang")
                running.functions.create(
                    name, f"{module}.{name}", python_path=[HANDLERS], timeout_s=30 if is_slow else 10
                )
        yield running


@pytest.fixture(scope="module")
def lambda_(aws):
    return client(aws, "lambda")


@pytest.fixture
def invoke(lambda_):
    def invoke(name, event=None, **how):
        answer = lambda_.invoke(FunctionName=name, Payload=json.dumps(event), **how)
        return json.loads(answer["Payload"].read() or "null"), answer

    return invoke


def code(error):
    return error.value.response["Error"]["Code"]


def test_runs_a_handler_and_gives_its_answer(invoke):
    event = {"a": [1, None, "ü"]}
    result, answer = invoke("echo", event)
    assert (result, answer["StatusCode"]) == (event, 200)
    assert "FunctionError" not in answer
    assert answer["ExecutedVersion"] == "$LATEST"


@pytest.mark.parametrize(
    "name",
    [
        "echo",
        "echo:live",
        "arn:aws:lambda:ap-northeast-1:123456789012:function:echo",
        "arn:aws:lambda:ap-northeast-1:123456789012:function:echo:live",
        "123456789012:function:echo",
    ],
)
def test_finds_a_function_however_it_is_named(invoke, name):
    assert invoke(name, 1)[0] == 1


def test_the_context_is_that_of_lambda(invoke):
    context, answer = invoke("describe_context", Qualifier="live")
    remaining = context.pop("remaining_ms")
    stream = context.pop("log_stream_name")
    assert context == {
        "function_name": "describe_context",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:ap-northeast-1:123456789012:function:describe_context:live",
        "memory_limit_in_mb": "256",
        "aws_request_id": answer["ResponseMetadata"]["RequestId"],
        "log_group_name": "/aws/lambda/describe_context",
    }
    assert 5000 < remaining <= 10_000
    assert "[$LATEST]" in stream


def test_the_environment_is_the_functions_and_nothing_of_the_hosts(monkeypatch):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_ECS", "AWS_CA_BUNDLE", "HTTP_PROXY", "SECRET_OF_THE_HOST"):
        monkeypatch.setenv(name, "of the host")
    with LocalAws() as aws:
        aws.functions.create(
            "environment", "plain.environment", python_path=[HANDLERS], environment={"SETTING": "its own"}
        )
        env = json.loads(aws.functions.invoke("environment", b"{}").payload)
        assert env["AWS_ENDPOINT_URL"] == aws.endpoint
    assert "of the host" not in env.values()
    assert {
        name: env[name] for name in ("SETTING", "AWS_LAMBDA_FUNCTION_NAME", "_HANDLER", "AWS_REGION")
    } == {
        "SETTING": "its own",
        "AWS_LAMBDA_FUNCTION_NAME": "environment",
        "_HANDLER": "plain.environment",
        "AWS_REGION": "ap-northeast-1",
    }
    assert {name: env[name] for name in env if name.endswith("_FILE")} == {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def test_a_handler_calls_aws_with_its_functions_role(aws, invoke):
    assert invoke("identity")[0] == "arn:aws:sts::123456789012:assumed-role/identity/identity"


def test_an_error_is_the_answer_as_lambda_spells_it(invoke):
    error, answer = invoke("fail")
    assert answer["FunctionError"] == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("LookupError", "no such thing")
    assert error["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert "raise LookupError" in error["stackTrace"][-1]


def test_an_answer_that_is_no_json_is_an_error(invoke):
    error, answer = invoke("unspeakable")
    assert (answer["FunctionError"], error["errorType"]) == ("Unhandled", "Runtime.MarshalError")


def test_a_process_that_ends_fails_its_invocation_and_the_next_gets_another(aws, invoke):
    error, answer = invoke("leave")
    assert (answer["FunctionError"], error["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert error["errorMessage"].endswith("Error: Runtime exited with error: exit status 1")
    assert invoke("leave")[0]["errorType"] == "Runtime.ExitError"


def test_a_function_that_takes_too_long_is_killed(aws):
    aws.functions.create("slow", "plain.hang", python_path=[HANDLERS], timeout_s=0.1)
    result = aws.functions.invoke("slow", b"{}")
    error = json.loads(result.payload)
    assert (result.error, error["errorType"]) == ("Unhandled", "Sandbox.Timedout")
    assert error["errorMessage"].endswith("Task timed out after 0.10 seconds")
    pid = int(aws.logs.wait_for("/aws/lambda/slow", "hanging").message.split()[1])
    aws.functions.kill("slow")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_module_that_cannot_be_loaded_fails_every_invocation(aws):
    aws.functions.create("broken", "broken.handler", python_path=[HANDLERS])
    for _ in range(2):
        result = aws.functions.invoke("broken", b"{}")
        error = json.loads(result.payload)
        assert (result.error, error["errorType"]) == ("Unhandled", "Runtime.ImportError")
        assert error["errorMessage"] == "the library is not in the zip"


def test_warm_says_which_function_does_not_start():
    with LocalAws() as aws:
        aws.functions.create("echo", "plain.echo", python_path=[HANDLERS])
        aws.functions.warm()
        aws.functions.create("broken", "broken.handler", python_path=[HANDLERS])
        with pytest.raises(RuntimeError, match=r"broken does not start.*the library is not in the zip"):
            aws.functions.warm()


def test_an_event_is_accepted_at_once_and_run_later(aws, lambda_):
    answer = lambda_.invoke(FunctionName="show", InvocationType="Event", Payload=b'{"a": 1}')
    assert (answer["StatusCode"], answer["Payload"].read()) == (202, b"")
    assert aws.logs.wait_for("/aws/lambda/show", "event").message == 'event {"a": 1}'


def test_an_event_that_fails_is_tried_twice_more_and_then_given_up(aws, lambda_):
    """Lambda tries again after one minute, then after two.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
    """
    given_up = Seen()
    aws.functions.on_dead_letter.append(given_up)
    aws.functions.create("hopeless", "plain.fail", python_path=[HANDLERS])
    lambda_.invoke(FunctionName="hopeless", InvocationType="Event", Payload=b'{"a": 1}')
    letter = given_up.next()
    assert (letter.function, letter.payload, letter.attempts) == ("hopeless", b'{"a": 1}', 3)
    assert "no such thing" in letter.error
    assert aws.functions.dead_letters[-1] is letter
    # What a process writes is read beside what it answers.
    aws.logs.wait_for("/aws/lambda/hopeless", "START", times=3)
    starts = [e.timestamp for e in aws.logs.events("/aws/lambda/hopeless") if e.message.startswith("START")]
    first, second = (timedelta(milliseconds=after - before) for before, after in pairwise(starts))
    # A START line comes when the process has started, so the one before may be late by some seconds of the fast clock.
    assert first >= timedelta(seconds=45)
    assert second >= timedelta(seconds=90)


def test_an_event_whose_process_is_killed_is_tried_again(aws, lambda_, tmp_path):
    event = json.dumps({"mark": str(tmp_path / "mark")})
    lambda_.invoke(FunctionName="hang_once", InvocationType="Event", Payload=event)
    aws.logs.wait_for("/aws/lambda/hang_once", "hanging")
    aws.functions.kill("hang_once")
    aws.logs.wait_for("/aws/lambda/hang_once", "came through")
    assert "hang_once" not in [letter.function for letter in aws.functions.dead_letters]


def test_a_process_that_somebody_else_kills_is_replaced(aws, invoke):
    """An invocation that a dead process was given, and did not begin, is not lost with it."""
    for _ in range(5):
        first = invoke("pid")[0]
        os.kill(first, signal.SIGKILL)
        second, answer = invoke("pid")
        assert "FunctionError" not in answer
        assert second != first


def test_waiting_callers_learn_that_the_process_was_killed(aws):
    results = Seen()
    threading.Thread(target=lambda: results(aws.functions.invoke("hang", b"{}"))).start()
    aws.logs.wait_for("/aws/lambda/hang", "hanging")
    aws.functions.kill("hang")
    result = results.next()
    assert result.error == "Unhandled"
    assert json.loads(result.payload)["errorMessage"].endswith("Runtime exited with error: signal: 9")


def test_invocations_run_side_by_side_and_their_lines_stay_whole(aws):
    results, number = Seen(), 8
    for _ in range(number):
        threading.Thread(target=lambda: results(aws.functions.invoke("talk", b'{"lines": 50}'))).start()
    assert all(results.next().error is None for _ in range(number))
    for _ in range(number):
        aws.logs.wait_for("/aws/lambda/talk", "REPORT")
    lines = [event.message for event in aws.logs.events("/aws/lambda/talk")]
    duration_text = [line.split() for line in lines if line.startswith("line")]
    assert all(len(words) == 4 and words[3] == "end" for words in duration_text)
    assert {line.split()[0] for line in lines} == {"START", "line", "END", "REPORT"}


@pytest.mark.parametrize("kind", ["Event", "RequestResponse"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [("nobody", "nobody"), ("echo:old", "echo:old"), ("arn:aws:lambda:x:1:function:nobody", "nobody")],
)
def test_an_unknown_function_is_not_found(lambda_, kind, name, expected):
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException) as error:
        lambda_.invoke(FunctionName=name, InvocationType=kind, Payload=b"{}")
    arn = f"arn:aws:lambda:ap-northeast-1:123456789012:function:{expected}"
    assert error.value.response["Error"]["Message"] == f"Function not found: {arn}"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


@pytest.mark.parametrize(("kind", "limit"), [("Event", 1_048_576), ("RequestResponse", 6_291_456)])
def test_a_payload_has_its_limit(aws, lambda_, kind, limit):
    fits = b'"' + b"a" * (limit - 2) + b'"'
    assert lambda_.invoke(FunctionName="echo", InvocationType=kind, Payload=fits)["StatusCode"] in (200, 202)
    with pytest.raises(lambda_.exceptions.RequestTooLargeException) as error:
        lambda_.invoke(FunctionName="echo", InvocationType=kind, Payload=fits + b" ")
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


@pytest.mark.parametrize("kind", ["Event", "RequestResponse"])
def test_a_payload_that_is_no_json_is_refused(lambda_, kind):
    with pytest.raises(lambda_.exceptions.InvalidRequestContentException):
        lambda_.invoke(FunctionName="echo", InvocationType=kind, Payload=b"{")


def test_throttles_the_next_calls_with_a_reason(aws, lambda_, invoke):
    aws.functions.throttle_next(1)
    aws.functions.throttle_next(1, "echo")
    for _ in range(2):
        with pytest.raises(lambda_.exceptions.TooManyRequestsException) as error:
            invoke("echo")
        assert error.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert invoke("echo", 1)[0] == 1


def test_throttles_only_the_function_it_is_told_to(aws, lambda_, invoke):
    aws.functions.throttle_next(1, "show")
    assert invoke("echo", 1)[0] == 1
    with pytest.raises(lambda_.exceptions.TooManyRequestsException):
        invoke("show")


def test_a_dry_run_runs_nothing(aws, lambda_):
    before = aws.logs.events("/aws/lambda/echo")
    assert lambda_.invoke(FunctionName="echo", InvocationType="DryRun", Payload=b"{}")["StatusCode"] == 204
    assert aws.logs.events("/aws/lambda/echo") == before


def test_describes_a_function(lambda_):
    configuration = lambda_.get_function(FunctionName="echo:live")["Configuration"]
    assert configuration["FunctionArn"].endswith(":function:echo:live")
    assert lambda_.get_function_configuration(FunctionName="echo")["Handler"] == "plain.echo"
    with pytest.raises(lambda_.exceptions.ResourceNotFoundException):
        lambda_.get_function(FunctionName="nobody")


@pytest.mark.parametrize("name", ["echo", "run_task"])
def test_the_code_of_a_function_can_be_downloaded(lambda_, name):
    """By anybody who has the address, as at AWS."""
    answer = lambda_.get_function(FunctionName=name)
    with urllib.request.urlopen(answer["Code"]["Location"]) as opened:
        content = opened.read()
    said = answer["Configuration"]
    assert b64encode(hashlib.sha256(content).digest()).decode() == said["CodeSha256"]
    assert said["CodeSize"] == len(content)
    assert lambda_.get_function_configuration(FunctionName=name)["CodeSha256"] == said["CodeSha256"]
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        module = f"{said['Handler'].partition('.')[0]}.py"
        assert opened.read(module) == (HANDLERS / module).read_bytes()


def test_runs_what_is_in_a_zip(aws, tmp_path):
    with zipfile.ZipFile(tmp_path / "function.zip", "w") as built:
        built.writestr("inside/__init__.py", "")
        built.writestr("inside/handlers.py", "def where(event, context): return [__name__, __file__]")
    aws.functions.create("zipped", "inside.handlers.where", python_path=[tmp_path / "function.zip"])
    name, file = json.loads(aws.functions.invoke("zipped", b"{}").payload)
    assert (name, file) == ("inside.handlers", str(tmp_path / "function.zip" / "inside" / "handlers.py"))


def test_an_observer_that_fails_changes_nothing(aws, invoke, caplog):
    def fail(name, line):
        raise ValueError("my fault")

    aws.functions.on_log.insert(0, fail)
    try:
        request_id = invoke("show", "observed")[1]["ResponseMetadata"]["RequestId"]
        aws.logs.wait_for("/aws/lambda/show", f"REPORT RequestId: {request_id}")
    finally:
        aws.functions.on_log.remove(fail)
    assert "my fault" in caplog.text


def test_a_name_is_taken_once(aws):
    with pytest.raises(ValueError, match="'echo' is there already"):
        aws.functions.create("echo", "plain.echo")


def test_says_what_it_does_not_have(lambda_):
    with pytest.raises(
        ClientError, match="the local AWS does not have the operation GET /2015-03-31/functions"
    ):
        lambda_.list_functions()


def test_logs_what_is_printed_and_what_lambda_says_itself(aws, invoke):
    request_id = invoke("show", 1)[1]["ResponseMetadata"]["RequestId"]
    aws.logs.wait_for("/aws/lambda/show", f"REPORT RequestId: {request_id}")
    lines = [event.message for event in aws.logs.events("/aws/lambda/show")]
    lines = lines[next(number for number, line in enumerate(lines) if request_id in line) :]
    assert lines[:3] == [
        f"START RequestId: {request_id} Version: $LATEST",
        "event 1",
        f"END RequestId: {request_id}",
    ]
    assert lines[3].startswith(f"REPORT RequestId: {request_id}\tDuration: ")
    invoke("fail")
    error = aws.logs.wait_for("/aws/lambda/fail", "[ERROR]").message
    assert error.startswith("[ERROR] LookupError: no such thing\rTraceback (most recent call last):\r")


def test_where_the_clock_is_to_meet_the_real_one_a_function_is_told_its_time():
    """Else a recovery of a night that lies behind would think that it is late."""
    begin = datetime.now(UTC) - timedelta(hours=10)
    with LocalAws(speed=100, start=begin, until_present=True) as aws:
        aws.functions.create("clock", "plain.tell_the_time", python_path=[HANDLERS], timeout_s=60)
        aws.functions.warm()
        before = aws.clock.now().timestamp()
        told = json.loads(aws.functions.invoke("clock", b"{}").payload)
        assert before <= told["time"] <= aws.clock.now().timestamp()
        assert 50_000 < told["left_ms"] <= 60_000
    with LocalAws(speed=100, start=begin) as aws:
        aws.functions.create("clock", "plain.tell_the_time", python_path=[HANDLERS])
        told = json.loads(aws.functions.invoke("clock", b"{}").payload)
        assert abs(told["time"] - time.time()) < 60
