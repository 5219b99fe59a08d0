"""A subscription event gives one result for each record; what cannot be read never costs its neighbours."""

from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task import sources
from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudwatch_logs
from retry_run_task.sources.reading import ReadError
from support.records import HAND_MADE, awslogs, eventbridge, pack, record


def kinds(event: Any) -> list[str]:
    return [type(item).__name__ for item in sources.parse(event)]


def why(event: Any) -> str:
    (item,) = sources.parse(event)
    assert isinstance(item, Unparsed | Ignored)
    return item.why


@pytest.mark.parametrize("amount", [1, 2, 1000])
def test_every_record_of_a_payload_is_read(amount: int) -> None:
    messages = [record(eventID=f"00000000-0000-4000-8000-{n:012}") for n in range(amount)]
    ids = [item.event_id for item in sources.parse(awslogs(*messages)) if isinstance(item, FailedLaunch)]
    assert ids == [m["eventID"] for m in messages]


def test_both_event_sources_give_the_same_launch() -> None:
    """So that the second arrival of a failure is the same recovery with the same payload."""
    assert list(sources.parse(awslogs(record()))) == list(sources.parse(eventbridge(record())))


def test_unknown_members_are_of_no_interest() -> None:
    extra = awslogs(record(somethingNew={"x": 1}), policyLevel="ACCOUNT_LEVEL_POLICY", somethingElse=[1])
    assert kinds(extra) == ["FailedLaunch"]


def test_a_record_without_a_time_has_that_of_its_log_event() -> None:
    (found,) = sources.parse(awslogs({k: v for k, v in HAND_MADE.items() if k != "eventTime"}))
    assert isinstance(found, FailedLaunch)
    assert found.event_time == datetime(2026, 11, 24, 0, 5, 3, tzinfo=UTC)


def test_a_control_message_is_nobodys_launch() -> None:
    event = awslogs(
        "CWL CONTROL MESSAGE: Checking health of destination Lambda.", messageType="CONTROL_MESSAGE"
    )
    assert kinds(event) == ["Ignored"]


def test_zlib_and_gzip_in_several_members_are_read_too() -> None:
    text = base64.b64decode(awslogs(record())["awslogs"]["data"])
    plain = gzip.decompress(text)
    for packed in (zlib.compress(plain), gzip.compress(plain[:100]) + gzip.compress(plain[100:])):
        assert kinds({"awslogs": {"data": base64.b64encode(packed).decode()}}) == ["FailedLaunch"]


BAD_MESSAGES = {
    "a list": "[1]",
    "a number": "7",
    "null": "null",
    "no JSON": "{",
    "no JSON at all": "RunTask failed",
    "empty": "",
    "nested too deeply": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a request nested too deeply": json.dumps(record()).replace(
        '"count": 1', '"x": ' + "[" * 200 + "]" * 200
    ),
    "a name twice": json.dumps(record()).replace('"count": 1', '"count": 1, "count": 2'),
    "NaN": json.dumps(record()).replace('"count": 1', '"count": NaN'),
    "a number without end": json.dumps(record()).replace('"count": 1', '"count": ' + "9" * 5000),
    "infinity in disguise": json.dumps(record()).replace('"count": 1', '"x": 1e999'),
    "too long": json.dumps(record(padding="x" * (1024 * 1024))),
}


@pytest.mark.parametrize("message", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
def test_a_bad_record_is_one_sentence_and_its_neighbours_are_read(message: str) -> None:
    before, bad, after = sources.parse(awslogs(record(), message, HAND_MADE))
    assert isinstance(before, FailedLaunch)
    assert isinstance(after, FailedLaunch)
    assert isinstance(bad, Unparsed)
    assert bad.where is not None
    assert bad.where.startswith("log event 3711")
    assert bad.why


@pytest.mark.parametrize("log_event", [None, 7, [], {}, {"message": 7}, {"message": None, "id": "x"}])
def test_a_log_event_that_is_none_is_one_sentence(log_event: Any) -> None:
    event = pack(
        {
            "messageType": "DATA_MESSAGE",
            "logEvents": [log_event, {"id": "1", "message": json.dumps(record())}],
        }
    )
    assert kinds(event) == ["Unparsed", "FailedLaunch"]


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ({"awslogs": {}}, "not a string"),
        ({"awslogs": None}, "not a string"),
        ({"awslogs": {"data": "no base64!"}}, "not base64"),
        ({"awslogs": {"data": "YWJj"}}, "neither gzip nor zlib"),
        ({"awslogs": {"data": ""}}, "not JSON"),
        (pack("{"), "not JSON"),
        (pack([1]), "not a JSON object"),
        (pack({"messageType": "DATA_MESSAGE"}), "logEvents"),
        (pack({"messageType": "OTHER", "logEvents": []}), "DATA_MESSAGE"),
        (pack({"logEvents": "x"}), "DATA_MESSAGE"),
        ({}, "neither"),
        ([], "neither"),
        (None, "neither"),
        ({"detail-type": "ECS Container Instance State Change"}, "neither"),
        (eventbridge(None), "no detail"),
        (eventbridge("x"), "detail is a string"),
        (eventbridge(record(), time="soon"), "not a time"),
    ],
)
def test_a_payload_that_cannot_be_read_says_why(event: Any, says: str) -> None:
    assert says in why(event)


def test_a_payload_that_was_cut_off_says_so() -> None:
    data = awslogs(record())["awslogs"]["data"]
    assert "cut off" in why({"awslogs": {"data": data[: len(data) // 2 // 4 * 4]}})
    assert "base64" in why({"awslogs": {"data": data[: len(data) // 2 // 4 * 4 + 1]}})


def test_a_bomb_is_not_unpacked() -> None:
    """A hundred megabytes of zeros are a tenth of one of gzip; it is given up at the most that an event may be."""
    stream = zlib.compressobj(wbits=31)
    block = bytes(1024 * 1024)
    bomb = b"".join(stream.compress(block) for _ in range(100)) + stream.flush()
    assert len(bomb) < 1024 * 1024
    tracemalloc.start()
    with pytest.raises(ReadError, match="more than 32 MB"):
        cloudwatch_logs.unpack(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80 * 1024 * 1024


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_read_error(packed: bytes) -> None:
    for data in (packed, gzip.compress(packed), zlib.compress(packed)[:-1]):
        event = {"awslogs": {"data": base64.b64encode(data).decode()}}
        assert all(isinstance(item, Unparsed | Ignored) for item in sources.parse(event))


def values(floats: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers() | floats | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=10,
    )


# What JSON has no spelling for cannot come by EventBridge; a message in the log group with it is refused, as above.
JSON = values(st.floats(allow_nan=False, allow_infinity=False))


def _damaged(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    copy = json.loads(json.dumps(record()))
    target = copy
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    return copy


PATHS = (
    [
        (name,)
        for name in (
            "requestParameters",
            "responseElements",
            "userIdentity",
            "eventTime",
            "eventID",
            "awsRegion",
            "errorCode",
            "errorMessage",
            "userAgent",
            "sourceIPAddress",
            "eventName",
            "addendum",
        )
    ]
    + [
        ("requestParameters", name)
        for name in ("count", "cluster", "taskDefinition", "startedBy", "tags", "overrides", "clientToken")
    ]
    + [("responseElements", "tasks"), ("responseElements", "failures"), ("userIdentity", "sessionContext")]
)


@given(path=st.sampled_from(PATHS), value=JSON)
def test_whatever_stands_in_a_record_it_is_read_or_refused_and_its_neighbour_is_read(
    path: tuple[str, ...], value: Any
) -> None:
    message = json.dumps(_damaged(path, value))
    first, second = sources.parse(awslogs(message, record()))
    assert isinstance(first, FailedLaunch | Ignored | Unparsed)
    assert isinstance(second, FailedLaunch)
    (alone,) = sources.parse(eventbridge(json.loads(message)))
    assert type(alone) is type(first) or isinstance(alone, Unparsed | FailedLaunch)


@given(values(st.floats()))
def test_no_event_of_any_shape_raises(event: Any) -> None:
    assert list(sources.parse(event))
