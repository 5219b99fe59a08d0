"""How to apply advice: commands to paste, and lines of Terraform or of the policy. Nothing runs here.

`scheduler:UpdateSchedule`, `events:PutRule` and `events:PutTargets` reset what they are not given, so the commands read
the present state and change one member of it.
https://docs.aws.amazon.com/scheduler/latest/APIReference/API_UpdateSchedule.html
https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.commands.shared.hints import aws_line, command_line
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retry_run_task.commands.report.jobs import Job
    from retry_run_task.commands.shared.inventory import Launcher

# Names that AWS allows for a rule, a schedule, a group and a bus. A record is an outsider's text.
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
_NAME = re.compile(r"[.\-_A-Za-z0-9]{1,64}")
_SUBNET = re.compile(r"subnet-[0-9a-z-]{1,60}")
_CRON = re.compile(r"cron\((\d{1,2}) (\d{1,2}|\*) (.+)\)")
_MINUTES, _HOURS = 60, 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """How to make a change: commands for a shell with the AWS CLI and jq, and lines for the file that defines it.

    ``language`` of ``code`` is ``Terraform`` or ``policy.toml``.
    """

    commands: str
    code: str
    language: str


def move(job: Job, minutes: int) -> Instructions | None:
    """Return how to move a schedule; None if its expression cannot be moved."""
    launcher = job.launcher
    expression = shifted(launcher.expression or "", minutes) if launcher else None
    if launcher is None or expression is None:
        return None
    code = f"schedule_expression = {_hcl(expression)}"
    return Instructions(
        commands=_put(launcher, f".ScheduleExpression = {json.dumps(expression)}"),
        code=code,
        language="Terraform",
    )


def window(job: Job, minutes: int) -> Instructions | None:
    """Return how to set a flexible time window; None for a rule, which has none."""
    if job.launcher is None or job.launcher.kind is not CallerKind.SCHEDULER:
        return None
    lines = ('mode                      = "FLEXIBLE"', f"maximum_window_in_minutes = {minutes}")
    wanted = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes}
    return Instructions(
        commands=_put(job.launcher, f".FlexibleTimeWindow = {json.dumps(wanted)}"),
        code="\n".join(["flexible_time_window {", *(f"  {line}" for line in lines), "}"]),
        language="Terraform",
    )


def subnet(job: Job, own: Sequence[str], added: str) -> Instructions | None:
    """Return how to add a subnet; None if the record has an invalid subnet id."""
    if job.launcher is None or not all(_SUBNET.fullmatch(one) for one in (*own, added)):
        return None
    more = f"+= [{json.dumps(added)}]"
    if job.launcher.kind is CallerKind.SCHEDULER:
        path = ".Target.EcsParameters.NetworkConfiguration.awsvpcConfiguration.Subnets"
        commands = _put(job.launcher, f"{path} {more}")
    else:
        commands = _put_targets(
            job.launcher, f".EcsParameters.NetworkConfiguration.awsvpcConfiguration.Subnets {more}"
        )
    return Instructions(
        commands=commands, code=f"subnets = [{', '.join(map(_hcl, (*own, added)))}]", language="Terraform"
    )


def rule(name: str, jobs: Sequence[str], lines: Sequence[str], *, category: str = "") -> Instructions | None:
    """Return a rule for the policy; None if a schedule's full name is not known."""
    if not all(_NAME.fullmatch(one) for one in jobs):
        return None
    schedules = json.dumps(list(jobs)) if len(jobs) > 1 else json.dumps(jobs[0])
    kind = f', category = "{category}"' if category else ""
    code = "\n".join(["[[rules]]", f'name = "{name}"', f"match = {{ schedule = {schedules}{kind} }}", *lines])
    return Instructions(
        commands=f"retry-run-task policy check policy.toml && {command_line('deploy --policy policy.toml')}",
        code=code,
        language="policy.toml",
    )


def shifted(expression: str, minutes: int) -> str | None:
    """Return a cron expression moved by some minutes; None if its days would change, or it cannot be moved.

    >>> shifted("cron(0 0 * * ? *)", 20), shifted("cron(50 * * * ? *)", 5), shifted("cron(50 23 ? * MON *)", 20)
    ('cron(20 0 * * ? *)', 'cron(55 * * * ? *)', None)
    """
    found = _CRON.fullmatch(expression)
    if found is None:
        return None
    later = int(found[1]) + minutes
    if found[2] == "*":
        return f"cron({later % _MINUTES} * {found[3]})"
    hour = int(found[2]) + later // _MINUTES
    # A day later is another weekday, or the first of another month.
    return f"cron({later % _MINUTES} {hour} {found[3]})" if hour < _HOURS else None


def _put(launcher: Launcher, change: str) -> str:
    """Return the commands that read a rule or schedule, change a member and write it."""
    if not _NAME.fullmatch(launcher.name) or not _NAME.fullmatch(launcher.holder):
        return ""
    name, holder = shlex.quote(launcher.name), shlex.quote(launcher.holder)
    if launcher.kind is CallerKind.SCHEDULER:
        program = shlex.quote(f"del(.Arn, .CreationDate, .LastModificationDate) | {change}")
        return _piped(
            f"scheduler get-schedule --name {name} --group-name {holder} --output json",
            f"{program} > schedule.json",
            "scheduler update-schedule --cli-input-json file://schedule.json",
        )
    program = shlex.quote(f"del(.Arn, .CreatedBy, .ManagedBy) | {change}")
    return _piped(
        f"events describe-rule --name {name} --event-bus-name {holder} --output json",
        f"{program} > rule.json",
        "events put-rule --cli-input-json file://rule.json",
    )


def _put_targets(launcher: Launcher, change: str) -> str:
    if not _NAME.fullmatch(launcher.name) or not _NAME.fullmatch(launcher.holder):
        return ""
    name, holder = shlex.quote(launcher.name), shlex.quote(launcher.holder)
    whole = f"{{Rule: {json.dumps(launcher.name)}, EventBusName: {json.dumps(launcher.holder)}, "
    whole += f"Targets: (.Targets | map(if .EcsParameters then {change} else . end))}}"
    return _piped(
        f"events list-targets-by-rule --rule {name} --event-bus-name {holder} --output json",
        f"{shlex.quote(whole)} > targets.json",
        "events put-targets --cli-input-json file://targets.json",
    )


def _piped(read: str, program: str, write: str) -> str:
    return f"{aws_line(read)} \\\n  | jq {program}\n{aws_line(write)}"


def _hcl(text: str) -> str:
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
