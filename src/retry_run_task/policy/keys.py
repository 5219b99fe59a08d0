"""The keys of the policy file: how each is read, what it means, and its JSON Schema."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import CallerKind, Category
from retry_run_task.policy import durations, fargate
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.ladder import RungKind
from retry_run_task.policy.rules import Notify, Overlap
from retry_run_task.policy.scope import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CALLERS = tuple(kind.value for kind in CallerKind if kind not in NEVER)
CATEGORIES = tuple(category.value for category in Category)
RUNGS = tuple(kind.value for kind in RungKind)

# A subnet's id in EC2, or in the local AWS.
SUBNET = r"^subnet-[0-9a-z]+$"
VERSION = r"^(LATEST|\d+\.\d+\.\d+)$"


class BadValueError(ValueError):
    """A value is invalid. The message says what was expected."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the file: its meaning for the reference and for editors; ``read`` raises ``BadValueError``."""

    read: Callable[[Any], Any]
    attribute: str
    schema: Mapping[str, Any]
    meaning: str


# How values are read.


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadValueError("expected a text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValueError("expected true or false")
    return value


def _duration(value: Any) -> int:
    if not isinstance(value, str):
        raise BadValueError("expected a text with a unit, such as '90 s', '15 min' or '6 h'")
    try:
        return durations.seconds(value)
    except ValueError as error:
        raise BadValueError(str(error).partition("; ")[2]) from None


def _deadline(value: Any) -> int:
    read = _duration(value)
    if read < 1:
        raise BadValueError("expected more than that")
    return read


def _attempts(value: Any) -> int | None:
    if value == "any":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadValueError("expected a whole number from 1, or 'any'")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise BadValueError("expected a number above 0 and up to 1")
    return float(value)


def _wait(value: Any) -> Backoff:
    slow = {"after", "then"}
    if not isinstance(value, dict) or set(value) not in ({"first", "longest"}, {"first", "longest"} | slow):
        raise BadValueError(
            "expected { first = '15 s', longest = '1 min' }, and after = '2 h', then = '5 min' if you like"
        )
    read = {name: _duration(length) for name, length in value.items()}
    try:
        return Backoff(
            base_s=read["first"],
            cap_s=read["longest"],
            slow_after_s=read.get("after"),
            slow_s=read.get("then", 0),
        )
    except ValueError:
        raise BadValueError(
            "expected at least a second, the longest no shorter than the first, and then no shorter than the longest"
        ) from None


def _early(value: Any) -> int | None:
    return None if value == "never" else _duration(value)


def _list(value: Any) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BadValueError("expected at least one")
    return values


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(item) for item in _list(value))


def _choices(value: Any, choices: tuple[str, ...]) -> tuple[str, ...]:
    for item in _texts(value):
        if item not in choices:
            close = closest(item, choices)
            raise BadValueError(
                f"expected some of {', '.join(choices)}{f', perhaps {close}' if close else ''}"
            )
    return _texts(value)


def _callers(value: Any) -> frozenset[CallerKind]:
    return frozenset(CallerKind(item) for item in _choices(value, CALLERS))


def _categories(value: Any) -> frozenset[Category]:
    return frozenset(Category(item) for item in _choices(value, CATEGORIES))


def _rungs(value: Any) -> tuple[RungKind, ...]:
    if not isinstance(value, list):
        raise BadValueError("expected a list, such as ['as-asked', 'each-subnet']")
    kinds = tuple(RungKind(item) for item in _choices(value, RUNGS))
    if kinds[0] is not RungKind.AS_ASKED:
        raise BadValueError(
            "expected 'as-asked' first: the request as it was asked is where each round begins"
        )
    if len(set(kinds)) != len(kinds):
        raise BadValueError("expected each rung once")
    return kinds


def _overlap(value: Any) -> Overlap:
    return Overlap(_choices(_text(value), tuple(Overlap))[0])


def _notify(value: Any) -> Notify:
    return Notify(_choices(_text(value), tuple(Notify))[0])


def _matching(pattern: str, example: str) -> Callable[[Any], tuple[str, ...]]:
    def read(value: Any) -> tuple[str, ...]:
        for item in _texts(value):
            if re.fullmatch(pattern, item) is None:
                raise BadValueError(f"{item!r} is none; expected such as {example!r}")
        return _texts(value)

    return read


def _sizes(value: Any) -> tuple[tuple[int, int], ...]:
    try:
        return tuple(fargate.read_size(item) for item in _texts(value))
    except BadValueError:
        raise
    except ValueError as error:
        raise BadValueError(str(error)) from None


# What JSON Schema says of them.


def _one_or_more(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}


_TEXT = {"type": "string", "pattern": r"\S"}
_DURATION = {"type": "string", "pattern": durations.PATTERN}
_GLOBS = _one_or_more(_TEXT)

# The keys are laid out by hand, as a table.
# fmt: off
MATCH: Mapping[str, Key] = MappingProxyType(
    {
        "schedule": Key(_texts, "schedule", _GLOBS,
            "Globs on the name of the EventBridge rule or schedule. A call whose schedule is unknown fits "
            "none."),
        "cluster": Key(_texts, "cluster", _GLOBS,
            "Globs on the cluster's name or ARN."),
        "task-definition": Key(_texts, "task_definition", _GLOBS,
            "Globs on the task definition's family, `family:revision` or ARN."),
        "caller": Key(_callers, "caller", _one_or_more({"enum": list(CALLERS)}),
            "Who made the call."),
        "category": Key(_categories, "category", _one_or_more({"enum": list(CATEGORIES)}),
            "The kind of failure."),
        "policy": Key(_texts, "policy", _GLOBS,
            "Globs on the value of the tag `retry-run-task:policy`."),
    }
)

SETTINGS: Mapping[str, Key] = MappingProxyType(
    {
        "ignore": Key(_flag, "ignore", {"type": "boolean"},
            "Whether to ignore such launches: no attempt and no message, only a log line."),
        "retry": Key(_flag, "retry", {"type": "boolean"},
            "Whether another attempt follows such a failure. With `false` the recovery ends, with a message."),
        "attempts": Key(_attempts, "attempts", {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "any"}]},
            "How many failed attempts of this category end a recovery. An attempt that also tries a subnet counts "
            'once. `"any"` is the same as not setting it: any number.'),
        "wait": Key(_wait, "wait",
            {
                "type": "object",
                "properties": dict.fromkeys(("first", "longest", "after", "then"), _DURATION),
                "required": ["first", "longest"],
                "dependentRequired": {"after": ["then"], "then": ["after"]},
                "additionalProperties": False,
            },
            "`first` is the longest first wait between attempts, `longest` the longest that any wait becomes. Waits "
            "double; half of each is fixed, and the other half differs from launch to launch. Once `after` has passed "
            "since the failed call, `then` replaces `longest`."),
        "deadline": Key(_deadline, "deadline_s", _DURATION,
            "How long after the failed call the run is still wanted."),
        "interval-share": Key(_share, "interval_share", {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "Part of the time until the schedule's next run for which the run is still wanted: `1.0` until that "
            "run is due, `0.5` for half of that time. The earlier of this and `deadline` counts."),
        "rungs": Key(_rungs, "rungs",
            {
                "type": "array",
                "prefixItems": [{"const": RungKind.AS_ASKED.value}],
                "items": {"enum": list(RUNGS)},
                "minItems": 1,
                "uniqueItems": True,
            },
            "How the request may be changed to find capacity, in the order in which it is tried; `as-asked` "
            "first."),
        "extra-subnets": Key(_matching(SUBNET, "subnet-0123456789abcdef0"), "extra_subnets",
            _one_or_more({"type": "string", "pattern": SUBNET}),
            "Subnets for the rung of that name. They have to be in the VPC of the request's security groups."),
        "capacity-providers": Key(_texts, "capacity_providers", _GLOBS,
            "Capacity providers for the rung of that name. The cluster has to have them."),
        "sizes": Key(_sizes, "sizes", _one_or_more({"type": "string", "pattern": fargate.PATTERN}),
            'Sizes for the rung of that name, such as `"2 vCPU, 8 GB"`: sizes that Fargate has.'),
        "platform-versions": Key(_matching(VERSION, "1.4.0"), "platform_versions",
            _one_or_more({"type": "string", "pattern": VERSION}),
            "Platform versions for the rung of that name."),
        "early-message": Key(_early, "early_s", {"anyOf": [_DURATION, {"const": "never"}]},
            "How long after the failed call a message says that the run is late and still being retried, or "
            "`\"never\"`. Half of the time until the schedule's next run counts if that is earlier."),
        "stop-hanging": Key(_flag, "stop_hanging", {"type": "boolean"},
            "`true` stops a task that the recovery placed and that has not started within `watch`, and retries. "
            "It needs the permission that the stack's `StopHangingTasks` gives. Set it in a rule without a "
            "category, or for `transient`."),
        "overlap": Key(_overlap, "overlap", {"enum": list(Overlap)},
            "`skip` starts nothing while an earlier run of the schedule is still going: the recovery ends, and "
            "a message is sent. `allow` does not look. A rule with a category counts for the first failure "
            "only."),
        "notify": Key(_notify, "notify", {"enum": list(Notify)},
            "When the end of a recovery sends a message: `always`, `failure`, or `never`. If it is not set, the "
            "setting `RETRY_RUN_TASK_MESSAGES` of the function decides between the first two."),
    }
)

TOP: Mapping[str, Key] = MappingProxyType(
    {
        "spread": Key(_duration, "spread_s", _DURATION,
            "The longest wait before the first attempt. Each launch waits its own share of it."),
        "watch": Key(_duration, "watch_s", _DURATION,
            "How long a placed task is watched until it runs."),
    }
)

# fmt: on

# The list that a rung needs has the rung's own name.
LISTS = tuple(kind for kind in RungKind if kind.value in SETTINGS)


def closest(name: str, known: tuple[str, ...]) -> str:
    """Return the closest known name; empty if none is close."""
    found = difflib.get_close_matches(name.replace("_", "-"), known, n=1)
    return found[0] if found else ""
