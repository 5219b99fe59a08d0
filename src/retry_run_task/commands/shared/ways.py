"""How an installation was made, and so how it is removed: each way leaves its mark in the environment of intake."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.shared.hints import aws_line, command_line
from retry_run_task.commands.shared.installation import variables_of
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.config import PREFIX

if TYPE_CHECKING:
    from retry_run_task.launch.values import JsonObject

MARK = f"{PREFIX}INSTALLED_BY"
DEPLOY, CLOUDFORMATION, TERRAFORM = "deploy", "cloudformation", "terraform"

_BY = {
    DEPLOY: "installed by deploy",
    CLOUDFORMATION: "installed by CloudFormation without deploy",
    TERRAFORM: "installed by Terraform",
}


def way_of(intake: JsonObject | Unknown) -> str:
    """Return the mark, from ``GetFunctionConfiguration``; empty if there is none, or none to be seen."""
    return "" if isinstance(intake, Unknown) else variables_of(intake).get(MARK, "")


def in_words(way: str) -> str:
    """Return such as ``installed by Terraform``."""
    return _BY.get(way, "installed")


def removal(way: str, stack: str, region: str) -> str:
    """Return the sentence that says how to remove an installation."""
    match way:
        case "deploy":
            return f"Remove it with: {command_line('destroy')}"
        case "cloudformation":
            delete = aws_line(f"cloudformation delete-stack --stack-name {stack}", region)
            return f"Remove it with: {delete}, or with: {command_line('destroy')}, which waits for recoveries"
        case "terraform":
            return (
                "Remove it with: terraform destroy, or terraform destroy -target=module.NAME if its configuration "
                "has more in it"
            )
        case _:
            return "Change or remove it with what made it, such as terraform apply or terraform destroy"


def note(way: str, stack: str, region: str) -> str:
    """Return what a command says of an installation that deploy has not made; empty if it has, or that is not known."""
    return (
        f"{stack} is {in_words(way)}. {removal(way, stack, region)}."
        if way in (CLOUDFORMATION, TERRAFORM)
        else ""
    )
