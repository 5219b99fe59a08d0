"""Every argument of the Terraform module is one that the provider has, and none that it needs is missing.

The schemas are of the oldest provider that the module takes and of a new one; tools/terraform_schema.py writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.infra import MODULE, module

SCHEMA, NEWEST = (
    json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))
    for name in ("terraform_schema.json", "terraform_schema_newest.json")
)
MODULES = (MODULE, MODULE / "modules" / "member")
# What Terraform itself has of every resource.
# https://developer.hashicorp.com/terraform/language/meta-arguments
OF_EVERY = {"count", "for_each", "depends_on", "lifecycle", "provider", "provisioner"}


def problems(where: str, body: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a block: an argument that there is not, or one that is needed and missing."""
    given = {name: value for name, value in body.items() if name not in OF_EVERY | {"dynamic"}}
    dynamic = {name: one["content"] for block in body.get("dynamic", ()) for name, one in block.items()}
    for name in given.keys() | dynamic.keys():
        if name not in schema:
            yield f"{where} has no argument {name}"
        elif inner := schema[name].get("block"):
            blocks = dynamic.get(name, given.get(name))
            for one in blocks if isinstance(blocks, list) else [blocks]:
                # What is an expression is not looked into.
                if isinstance(one, Mapping):
                    yield from problems(f"{where}.{name}", one, inner)
    for name, one in schema.items():
        if one.get("needed") and name not in given and name not in dynamic:
            yield f"{where} needs {name}"


def blocks() -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    for path in MODULES:
        for kind in ("resource", "data"):
            for block in module(path).get(kind, ()):
                for of_type, named in block.items():
                    for name, body in named.items():
                        yield kind, of_type, name, body


def test_the_schema_is_of_the_provider_that_the_module_asks_for() -> None:
    for path in MODULES:
        (asked,) = module(path)["terraform"][0]["required_providers"]
        assert SCHEMA["provider"] == f"hashicorp/aws {asked['aws']['version'].removeprefix('>= ')}.0"


@pytest.mark.parametrize("schema", [SCHEMA, NEWEST], ids=["oldest", "newest"])
def test_every_argument_is_known_and_none_is_missing(schema: dict[str, Any]) -> None:
    found = list(blocks())
    assert len(found) > 40
    assert [
        one
        for kind, of_type, name, body in found
        for one in problems(f"{of_type}.{name}", body, schema[kind][of_type])
    ] == []


def test_the_schema_has_no_more_than_is_used() -> None:
    used = {(kind, of_type) for kind, of_type, _, _ in blocks()}
    assert used == {(kind, of_type) for kind in ("resource", "data") for of_type in SCHEMA[kind]}


def test_no_provider_can_give_durable_executions_a_key() -> None:
    """As soon as one can, the module should, and infra/terraform/README.md should no longer say so."""
    for schema in (SCHEMA, NEWEST):
        durable = schema["resource"]["aws_lambda_function"]["durable_config"]["block"]
        assert durable.keys() == {"execution_timeout", "retention_period"}
    readme = (MODULE / "README.md").read_text(encoding="utf-8")
    assert f"AWS provider {NEWEST['provider'].removeprefix('hashicorp/aws ')} " in readme


FUNCTION = {"function_name": "x", "role": "x", "durable_config": [{"execution_timeout": 1}]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, []),
        ({"count": 1, "lifecycle": [{}]}, []),
        ({"durable_config": "${local.durable}"}, []),
        ({"memory": 1}, ["x has no argument memory"]),
        ({"role": None}, ["x needs role"]),
        ({"durable_config": [{"timeout": 1}]}, ["x.durable_config has no argument timeout"]),
        ({"durable_config": [{}]}, ["x.durable_config needs execution_timeout"]),
        ({"dynamic": [{"vpc_config": {"for_each": [1], "content": [{"subnets": []}]}}]}, ["x.vpc_config"]),
        ({"dynamic": [{"vpc": {"for_each": [1], "content": [{}]}}]}, ["x has no argument vpc"]),
    ],
)
def test_a_mistake_is_found(change: dict[str, Any], said: list[str]) -> None:
    body = {name: value for name, value in (FUNCTION | change).items() if value is not None}
    found = list(problems("x", body, SCHEMA["resource"]["aws_lambda_function"]))
    assert bool(found) == bool(said)
    assert all(any(words in one for one in found) for words in said)
