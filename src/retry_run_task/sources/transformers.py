r"""A rule's input transformer, to the input that it made of the event, as far as the event is known afterwards.

Shortened::

    {"InputPathsMap": {"when": "$.time", "by": "$.resources[0]"},
     "InputTemplate": "{\"containerOverrides\": [{\"name\": \"app\", \"command\": [\"run\", <when>, \"by <by>\"]}]}"}

In a scheduled event only the id and the minute in which it was due differ from run to run::

    {"version": "0", "id": "53dc4d37-...", "detail-type": "Scheduled Event", "source": "aws.events",
     "account": "123456789012", "time": "2026-11-24T00:00:00Z", "region": "ap-northeast-1",
     "resources": ["arn:aws:events:ap-northeast-1:123456789012:rule/nightly"], "detail": {}}

A keyword such as ``<aws.events.event.id>`` replaces an unknown value: ``launch.schedule`` refuses it by that name,
unless the record shows the value.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-rule-schedule.html
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from retry_run_task.sources.reading import ReadError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"<([A-Za-z0-9_.-]{1,128})>")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def filled(transformer: Mapping[str, Any], *, arn: str, is_timed: bool) -> str:
    """Return the input that a rule passes to its target, with keywords for unknown values.

    ``is_timed`` tells whether the event was a scheduled one.

    Raises:
        ReadError: The template puts an object into a string, or is none.
    """
    template, paths = transformer.get("InputTemplate"), transformer.get("InputPathsMap") or {}
    if not isinstance(template, str) or not isinstance(paths, dict):
        raise ReadError("its input transformer has no template")
    event = _event(arn) if is_timed else {}
    values = {str(name): event.get(str(path), _keyword(str(path))) for name, path in paths.items()}
    values |= {"aws.events.rule-arn": arn, "aws.events.rule-name": arn.rpartition("/")[2]}
    values |= {name: f"<{name}>" for name in _RESERVED}
    parts, at = [], 0
    for string in _STRING.finditer(template):
        parts.append(_VARIABLE.sub(lambda found: _value(found, values), template[at : string.start()]))
        parts.append(_VARIABLE.sub(lambda found: _text(found, values), string[0]))
        at = string.end()
    parts.append(_VARIABLE.sub(lambda found: _value(found, values), template[at:]))
    return "".join(parts)


# They contain the event's id, or when EventBridge saw it.
_RESERVED = ("aws.events.event", "aws.events.event.json", "aws.events.event.ingestion-time")


def _event(arn: str) -> dict[str, Any]:
    """Return the known values of a scheduled event, by path."""
    # arn:aws:events:<region>:<account>:rule/<name>
    region, account = (arn.split(":") + [""] * 5)[3:5]
    return {
        "$.version": "0",
        "$.detail-type": "Scheduled Event",
        "$.source": "aws.events",
        "$.account": account,
        "$.region": region,
        "$.resources": [arn],
        "$.resources[0]": arn,
        "$.detail": {},
    }


def _keyword(path: str) -> str:
    plain = re.sub("[<>]", "?", path.removeprefix("$"))
    return f"<aws.events.event{plain or '.json'}>"


def _value(found: re.Match[str], values: Mapping[str, Any]) -> str:
    """Return what a variable is outside a string: JSON."""
    return json.dumps(values[found[1]]) if found[1] in values else found[0]


def _text(found: re.Match[str], values: Mapping[str, Any]) -> str:
    """Return what a variable is inside a string."""
    value = values.get(found[1], found[0])
    if not isinstance(value, str):
        raise ReadError(f"its input transformer puts <{found[1]}>, which is an object or a list, into a text")
    return json.dumps(value)[1:-1]
