"""Name conflicts: resources that a first deployment would create and that already exist.

CloudFormation would find them, too, but only after the code is uploaded, and it cannot name the owner. Only names that
other installations use are checked: of roles, which exist once per account and not per Region, of functions, and of log
groups, which stay when functions are deleted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.reader import error_code
from retry_run_task.config import PREFIX
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from retry_run_task.commands.deploy.template import Filled
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.commands.shared.stack_states import ResourceChange

_NOT_THERE = frozenset({"NoSuchEntity", "ResourceNotFoundException"})


def check_names(
    filled: Filled, changes: Iterable[ResourceChange], stack: str, reader: Reader
) -> tuple[str, ...]:
    """Refuse to create what exists; return notes on what could not be checked.

    ``filled`` is the template as it would be deployed.

    Raises:
        ConfigError: Names every conflict, and its owner if known.
    """
    taken: list[str] = []
    notes: dict[str, str] = {}
    for change in changes:
        if change.action != "add":
            continue
        properties = filled.resources[change.resource]["Properties"]
        for one in _look(change.type, properties, stack, reader):
            if isinstance(one, Unknown):
                notes[one.action] = f"whether the names are free is not known ({one.action}): {one.why}"
            else:
                taken.append(one)
    if taken:
        raise ConfigError(
            f"Names that the stack {stack} would use are taken: {'; '.join(taken)}.",
            hint="Remove that, or name the stack otherwise with --stack.",
        )
    return tuple(notes.values())


def _look(kind: str, properties: dict[str, str], stack: str, reader: Reader) -> Iterator[str | Unknown]:
    """Yield what has the name of a resource, or why that is not known; nothing if the name is free."""
    match kind:
        case "AWS::IAM::Role":
            name = properties["RoleName"]
            answer = reader.read("iam:GetRole", RoleName=name)
            what = f"the role {name}, which an installation in another Region may have, since an account has it once"
        case "AWS::Lambda::Function":
            name = properties["FunctionName"]
            answer = reader.read("lambda:GetFunctionConfiguration", FunctionName=name)
            what = f"the function {name}"
            if not isinstance(answer, Unknown):
                variables = (answer.get("Environment") or {}).get("Variables") or {}
                if variables.get(f"{PREFIX}STACK") == stack:
                    what += " of an installation that is no CloudFormation stack, such as one by Terraform"
        case "AWS::Logs::LogGroup":
            name = properties["LogGroupName"]
            groups = reader.read_all("logs:DescribeLogGroups", "logGroups", logGroupNamePrefix=name)
            if isinstance(groups, Unknown):
                yield groups
            elif any(one.get("logGroupName") == name for one in groups):
                remove = aws_line(f"logs delete-log-group --log-group-name {name}", reader.region)
                yield f"the log group {name} ({remove})"
            return
        case _:
            return
    if not isinstance(answer, Unknown):
        yield what
    elif error_code(answer) not in _NOT_THERE:
        yield answer
