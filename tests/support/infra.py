"""The template and the Terraform module as data, and the template as CloudFormation would fill it in."""

from __future__ import annotations

import functools
import json
import re
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from retry_run_task.commands.deploy.sizes import HOME
from retry_run_task.commands.shared.chunks import parts

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra" / "template.yaml"
MEMBER = ROOT / "infra" / "member.yaml"
MODULE = ROOT / "infra" / "terraform"
_BIN = ROOT / ".venv-infra" / "bin"

# What every filled-in template here is for, unless a test says otherwise.
WHERE = {
    "AWS::Partition": "aws",
    "AWS::Region": "ap-northeast-1",
    "AWS::AccountId": "123456789012",
    "AWS::URLSuffix": "amazonaws.com",
}
# Statements about what is not the stack's own: tasks, their roles, and schedules.
NOT_OWN = {
    "MakeFailedCallsAgain",
    "TagWhatIsStarted",
    "PassTheRolesOfTheTasks",
    "LookForTasks",
    "LookAtTasks",
    "StopTasksThatHang",
    "FindTheSchedule",
    "ReadTheRules",
    "ReadTheSchedules",
    "ReadTags",
    "EnterOtherAccounts",
    "ReadEncryptedSchedules",
    # Of the audit.
    "FindWhatWasDueAndCalled",
    "ReadWhatWasDue",
}

# Parameters of the template in which a list goes on that is too long for one.
LATER_PARTS = {part for name in HOME.lists for part in parts(name)[1:]}

_NO_VALUE = {"Ref": "AWS::NoValue"}


def tool(name: str) -> Path:
    """Return a program of the environment that checks infrastructure; a test fails without it."""
    path = _BIN / name
    if not path.exists():
        pytest.fail(f"{path.relative_to(ROOT)} is missing. Install it with: make .venv-infra", pytrace=False)
    return path


@functools.cache
def _json(path: Path) -> str:
    command = [tool("python"), ROOT / "tools" / "as_json.py", path]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@functools.cache
def _parsed(path: Path) -> dict[str, Any]:
    return template(path)


def template(path: Path = TEMPLATE) -> dict[str, Any]:
    """Return a template, with every intrinsic function in its long form."""
    return json.loads(_json(path))


def module(path: Path = MODULE) -> dict[str, list[Any]]:
    """Return the blocks of a Terraform module, by kind."""
    return json.loads(_json(path))


class Stack:
    """The template filled in: parameters, conditions and functions resolved, ARNs made up; ``only`` some, for speed.

    Attributes:
        resources: Those whose condition holds, by logical id; references to them are ``<id>`` or ``<id.Attribute>``.
        outputs: Values of those whose condition holds.
    """

    def __init__(
        self,
        name: str = "retry-run-task",
        where: Mapping[str, str] | None = None,
        path: Path = TEMPLATE,
        only: Collection[str] = (),
        **given: str,
    ) -> None:
        self._template = _parsed(path)
        self.values: dict[str, Any] = {**WHERE, **(where or {}), "AWS::StackName": name}
        parameters = self._template["Parameters"]
        assert given.keys() <= parameters.keys()
        for key, parameter in parameters.items():
            text = given.get(key, parameter.get("Default"))
            assert text is not None, f"{key} has no default and was not given"
            self.values[key] = (
                str(text).split(",") if parameter["Type"] == "CommaDelimitedList" else str(text)
            )
        self.resources = {
            key: self.fill({k: v for k, v in resource.items() if k != "Metadata"})
            for key, resource in self._template["Resources"].items()
            if (not only or key in only) and self._holds(resource.get("Condition"))
        }
        self.outputs = {
            key: self.fill(output["Value"])
            for key, output in self._template["Outputs"].items()
            if self._holds(output.get("Condition"))
        }

    def broken_rules(self) -> list[str]:
        """Return what CloudFormation would say of parameters that do not go together."""
        return [
            one["AssertDescription"]
            for rule in self._template["Rules"].values()
            if self.fill(rule["RuleCondition"])
            for one in rule["Assertions"]
            if not self.fill(one["Assert"])
        ]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the properties of the resources of one type, by logical id."""
        return {k: r.get("Properties", {}) for k, r in self.resources.items() if r["Type"] == kind}

    def _holds(self, condition: str | None) -> bool:
        return condition is None or self.fill(self._template["Conditions"][condition])

    def fill(self, value: Any) -> Any:
        """Resolve what CloudFormation would."""
        if isinstance(value, list):
            return [self.fill(item) for item in value if not self._is_left_out(item)]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Condition" and isinstance(argument, str):
                return self._holds(argument)
            if name == "Ref":
                return self.values.get(argument, f"<{argument}>")
            if name.startswith("Fn::"):
                return getattr(self, f"_{name[4:].lower()}")(argument)
        return {k: self.fill(v) for k, v in value.items() if not self._is_left_out(v)}

    def _is_left_out(self, value: Any) -> bool:
        while isinstance(value, dict) and value.keys() == {"Fn::If"}:
            condition, then, otherwise = value["Fn::If"]
            value = then if self._holds(condition) else otherwise
        return value == _NO_VALUE

    def _if(self, argument: Any) -> Any:
        condition, then, otherwise = argument
        return self.fill(then if self._holds(condition) else otherwise)

    def _not(self, argument: Any) -> bool:
        return not self.fill(argument[0])

    def _or(self, argument: Any) -> bool:
        return any(self.fill(argument))

    def _and(self, argument: Any) -> bool:
        return all(self.fill(argument))

    def _contains(self, argument: Any) -> bool:
        members, value = self.fill(argument)
        return value in members

    def _eachmemberequals(self, argument: Any) -> bool:
        members, value = self.fill(argument)
        return all(member == value for member in members)

    def _equals(self, argument: Any) -> bool:
        left, right = self.fill(argument)
        return str(left) == str(right)

    def _join(self, argument: Any) -> str:
        delimiter, items = argument
        assert isinstance(delimiter, str), "CloudFormation wants plain text between the items"
        return delimiter.join(self.fill(items))

    def _split(self, argument: Any) -> list[str]:
        delimiter, text = argument
        assert isinstance(delimiter, str), "CloudFormation wants plain text to split at"
        return self.fill(text).split(delimiter)

    def _select(self, argument: Any) -> Any:
        index, items = argument
        items = self.fill(items)
        return items[int(index)] if len(items) > int(index) else f"<part {index} of {items[0]}>"

    def _getatt(self, argument: Any) -> str:
        return f"<{'.'.join(argument)}>"

    def _findinmap(self, argument: Any) -> str:
        name, first, second = (self.fill(part) for part in argument)
        return self._template["Mappings"][name][first][second]

    def _sub(self, argument: Any) -> str:
        text, own = (argument, {}) if isinstance(argument, str) else argument
        own = self.fill(own)

        def filled(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            return str(own.get(name, self.values.get(name, f"<{name}>")))

        return re.sub(r"\$\{([^}]+)\}", filled, text)
