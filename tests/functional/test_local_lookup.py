"""CloudTrail's event history in the local AWS, by boto3."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from retry_run_task.local.aws import LocalAws
from support.local_aws import client

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a"]}}
REQUEST = {
    "cluster": "batch",
    "taskDefinition": "nightly",
    "launchType": "FARGATE",
    "networkConfiguration": NETWORK,
}
BY_NAME = [{"AttributeKey": "EventName", "AttributeValue": "RunTask"}]


@pytest.fixture
def aws():
    with LocalAws(speed=1000, trail_delay=(300, 60), event_sources=()) as running:
        running.ecs.create_cluster("batch")
        running.ecs.register_task_definition("nightly")
        running.ecs.add_subnet("subnet-a", "ap-northeast-1a")
        running.lookup.calls_per_s = None
        yield running


def call(aws, count=1):
    for _ in range(count):
        aws.ecs.run_task(REQUEST)


def pass_time(aws, seconds):
    due = threading.Event()
    aws.clock.call_later(seconds, due.set)
    assert due.wait(60)


def test_a_call_can_be_looked_up_once_its_record_is_there(aws):
    cloudtrail = client(aws, "cloudtrail")
    call(aws)
    assert cloudtrail.lookup_events(LookupAttributes=BY_NAME)["Events"] == []
    pass_time(aws, 400)
    (event,) = cloudtrail.lookup_events(LookupAttributes=BY_NAME)["Events"]
    record = json.loads(event["CloudTrailEvent"])
    assert (event["EventName"], event["EventId"]) == ("RunTask", record["eventID"])
    assert event["EventTime"] == datetime.fromisoformat(record["eventTime"])
    assert event["ReadOnly"] == "false"


def test_the_newest_is_first_on_pages_of_fifty_and_a_token_goes_with_its_question(aws):
    call(aws, 120)
    pass_time(aws, 400)
    cloudtrail = client(aws, "cloudtrail")
    pages = list(cloudtrail.get_paginator("lookup_events").paginate(LookupAttributes=BY_NAME))
    assert [len(page["Events"]) for page in pages] == [50, 50, 20]
    events = [event for page in pages for event in page["Events"]]
    assert len({event["EventId"] for event in events}) == 120
    assert [event["EventTime"] for event in events] == sorted(
        (event["EventTime"] for event in events), reverse=True
    )
    with pytest.raises(cloudtrail.exceptions.InvalidNextTokenException):
        cloudtrail.lookup_events(NextToken=pages[0]["NextToken"], MaxResults=7)


def test_asks_by_time_and_by_one_attribute(aws):
    call(aws)
    pass_time(aws, 400)
    cloudtrail = client(aws, "cloudtrail")
    (event,) = cloudtrail.lookup_events()["Events"]
    second = timedelta(seconds=1)

    def found(**asked):
        return len(cloudtrail.lookup_events(**asked)["Events"])

    assert found(StartTime=event["EventTime"], EndTime=event["EventTime"]) == 1
    assert found(StartTime=event["EventTime"] + second) == 0
    assert found(EndTime=event["EventTime"] - second) == 0
    assert found(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "StopTask"}]) == 0
    assert found(LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": event["EventId"]}]) == 1
    with pytest.raises(cloudtrail.exceptions.InvalidTimeRangeException):
        found(StartTime=event["EventTime"], EndTime=event["EventTime"] - second)
    with pytest.raises(cloudtrail.exceptions.InvalidLookupAttributesException):
        found(LookupAttributes=BY_NAME * 2)


def test_what_is_older_than_ninety_days_is_gone(aws):
    call(aws)
    pass_time(aws, 400)
    (record,) = aws.trail.history
    long_ago = aws.clock.now() - timedelta(days=91)
    aws.trail.history.append(record | {"eventTime": f"{long_ago:%Y-%m-%dT%H:%M:%SZ}", "eventID": "old"})
    events = client(aws, "cloudtrail").lookup_events(StartTime=long_ago - timedelta(days=1))["Events"]
    assert [event["EventId"] for event in events] == [record["eventID"]]


def test_answers_two_calls_a_second(aws):
    aws.lookup.calls_per_s = 2.0
    cloudtrail = client(aws, "cloudtrail")
    cloudtrail.lookup_events()
    with pytest.raises(ClientError, match="ThrottlingException"):
        cloudtrail.lookup_events()
