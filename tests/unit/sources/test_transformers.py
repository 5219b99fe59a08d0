"""A rule's input transformer gives the text that EventBridge made of the event, or a keyword for what is not known.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from retry_run_task.sources.reading import ReadError
from retry_run_task.sources.transformers import filled

ARN = "arn:aws:events:ap-northeast-1:123456789012:rule/nightly"


def text(template: Any, paths: Any = None, *, arn: str = ARN, is_timed: bool = True) -> str:
    transformer = {"InputTemplate": template} | ({} if paths is None else {"InputPathsMap": paths})
    return filled(transformer, arn=arn, is_timed=is_timed)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$.version", "0"),
        ("$.detail-type", "Scheduled Event"),
        ("$.source", "aws.events"),
        ("$.account", "123456789012"),
        ("$.region", "ap-northeast-1"),
        ("$.resources", [ARN]),
        ("$.resources[0]", ARN),
        ("$.detail", {}),
        # What only the run itself tells.
        ("$.time", "<aws.events.event.time>"),
        ("$.id", "<aws.events.event.id>"),
        ("$.resources[1]", "<aws.events.event.resources[1]>"),
        ("$", "<aws.events.event.json>"),
        ("$.detail.<a>", "<aws.events.event.detail.?a?>"),
        ("time", "<aws.events.eventtime>"),
    ],
)
def test_what_the_event_of_a_rule_by_the_clock_has(path: str, value: Any) -> None:
    assert json.loads(text("[<it>]", {"it": path})) == [value]
    if isinstance(value, str):
        assert text('"a <it> b"', {"it": path}) == f'"a {value} b"'
        on_events = json.loads(text("<it>", {"it": path}, is_timed=False))
        assert on_events.startswith("<aws.events.event")


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("", ""),
        ("no variable", "no variable"),
        # A name that the map does not have stays, as EventBridge leaves it.
        ('<other> "<other>"', '<other> "<other>"'),
        ("<when><by>", f'"<aws.events.event.time>"{json.dumps(ARN)}'),
        ('{"a": "<by>", "b": <by>, "c": ["x", <when>]}', None),
        # Quotes and line breaks within a string do not end it.
        (r'"a \" <by>" <by>', rf'"a \" {ARN}" "{ARN}"'),
        ('"a\n<by>" <by>', f'"a\n{ARN}" "{ARN}"'),
        ("<aws.events.rule-arn> <aws.events.rule-name>", f'"{ARN}" "nightly"'),
        ("<aws.events.event>", '"<aws.events.event>"'),
        ("<aws.events.event.json>", '"<aws.events.event.json>"'),
        ('"<aws.events.event.ingestion-time>"', '"<aws.events.event.ingestion-time>"'),
    ],
)
def test_a_template_is_filled_in(template: str, result: str | None) -> None:
    found = text(template, {"when": "$.time", "by": "$.resources[0]"})
    if result is None:
        assert json.loads(found) == {"a": ARN, "b": ARN, "c": ["x", "<aws.events.event.time>"]}
    else:
        assert found == result


def test_a_value_inside_a_string_is_escaped_and_outside_it_is_json() -> None:
    odd = 'arn:aws:events:r"1\n:2:rule/a/n"x'
    template = '["<r> <aws.events.rule-name>", <r>]'
    assert json.loads(text(template, {"r": "$.region"}, arn=odd)) == ['r"1\n n"x', 'r"1\n']


@pytest.mark.parametrize("arn", ["odd", "arn:aws:events:eu"])
def test_an_arn_that_is_none_leaves_account_and_region_empty(arn: str) -> None:
    region = "eu" if "eu" in arn else ""
    assert text('"<a>/<r>"', {"a": "$.account", "r": "$.region"}, arn=arn) == f'"/{region}"'


@pytest.mark.parametrize("paths", [None, {}, [], ""])
def test_a_template_needs_no_map(paths: Any) -> None:
    assert text("<a>", paths) == "<a>"


@pytest.mark.parametrize(
    ("template", "paths", "why"),
    [
        (None, {}, "its input transformer has no template"),
        (7, {}, "its input transformer has no template"),
        ("x", "y", "its input transformer has no template"),
        ("x", [7], "its input transformer has no template"),
        (
            '"run <d>"',
            {"d": "$.detail"},
            "its input transformer puts <d>, which is an object or a list, into a text",
        ),
        (
            '"<r>"',
            {"r": "$.resources"},
            "its input transformer puts <r>, which is an object or a list, into a text",
        ),
    ],
)
def test_why_a_template_cannot_be_filled_in(template: Any, paths: Any, why: str) -> None:
    with pytest.raises(ReadError) as caught:
        text(template, paths)
    assert str(caught.value) == why
