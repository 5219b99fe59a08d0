"""The schema takes what the parser takes, and refuses what is wrong with one key by itself."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from retry_run_task.policy.file import parse
from retry_run_task.policy.keys import MATCH, SETTINGS
from retry_run_task.policy.ladder import RungKind

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs/reference/policy.schema.json").read_text(encoding="utf-8"))
SHIPPED = (ROOT / "src/retry_run_task/policy.toml").read_text(encoding="utf-8")
VALIDATOR = Draft202012Validator(SCHEMA)


def errors(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema_and_the_shipped_policy_follows_it() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert errors(tomllib.loads(SHIPPED)) == []


GOOD: dict[str, list[Any]] = {
    "ignore": [True],
    "retry": [False],
    "attempts": [1, "any"],
    "wait": [
        {"first": "1 s", "longest": "1 h 30 min"},
        {"first": "1 s", "longest": "1 min", "after": "2 h", "then": "5 min"},
    ],
    "early-message": ["never", "30 min"],
    "stop-hanging": [True, False],
    "overlap": ["skip", "allow"],
    "deadline": ["90 s"],
    "interval-share": [1, 0.5],
    "rungs": [["as-asked"], ["as-asked", "each-subnet", "on-demand"]],
    "extra-subnets": ["subnet-0a", ["subnet-0a", "subnet-1b"]],
    "capacity-providers": ["spare"],
    "sizes": [["2 vCPU, 8 GB", ".25 vCPU, 0.5 GB"]],
    "platform-versions": ["1.4.0", ["LATEST"]],
    "notify": ["always", "failure", "never"],
    "schedule": ["a-*", ["a", "b"]],
    "cluster": ["a"],
    "task-definition": ["a"],
    "caller": ["rule", ["rule", "scheduler"]],
    "category": [["capacity"]],
    "policy": ["a"],
}
BAD: dict[str, list[Any]] = {
    "ignore": ["yes", 1],
    "retry": ["no"],
    "attempts": [0, "many", 1.5],
    "wait": [
        {"first": "1 s"},
        "1 s",
        {"first": "1 s", "longest": "1 m"},
        {"first": "1 s", "longest": "1 min", "after": "2 h"},
    ],
    "early-message": ["no", 30],
    "stop-hanging": ["yes", 1],
    "overlap": ["never", True],
    "deadline": [90, "soon", "1 hour", ""],
    "interval-share": [0, 1.5, "half"],
    "rungs": [[], ["each-subnet"], ["as-asked", "as-asked"], "as-asked", ["as-asked", "moon"]],
    "extra-subnets": [[], ["vpc-1"]],
    "capacity-providers": [[], [""]],
    "sizes": ["1024/4096", [3]],
    "platform-versions": ["1.4"],
    "notify": ["mail"],
    "schedule": [[], 3, " "],
    "cluster": [[]],
    "task-definition": [None],
    "caller": ["batch", "own"],
    "category": ["capasity"],
    "policy": [[]],
}


def document(key: str, value: Any) -> dict[str, Any]:
    rule = {"name": "x", "match": {key: value}, "retry": False} if key in MATCH else {"name": "x", key: value}
    return {"rules": [rule]}


@pytest.mark.parametrize("key", [*MATCH, *SETTINGS])
def test_the_schema_and_the_parser_agree_about_every_key(key: str) -> None:
    known = (MATCH | SETTINGS)[key]
    for value in GOOD[key]:
        assert errors(document(key, value)) == []
        known.read(value)
    for value in BAD[key]:
        assert errors(document(key, value)), value
        with pytest.raises(ValueError, match=r"\w"):
            known.read(value)


@pytest.mark.parametrize(
    "text",
    [
        SHIPPED.replace("spread", "spred"),
        SHIPPED.replace("\nwait =", "\nwaits =", 1),
        SHIPPED.replace('category = "capacity"', 'categories = "capacity"'),
        SHIPPED.replace('name = "capacity"\n', ""),
        'spread = "1 s"',
    ],
)
def test_what_the_parser_refuses_for_its_form_the_schema_refuses_too(text: str) -> None:
    assert errors(tomllib.loads(text))
    assert isinstance(parse(text), tuple)


def test_an_editor_shows_what_each_rung_costs() -> None:
    shown = SCHEMA["properties"]["rules"]["items"]["properties"]["rungs"]["description"]
    assert all(f"{kind}:" in shown for kind in RungKind)
