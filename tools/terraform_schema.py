"""Writes tests/infra/terraform_schema.json: which arguments the provider takes, of the resources that the module uses.

    pip download --no-deps --dest /tmp cdktf-cdktf-provider-aws==21.22.1
    .venv-infra/bin/python tools/terraform_schema.py /tmp/cdktf_cdktf_provider_aws-21.22.1-py3-none-any.whl

The package is 60 MB and has each resource as a Python class, which HashiCorp made from the provider's own schema; so
what is taken from it is kept here. It is the last there is, and of the oldest provider that the module takes. Run it
again when the module uses another resource.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from as_json import module

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "tests" / "infra" / "terraform_schema.json"
MODULES = (ROOT / "infra" / "terraform", ROOT / "infra" / "terraform" / "modules" / "member")
PACKAGE = "cdktf_cdktf_provider_aws"
# What a class has beside the resource's own arguments; Terraform has these of every resource.
OF_EVERY = frozenset(
    {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners", "id"}
)

Json = dict[str, Any]


class Classes:
    """The classes of one resource's module."""

    def __init__(self, text: str) -> None:
        self._by_name = {one.name: one for one in ast.parse(text).body if isinstance(one, ast.ClassDef)}

    def schema(self, name: str, left_out: Collection[str] = ()) -> Json:
        """Return the arguments of a class: whether each is needed, and what is in it, if it is a block."""
        (init,) = (one for one in self._by_name[name].body if getattr(one, "name", "") == "__init__")
        if not isinstance(init, ast.FunctionDef):
            raise TypeError(f"{name}.__init__ is no function")
        arguments = zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True)
        return {
            one.arg: self._argument(ast.unparse(one.annotation or one), is_needed=default is None)
            for one, default in arguments
            if one.arg not in left_out
        }

    def _argument(self, annotation: str, *, is_needed: bool) -> Json:
        found: Json = {"needed": True} if is_needed else {}
        # Union['LambdaFunctionVpcConfig', Dict[str, Any]], perhaps in a Sequence.
        inner = re.search(r"Union\['(\w+)', ", annotation) or re.search(r'Union\["(\w+)", ', annotation)
        if inner and inner.group(1) in self._by_name:
            found["block"] = self.schema(inner.group(1))
        return found


def used() -> Iterator[tuple[str, str]]:
    """Yield ``resource`` or ``data``, and the type, of all that the modules use."""
    for path in MODULES:
        for kind in ("resource", "data"):
            for block in module(path).get(kind, ()):
                yield from ((kind, of_type) for of_type in block)


def main() -> None:
    """Write the file."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the wheel
        sys.exit((__doc__ or "").split("\n\n")[1])
    schema: Json = {}
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        (metadata,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
        said = re.search(r"hashicorp/aws provider version ([\d.]+)", text)
        version = re.search(r"^Version: (.+)$", text, re.MULTILINE)
        if not said or not version:
            sys.exit(f"{sys.argv[1]} does not say of which provider it is.")
        for kind, of_type in sorted(set(used())):
            prefix = "data_" if kind == "data" else ""
            name = prefix + of_type if kind == "data" else of_type.removeprefix("aws_")
            source = wheel.read(f"{PACKAGE}/{name}/__init__.py").decode()
            class_name = "".join(part.title() for part in name.split("_"))
            schema.setdefault(kind, {})[of_type] = Classes(source).schema(class_name, OF_EVERY)
    written = {
        "provider": f"hashicorp/aws {said.group(1)}",
        "from": f"cdktf-cdktf-provider-aws {version.group(1)}, by tools/terraform_schema.py",
        **schema,
    }
    SCHEMA.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
    print(f"{SCHEMA.relative_to(ROOT)}: {sum(map(len, schema.values()))} types of {written['provider']}")


if __name__ == "__main__":
    main()
