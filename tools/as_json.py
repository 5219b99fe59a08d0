"""Prints the CloudFormation template, or the Terraform module, as JSON.

    .venv-infra/bin/python tools/as_json.py infra/template.yaml
    .venv-infra/bin/python tools/as_json.py infra/terraform

The readers of YAML and HCL live in an environment of their own; this is how everything else reads both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def template(path: Path) -> dict[str, Any]:
    """Return a template, with every intrinsic function in its long form."""
    import yaml  # noqa: PLC0415 - each reader is needed for one kind of file only

    class Loader(yaml.SafeLoader):
        """Reads CloudFormation's tags."""

    # A date is text to CloudFormation.
    Loader.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def function(loader: Any, name: str, node: Any) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        if name == "GetAtt" and isinstance(value, str):
            value = value.split(".", 1)
        return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}

    Loader.add_multi_constructor("!", function)
    loaded: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - it is a SafeLoader
    return loaded


def module(folder: Path) -> dict[str, list[Any]]:
    """Return the blocks of all files of a Terraform module, by their kind."""
    import hcl2  # noqa: PLC0415

    blocks: dict[str, list[Any]] = {}
    for path in sorted(folder.glob("*.tf")):
        for kind, found in hcl2.loads(path.read_text(encoding="utf-8")).items():
            blocks.setdefault(kind, []).extend(_body(block) for block in found)
    return blocks


def _body(body: Any) -> Any:
    """Take attributes out of the lists that the reader puts every one of them into, as it does with blocks.

    A block is told from an object by what is in it: lists only, or a label and then lists only.
    """
    if not isinstance(body, dict):
        return body
    plain = {}
    for name, value in body.items():
        if not isinstance(value, list):
            plain[name] = _body(value)  # a label
        elif all(_is_block(item) for item in value):
            plain[name] = [_body(item) for item in value]
        else:
            (plain[name],) = value
    return {name: value for name, value in plain.items() if not name.startswith("__")}


def _is_block(item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    values = [value for name, value in item.items() if not name.startswith("__")]
    return all(isinstance(value, list) for value in values) or (len(values) == 1 and _is_block(values[0]))


if __name__ == "__main__":
    given = Path(sys.argv[1])
    print(json.dumps(module(given) if given.is_dir() else template(given)))
