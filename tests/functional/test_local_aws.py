"""The local AWS as a whole: a failed RunTask on its way to a function, who called, SNS, and a clean end."""

import base64
import contextlib
import gzip
import json
import os
import select
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.cloudtrail.records import rule_caller
from retry_run_task.local.lambda_.functions import DurableConfig
from retry_run_task.local.server import Server
from support.local_aws import HANDLERS, SPEED, Seen, client

START = datetime(2026, 11, 23, 15, tzinfo=UTC)
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
REQUEST = {
    "cluster": "batch",
    "taskDefinition": "nightly",
    "launchType": "FARGATE",
    "networkConfiguration": NETWORK,
}
PATTERN = '{ $.eventName = "RunTask" && $.responseElements.failures[0].reason = "*" }'
EVENT_PATTERN = {
    "source": ["aws.ecs"],
    "detail-type": ["AWS API Call via CloudTrail"],
    "detail": {
        "eventName": ["RunTask"],
        "$or": [
            {"responseElements": {"failures": {"reason": [{"exists": True}]}}},
            {"errorCode": [{"exists": True}]},
        ],
    },
}


@contextlib.contextmanager
def running(**knobs):
    """A local AWS whose one zone has no capacity."""
    with LocalAws(**{"speed": SPEED, "start": START, **knobs}) as aws:
        aws.ecs.create_cluster("batch")
        aws.ecs.register_task_definition("nightly")
        aws.ecs.add_subnet("subnet-a", "ap-northeast-1a")
        aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", 0)
        yield aws


@pytest.fixture(scope="module")
def aws():
    with running(event_sources=()) as shared:
        yield shared


def catch(aws):
    """Collect what functions are sent, without running them."""
    sent = Seen()
    aws.functions.invoke_async = lambda name, payload, qualifier=None: sent(name, json.loads(payload))
    return sent


def unpack(payload):
    return json.loads(gzip.decompress(base64.b64decode(payload["awslogs"]["data"])))


def test_a_failed_run_task_reaches_the_log_groups_subscriber_minutes_later():
    with running(trail_delay=(300, 60)) as aws:
        sent = catch(aws)
        aws.functions.create("intake", "plain.show")
        aws.logs.put_subscription_filter(aws.trail.log_group, "RunTaskFailureFilter", PATTERN, "intake")
        assert unpack(sent.next()[1])["messageType"] == "CONTROL_MESSAGE"
        made_at = aws.clock.now()
        answer = aws.ecs.run_task(REQUEST, rule_caller("arn:aws:iam::123456789012:role/ecsEventsRole"))
        name, payload = sent.next()
        data = unpack(payload)
    assert answer["tasks"] == []
    assert name == "intake"
    (event,) = data["logEvents"]
    assert data["logStream"] == "123456789012_CloudTrail_ap-northeast-1"
    record = json.loads(event["message"])
    assert (record["eventName"], record["requestParameters"]["taskDefinition"]) == ("RunTask", "nightly")
    assert record["responseElements"]["failures"] == answer["failures"]
    assert record["userIdentity"]["invokedBy"] == "events.amazonaws.com"
    written_at = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    assert timedelta(seconds=239) < written_at - made_at < timedelta(seconds=5000)


def test_a_run_task_that_succeeds_is_in_the_log_group_and_reaches_nobody():
    with running(trail_delay=(1, 0)) as aws:
        sent = catch(aws)
        aws.functions.create("intake", "plain.show")
        aws.logs.put_subscription_filter(aws.trail.log_group, "RunTaskFailureFilter", PATTERN, "intake")
        sent.next()
        aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", None)
        aws.ecs.run_task({**REQUEST, "startedBy": "fine"})
        aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", 0)
        aws.ecs.run_task({**REQUEST, "startedBy": "failed"})
        records = [json.loads(event["message"]) for event in unpack(sent.next()[1])["logEvents"]]
        assert [record["requestParameters"]["startedBy"] for record in records] == ["failed"]
        in_group = [json.loads(event.message) for event in aws.logs.events(aws.trail.log_group)]
        assert [record["requestParameters"]["startedBy"] for record in in_group] == ["fine", "failed"]


def put_rule(aws, name, pattern):
    aws.schedules.put_rule(name, pattern=pattern)
    aws.schedules.put_targets(name, [{"Id": "1", "Arn": aws.functions.get("intake")[0].arn}])


def test_the_same_record_reaches_a_rule_of_the_event_bus():
    with running(event_sources=("logs", "eventbridge"), trail_delay=(0, 0), event_delay=(75, 15)) as aws:
        sent = catch(aws)
        aws.functions.create("intake", "plain.show")
        put_rule(aws, "failed-calls", EVENT_PATTERN)
        aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", None)
        aws.ecs.run_task({**REQUEST, "startedBy": "fine"})
        aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", 0)
        aws.ecs.run_task({**REQUEST, "startedBy": "failed"})
        _, event = sent.next()
        record = next(
            one
            for one in (json.loads(event.message) for event in aws.logs.events(aws.trail.log_group))
            if one["requestParameters"]["startedBy"] == "failed"
        )
    assert len(event.pop("id")) == 36
    assert event.pop("detail") == record
    assert event == {
        "version": "0",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.ecs",
        "account": "123456789012",
        "time": record["eventTime"],
        "region": "ap-northeast-1",
        "resources": [],
    }


def test_a_task_that_changes_its_state_reaches_a_rule_by_itself():
    with running(event_sources=("task-state-change",)) as aws:
        sent = catch(aws)
        aws.functions.create("intake", "plain.show")
        pattern = {
            "source": ["aws.ecs"],
            "detail-type": ["ECS Task State Change"],
            "detail": {"lastStatus": ["STOPPED"]},
        }
        put_rule(aws, "stopped", pattern)
        aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", None)
        (task,) = aws.ecs.run_task(REQUEST)["tasks"]
        _, event = sent.next()
    assert event["resources"] == [event["detail"]["taskArn"]] == [task["taskArn"]]
    assert event["detail"]["stopCode"] == "EssentialContainerExited"


@pytest.mark.parametrize("out_of_order", [False, True])
def test_records_may_come_twice_and_out_of_order(out_of_order):
    with running(trail_delay=(300, 300)) as aws:
        aws.trail.duplicates = 1
        aws.trail.out_of_order = out_of_order
        for number in range(10):
            aws.ecs.run_task({**REQUEST, "startedBy": f"call-{number}"})
        done = threading.Event()
        aws.clock.call_later(700, done.set)
        assert done.wait(60)
        records = [json.loads(event.message) for event in aws.logs.events(aws.trail.log_group)]
    calls = [record["requestParameters"]["startedBy"] for record in records]
    in_order = [f"call-{number}" for number in range(10) for _ in range(2)]
    assert sorted(calls) == sorted(in_order)
    assert (calls == in_order) is not out_of_order
    assert len({record["eventID"] for record in records}) == 10


def test_refuses_a_way_in_that_there_is_not():
    with pytest.raises(ValueError, match="carrier-pigeon"):
        LocalAws(event_sources=("carrier-pigeon",))


def test_ecs_answers_boto3(aws):
    ecs = client(aws, "ecs")
    assert ecs.run_task(**REQUEST)["failures"][0]["reason"].startswith("Capacity is unavailable")
    aws.ecs.capacity.set("ap-northeast-1a", "FARGATE", None)
    arn = ecs.run_task(**REQUEST, startedBy="me", clientToken="one")["tasks"][0]["taskArn"]
    assert ecs.list_tasks(cluster="batch", startedBy="me")["taskArns"] == [arn]
    assert ecs.describe_tasks(cluster="batch", tasks=[arn])["tasks"][0]["createdAt"] > START
    assert ecs.stop_task(cluster="batch", task=arn)["task"]["desiredStatus"] == "STOPPED"
    with pytest.raises(ecs.exceptions.ClusterNotFoundException):
        ecs.run_task(**{**REQUEST, "cluster": "nowhere"})
    with pytest.raises(ecs.exceptions.ConflictException) as error:
        ecs.run_task(**{**REQUEST, "count": 2}, clientToken="one")
    assert error.value.response["resourceIds"] == [arn]
    aws.ecs.faults.lose_answers(1)
    with pytest.raises(ecs.exceptions.ServerException) as error:
        ecs.run_task(**REQUEST)
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.parametrize(
    ("function", "issuer", "arn"),
    [
        (None, None, "arn:aws:iam::123456789012:user/operator"),
        (
            "recover",
            "arn:aws:iam::123456789012:role/recovery",
            "arn:aws:sts::123456789012:assumed-role/recovery/recover",
        ),
    ],
)  # fmt: skip -- a table
def test_who_called_is_in_the_record_and_known_to_sts(function, issuer, arn):
    with running() as aws:
        calls = Seen()
        aws.ecs.on_call.append(calls)
        aws.functions.create("recover", "plain.echo", role_arn="arn:aws:iam::123456789012:role/recovery")
        answer = client(aws, "ecs", function).run_task(**REQUEST)
        identity = client(aws, "sts", function).get_caller_identity()
        call = calls.next()
        key = aws.environment(function)["AWS_ACCESS_KEY_ID"]
    recorded = call.caller.identity
    assert recorded.get("sessionContext", {}).get("sessionIssuer", {}).get("arn") == issuer
    assert recorded["arn"] == identity["Arn"] == arn
    assert identity["Account"] == "123456789012"
    assert recorded["accessKeyId"] == key
    assert call.caller.source_ip == "127.0.0.1"
    assert "Botocore/" in call.caller.user_agent
    assert call.request_id == answer["ResponseMetadata"]["RequestId"]


def test_sns_keeps_what_is_published(aws):
    sns = client(aws, "sns")
    topic = sns.create_topic(Name="people")["TopicArn"]
    assert topic == aws.topics.create("people") == "arn:aws:sns:ap-northeast-1:123456789012:people"
    told = Seen()
    aws.topics.on_publish.append(told)
    before = aws.clock.now()
    answer = sns.publish(TopicArn=topic, Subject="It's & <over>", Message="a\nb ü")
    message = told.next()
    assert (message.topic, message.subject, message.message) == (topic, "It's & <over>", "a\nb ü")
    assert message.message_id == answer["MessageId"]
    assert before <= message.time <= aws.clock.now()
    assert aws.topics.published[-1] is message
    sns.publish(TopicArn=topic, Message="x" * 262_144)
    assert aws.topics.published[-1].subject is None
    assert aws.topics.published[-1].attributes == {}


def test_sns_keeps_a_form_for_each_protocol_and_the_attributes(aws):
    """As told in https://docs.aws.amazon.com/sns/latest/api/API_Publish.html."""
    attributes = {"severity": {"DataType": "String", "StringValue": "error"}}
    client(aws, "sns").publish(
        TopicArn=aws.topics.create("people"),
        Subject="未実行",
        Message=json.dumps({"default": "for all", "https": '{"for": "chat"}', "sms": 7}),
        MessageStructure="json",
        MessageAttributes=attributes,
    )
    message = aws.topics.published[-1]
    assert (message.subject, message.message) == ("未実行", "for all")
    assert message.by_protocol == {"default": "for all", "https": '{"for": "chat"}'}
    assert message.attributes == {"severity": "error"}


@pytest.mark.parametrize(
    ("changed", "code", "text"),
    [
        ({"Subject": "a" * 101}, "InvalidParameter", "Subject"),
        ({"Subject": "two\nlines"}, "InvalidParameter", "Subject"),
        ({"Subject": "a\u2028b"}, "InvalidParameter", "Subject"),
        ({"MessageStructure": "json", "Message": "text"}, "InvalidParameter", "No default entry"),
        ({"MessageStructure": "json", "Message": '{"https": "x"}'}, "InvalidParameter", "No default entry"),
        ({"Subject": ""}, "InvalidParameter", "Subject"),
        ({"Message": ""}, "InvalidParameter", "Empty message"),
        ({"Message": "x" * 262_143 + "ü"}, "InvalidParameter", "Message too long"),
        ({"TopicArn": "arn:aws:sns:ap-northeast-1:123456789012:nowhere"}, "NotFound", "Topic does not exist"),
        ({"TopicArn": "people"}, "InvalidParameter", "TopicArn"),
    ],
)
def test_sns_refuses_what_sns_refuses(aws, changed, code, text):
    request = {"TopicArn": aws.topics.create("people"), "Subject": "a" * 100, "Message": "x", **changed}
    before = len(aws.topics.published)
    with pytest.raises(ClientError, match=text) as error:
        client(aws, "sns").publish(**request)
    assert error.value.response["Error"]["Code"] == code
    assert len(aws.topics.published) == before


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("ecs", lambda ecs: ecs.list_services()),
        ("sns", lambda sns: sns.list_topics()),
        ("sts", lambda sts: sts.get_session_token()),
        ("dynamodb", lambda dynamodb: dynamodb.list_tables()),
        ("apigatewayv2", lambda apigatewayv2: apigatewayv2.get_apis()),
    ],
)
def test_says_what_it_does_not_have(aws, service, call):
    with pytest.raises(ClientError, match="the local AWS does not have the operation"):
        call(client(aws, service))


@pytest.mark.parametrize("failure", [None, RuntimeError, KeyboardInterrupt])
def test_leaves_nothing_behind(failure):
    """Also with a handler in the middle of its work, a caller that waits for it, and an execution that waits."""
    before = set(threading.enumerate())
    results = Seen()
    with contextlib.suppress(RuntimeError, KeyboardInterrupt), running() as aws:
        aws.functions.create("hang", "plain.hang", python_path=[HANDLERS])
        aws.functions.create("loop", "durable.loop", python_path=[HANDLERS], durable=DurableConfig())
        waiting = threading.Thread(target=lambda: results(aws.functions.invoke("hang", b"{}")))
        waiting.start()
        lambda_ = client(aws, "lambda")
        lambda_.invoke(
            FunctionName="loop:live", InvocationType="Event", Payload=b'{"rounds": 1, "wait_s": 86400}'
        )
        pid = int(aws.logs.wait_for("/aws/lambda/hang", "hanging").message.split()[1])
        aws.logs.wait_for("/aws/lambda/loop", "START")
        aws.ecs.run_task(REQUEST)
        # The client and its connection stay: ending that is the server's matter.
        lambda_.list_durable_executions_by_function(FunctionName="loop")
        if failure:
            raise failure
    assert results.next().error == "Unhandled"
    waiting.join(60)
    assert set(threading.enumerate()) <= before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_stops_what_it_has_started_when_it_cannot_start(monkeypatch):
    before = set(threading.enumerate())

    def fail(self):
        raise OSError("no more threads")

    monkeypatch.setattr(Server, "start", fail)
    with pytest.raises(OSError, match="no more threads"), running():
        pass
    assert set(threading.enumerate()) <= before


SCRIPT = """
import sys, time
from retry_run_task.local.aws import LocalAws
with LocalAws() as aws:
    aws.functions.create("hang", "plain.hang", python_path=[sys.argv[1]], concurrency=1)
    aws.functions.invoke_async("hang", b"{}")
    print(aws.logs.wait_for("/aws/lambda/hang", "hanging").message, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_function_in_the_middle_of_its_work_ends_with_it_however_it_ends(number):
    """Ctrl-C reaches every process of a terminal's foreground group; SIGKILL leaves no time for anything."""
    path = os.pathsep.join([str(HANDLERS.parents[2] / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(HANDLERS)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as script:
        watched = os.pidfd_open(int(script.stdout.readline().split()[1]))
        os.killpg(script.pid, number)
        assert script.wait(60) == -number
    # Readable when the process has ended.
    assert select.select([watched], [], [], 60)[0]
    os.close(watched)
