"""The policy file as JSON Schema, for editors that complete and check what is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.policy.keys import MATCH, SETTINGS, TOP
from retry_run_task.policy.ladder import COSTS, RungKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.launch.values import JsonObject
    from retry_run_task.policy.keys import Key

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> JsonObject:
    """Return the schema. It checks each rule alone; ``checks`` finds problems between rules, such as their order."""
    rule = {
        "type": "object",
        "required": ["name"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "pattern": r"\S", "description": "As logs and messages print it."},
            "match": {
                "type": "object",
                "additionalProperties": False,
                "description": "What the rule is for. Everything that is given has to fit.",
                "properties": _properties(MATCH),
            },
            **_properties(SETTINGS),
        },
    }
    costs = "; ".join(f"{kind}: {COSTS[kind]}" for kind in RungKind)
    rule["properties"]["rungs"]["description"] += f" {costs}."  # type: ignore[index]  # just made, and a dict
    return {
        "$schema": DRAFT,
        "title": "policy.toml of retry-run-task",
        "type": "object",
        "required": ["rules"],
        "additionalProperties": False,
        "properties": {
            **_properties(TOP),
            "rules": {
                "type": "array",
                "minItems": 1,
                "items": rule,
                "description": "Read from top to bottom; of those that match, the first that sets something counts.",
            },
        },
    }


def _properties(keys: Mapping[str, Key]) -> JsonObject:
    return {name: {**key.schema, "description": key.meaning.replace("`", "")} for name, key in keys.items()}
