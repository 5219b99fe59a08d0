"""EventBridge's patterns, by AWS's page: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html."""

import pytest

from retry_run_task.local.eventbridge.event_pattern import check_pattern, is_match

FAILED = {"responseElements": {"failures": [{"reason": "none left"}], "tasks": []}, "errorCode": None}


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        ({}, {"a": 1}, True),
        ({"a": ["x"]}, {"a": "x", "b": 1}, True),
        ({"a": ["x", "y"]}, {"a": "y"}, True),
        ({"a": ["x"]}, {"a": "X"}, False),
        ({"a": ["x"]}, {}, False),
        ({"a": ["x"]}, {"a": ["z", "x"]}, True),
        ({"a": [1]}, {"a": 1}, True),
        ({"a": [1]}, {"a": True}, False),
        ({"a": [None]}, {"a": None}, True),
        ({"a": ["x"], "b": ["y"]}, {"a": "x", "b": "z"}, False),
        ({"a": {"b": ["x"]}}, {"a": {"b": "x"}}, True),
        ({"a": {"b": ["x"]}}, {"a": "x"}, False),
        ({"a": {"b": ["x"]}}, {"a": [{"b": "z"}, {"b": "x"}]}, True),
        ({"a": [{"prefix": "ab"}]}, {"a": "abc"}, True),
        ({"a": [{"prefix": "ab"}]}, {"a": "cab"}, False),
        ({"a": [{"prefix": "ab"}]}, {"a": 12}, False),
        ({"a": [{"suffix": "bc"}]}, {"a": "abc"}, True),
        ({"a": [{"suffix": "ab"}]}, {"a": "abc"}, False),
        ({"a": [{"anything-but": "x"}]}, {"a": "y"}, True),
        ({"a": [{"anything-but": ["x", "y"]}]}, {"a": "y"}, False),
        ({"a": [{"anything-but": "x"}]}, {}, False),
        ({"a": [{"exists": True}]}, {"a": "x"}, True),
        ({"a": [{"exists": True}]}, {}, False),
        ({"a": [{"exists": True}]}, {"a": {"b": 1}}, False),
        ({"a": [{"exists": True}]}, {"a": []}, False),
        ({"a": [{"exists": False}]}, {}, True),
        ({"a": [{"exists": False}]}, {"a": "x"}, False),
        ({"a": {"b": [{"exists": False}]}}, {}, True),
        ({"a": {"b": [{"exists": False}]}}, {"a": None}, True),
        ({"a": {"b": [{"exists": True}]}}, {"a": None}, False),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, True),
        ({"$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"a": "y", "b": "x"}, False),
        ({"c": ["z"], "$or": [{"a": ["x"]}, {"b": ["y"]}]}, {"b": "y"}, False),
        ({"responseElements": {"failures": {"reason": [{"exists": True}]}}}, FAILED, True),
        ({"responseElements": {"failures": {"arn": [{"exists": True}]}}}, FAILED, False),
    ],
)
def test_a_pattern_matches_as_eventbridge_says(pattern, event, expected):
    assert is_match(pattern, event) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        {"a": "x"},
        {"a": 1},
        {"a": [{"numeric": [">", 1]}]},
        {"a": [{"exists": True, "prefix": "x"}]},
        {"$or": [{"a": [{"cidr": "10.0.0.0/8"}]}]},
    ],
)
def test_what_cannot_be_evaluated_is_refused_when_the_rule_is_made(pattern):
    with pytest.raises(ValueError, match=r"event pattern|does not know"):
        check_pattern(pattern)
