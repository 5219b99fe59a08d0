"""Writes which arguments the provider takes, of the resources that the module uses: into tests/infra.

    pip download --no-deps --dest /tmp cdktf-cdktf-provider-aws==21.22.1 cdktn-provider-aws==25.8.1
    .venv-infra/bin/python tools/terraform_schema.py /tmp/cdktf_cdktf*.whl /tmp/cdktn_provider*.whl

The first is of the oldest provider that the module takes, the second of the newest. These packages have 60 MB and each
resource as a Python class, made from the provider's own schema; so what is taken from them is kept here. Run it again
when the module uses another resource, or for a newer provider.
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
SCHEMAS = tuple(
    ROOT / "tests" / "infra" / name for name in ("terraform_schema.json", "terraform_schema_newest.json")
)
MODULES = (ROOT / "infra" / "terraform", ROOT / "infra" / "terraform" / "modules" / "member")
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
    """Write the files."""
    if len(sys.argv) != len(SCHEMAS) + 1:
        sys.exit((__doc__ or "").split("\n\n")[1])
    for path, file in zip(sys.argv[1:], SCHEMAS, strict=True):
        found = schema(Path(path))
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        print(f"{file.relative_to(ROOT)}: {found['provider']}")


def schema(path: Path) -> Json:
    """Return what a package says of the resources that the module uses."""
    found: Json = {}
    with zipfile.ZipFile(path) as wheel:
        (metadata,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        text = wheel.read(metadata).decode()
        said = re.search(r"hashicorp/aws provider version ([\d.]+)", text)
        name, version = (re.search(rf"^{word}: (.+)$", text, re.MULTILINE) for word in ("Name", "Version"))
        if not said or not name or not version:
            sys.exit(f"{path} does not say of which provider it is.")
        for kind, of_type in sorted(set(used())):
            folder = f"data_{of_type}" if kind == "data" else of_type.removeprefix("aws_")
            source = wheel.read(f"{name.group(1).replace('-', '_')}/{folder}/__init__.py").decode()
            class_name = "".join(part.title() for part in folder.split("_"))
            found.setdefault(kind, {})[of_type] = Classes(source).schema(class_name, OF_EVERY)
    package = f"{name.group(1)} {version.group(1)}"
    return {
        "provider": f"hashicorp/aws {said.group(1)}",
        "from": f"{package}, by tools/terraform_schema.py",
        **found,
    }


if __name__ == "__main__":
    main()
