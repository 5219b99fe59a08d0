"""The template's parameters for the command line and the settings file.

They are repeated here so that the help can be printed without reading the template; a test compares both.
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from retry_run_task.config import is_time_zone
from retry_run_task.documentation import RUNBOOK

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of the template.

    Attributes:
        default: As text; None if it has none.
        pattern: Regular expression for each item of a list, or the whole text; empty for one of ``choices``.
        is_list: Whether it is several texts with commas between them.
        is_known: Tells whether a text that matches the pattern exists.
    """

    name: str
    default: str | None
    _: KW_ONLY
    help: str
    expected: str = ""
    pattern: str = ""
    is_list: bool = False
    is_special: bool = False
    choices: tuple[str, ...] = ()
    is_known: Callable[[str], bool] = lambda _: True

    @property
    def key(self) -> str:
        """The name in a file: ``TaskDefinitions`` is ``task_definitions``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()

    @property
    def option(self) -> str:
        """The name on the command line."""
        return "--" + self.key.replace("_", "-")

    def problem(self, text: str) -> str:
        """Return the problem of a value; empty if there is none."""
        if self.choices:
            return "" if text in self.choices else f"expected one of {', '.join(self.choices)}"
        items = text.split(",") if self.is_list else [text]
        succeeded = all(
            re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), item) for item in items
        )
        return "" if succeeded and self.is_known(text) else f"expected {self.expected}"


# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)

# Laid out by hand, as a table: the formatter would give each value a line of its own.
# fmt: off
PARAMETERS = (
    Parameter("TaskDefinitions", None, is_list=True,
        pattern="^[a-zA-Z0-9_*?-]{1,255}$",
        expected="families of task definitions (no revision, no ARN), with commas between them",
        help="Families to recover; * and ? are allowed."),
    Parameter("Clusters", "default", is_list=True,
        pattern="^[a-zA-Z0-9_*?-]{1,255}$",
        expected="names of clusters (no ARN), with commas between them",
        help="Clusters that they may be started on; * and ? are allowed."),
    Parameter("PassRoleArns", "", is_list=True,
        pattern="^(arn:[a-z-]+:iam::[0-9]{12}:role/([a-zA-Z0-9+=.@_-]+/)*[a-zA-Z0-9+=.@_-][a-zA-Z0-9+=.@_*?-]{0,63})?$",
        expected="ARNs of roles, with commas between them; a name may not begin with * or ?",
        help="Task roles and execution roles of those task definitions; * and ? are allowed, but not first."),
    Parameter("Callers", "rule,scheduler,hand-made", is_list=True,
        pattern="^(rule|scheduler|hand-made|other)$",
        expected="some of rule, scheduler, hand-made and other, with commas between them",
        help="Callers whose failed calls are recovered."),
    Parameter("AlsoRecover", "nothing",
        choices=("nothing", "errors", "spot-interruptions", "errors-and-spot-interruptions"),
        help="Failures to recover that are not recovered by default."),
    Parameter("StopHangingTasks", "false",
        choices=("true", "false"),
        help="Whether tasks that a recovery placed and that do not start may be stopped."),
    Parameter("ReadRules", "*", is_list=True,
        pattern="^([a-zA-Z0-9._*?-]{1,256}(/[a-zA-Z0-9._*?-]{1,256}){0,4})?$",
        expected="names of rules, or bus/name, with commas between them",
        help="Rules that recover may read, with their inputs; * and ? are allowed."),
    Parameter("ReadSchedules", "*", is_list=True,
        pattern="^([*]|[a-zA-Z0-9._*?-]{1,64}/[a-zA-Z0-9._*?-]{1,64})?$",
        expected="schedules, each as group/name, or *, with commas between them",
        help="Schedules that recover may read, each as group/name."),
    Parameter("TrailLogGroupName", "",
        pattern="^[a-zA-Z0-9_/.#-]{0,512}$",
        expected="the name of a log group (no ARN), or nothing",
        help="Log group that the trail writes to; empty for EventBridge alone."),
    Parameter("TrailSilentHours", "",
        pattern="^([1-9]|[1-9][0-9]|1[0-5][0-9]|16[0-8])?$",
        expected="a number from 1 to 168, or nothing",
        help="Hours without a scheduled RunTask call in that log group until an alarm; empty for none."),
    Parameter("Regions", "", is_list=True,
        pattern="^([a-z]{2,}(-[a-z]+)+-[0-9]{1,2})?$",
        expected="names of Regions, such as ap-northeast-1, with commas between them",
        help="Regions whose failed calls are recovered; empty for the stack's alone."),
    Parameter("MemberAccounts", "", is_list=True,
        pattern="^([0-9]{12})?$",
        expected="ids of accounts, 12 digits each, with commas between them",
        help="Other accounts whose failed calls are recovered."),
    Parameter("MemberExternalId", "",
        pattern="^([a-zA-Z0-9+=,.@:/_-]{2,64})?$",
        expected="2 to 64 letters, digits and +=,.@:/_-, or nothing",
        help="External id for the role in those accounts."),
    Parameter("NotificationEmail", "",
        pattern="^([^@ ,]+@[^@ ,]+)?$",
        expected="one e-mail address, or nothing",
        help="E-mail address for messages and alarms."),
    Parameter("Messages", "text,en",
        pattern="^(text|chat),(en|ja)(,recovered)?$",
        expected="text or chat, then en or ja, then recovered or nothing, such as chat,ja,recovered",
        help="Form and language of messages, such as chat,ja,recovered."),
    Parameter("TimeZone", "",
        pattern="^([A-Za-z0-9_+/-]{1,32})?$",
        expected="the name of a time zone such as Asia/Tokyo, or nothing",
        help="Time zone of messages, beside UTC, such as Asia/Tokyo.",
        is_known=lambda name: not name or is_time_zone(name)),
    Parameter("CommandProfile", "",
        pattern="^([A-Za-z0-9][A-Za-z0-9 ._/:=+,-]{0,31})?$",
        expected="the name of a profile: at most 32 letters, digits, blanks and ._/:=+,-, or nothing",
        help="Profile of the AWS CLI that the commands in messages name.  [default: the settings file's profile]"),
    Parameter("RunbookUrl", RUNBOOK,
        pattern="^[^ #]{1,100}$",
        expected="an address or a path, without the part after #",
        help="Address of the runbook in messages and alarms."),
    Parameter("AuditSchedule", "cron(0 22 * * ? *)",
        pattern="^(cron[(][0-5]?[0-9] ([01]?[0-9]|2[0-3]) [*] [*] [?] [*][)])?$",
        expected="such as cron(0 22 * * ? *), or nothing",
        help="When to check, every day in UTC, for runs that did not happen; empty for never."),
    Parameter("RecoverConcurrency", "10",
        pattern="^([1-9][0-9]{0,3})?$",
        expected="a number from 1 to 9999, or nothing",
        help="Concurrent executions to reserve for recover; empty to reserve none."),
    Parameter("LogRetentionDays", "30",
        choices=tuple(str(days) for days in _RETENTION_DAYS),
        help="Days that the functions' logs are kept."),
    Parameter("PermissionsBoundaryArn", "", is_special=True,
        pattern="^(arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9+=,.@_/-]{1,640})?$",
        expected="the ARN of a managed policy, or nothing",
        help="Managed policy that bounds what the roles may do."),
    Parameter("RolePath", "/", is_special=True,
        pattern="^/([a-zA-Z0-9+=.@_-]{1,64}/){0,7}$",
        expected="a path that begins and ends with a slash, such as /batch/",
        help="IAM path of the roles; it cannot be changed later."),
    Parameter("SubnetIds", "", is_list=True, is_special=True,
        pattern="^(subnet-[0-9a-f]{8,17})?$",
        expected="ids of subnets, with commas between them",
        help="Subnets that the functions run in."),
    Parameter("SecurityGroupIds", "", is_list=True, is_special=True,
        pattern="^(sg-[0-9a-f]{8,17})?$",
        expected="ids of security groups, with commas between them",
        help="Security groups of the functions in those subnets."),
    Parameter("DataKeyArn", "", is_special=True,
        pattern="^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]{1,40})?$",
        expected="the ARN of a key (no alias), or nothing",
        help="A KMS key of your own for logs, queues, environment and durable executions."),
    Parameter("TopicKeyArn", "", is_special=True,
        pattern="^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$",
        expected="the ARN of a key (no alias), or nothing",
        help="A KMS key of your own for the topic."),
    Parameter("ScheduleKeyArns", "", is_list=True, is_special=True,
        pattern="^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-zA-Z0-9-]+)?$",
        expected="ARNs of keys (no aliases), with commas between them",
        help="KMS keys that your schedules and event buses are encrypted with."),
)
