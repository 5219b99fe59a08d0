"""The settings of the two Lambda functions, from their environment, and the policy, from the file beside this one.

Name, default and meaning of each setting are in one place; the reference page is generated from it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from retry_run_task.documentation import RUNBOOK
from retry_run_task.errors import ConfigError
from retry_run_task.launch.names import member_role
from retry_run_task.launch.values import CallerKind
from retry_run_task.policy.scope import DEFAULT_CALLERS, NEVER, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from retry_run_task.messages.message import Language
    from retry_run_task.policy.file import Problem
    from retry_run_task.policy.rules import Policy

PREFIX = "RETRY_RUN_TASK_"

CALLS_PER_SECOND = 1.0


class _BadValueError(ValueError):
    """A setting's text is not understood; the message says what was expected."""


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise _BadValueError("expected true or false")
    return text.lower() == "true"


def _patterns(text: str) -> tuple[str, ...]:
    patterns = tuple(part.strip() for part in text.split(","))
    if not all(patterns):
        raise _BadValueError("expected patterns with a comma between them, such as batch,*-prod")
    return patterns


def _names(text: str) -> tuple[str, ...]:
    return _patterns(text) if text.strip() else ()


def _accounts(text: str) -> tuple[str, ...]:
    accounts = _names(text)
    if not all(re.fullmatch(r"[0-9]{12}", account) for account in accounts):
        raise _BadValueError("expected ids of accounts, 12 digits each, with a comma between them")
    return accounts


def _external_id(text: str) -> str:
    # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    if text and not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", text, re.ASCII):
        raise _BadValueError("expected 2 to 1224 letters, digits and +=,.@:/-_")
    return text


def _callers(text: str) -> frozenset[CallerKind]:
    allowed = sorted(kind.value for kind in CallerKind if kind not in NEVER)
    names = {part.strip() for part in text.split(",")}
    if not names <= set(allowed):
        raise _BadValueError(f"expected some of {', '.join(allowed)}, with a comma between them")
    return frozenset(CallerKind(name) for name in names)


# At most one of each pair.
_EITHER_OR = (("text", "chat"), ("en", "ja"))
_MESSAGES = ("text", "chat", "en", "ja", "recovered")


def _messages(text: str) -> tuple[str, ...]:
    words = tuple(part.strip() for part in text.split(","))
    if not set(words) <= set(_MESSAGES):
        raise _BadValueError(f"expected some of {', '.join(_MESSAGES)}, with a comma between them")
    for pair in _EITHER_OR:
        if set(words) >= set(pair):
            raise _BadValueError(f"expected {pair[0]} or {pair[1]}, not both")
    return words


def _rate(text: str) -> float:
    if not 0 < (rate := _number(text)) < math.inf:
        raise _BadValueError("expected a number greater than 0, such as 2 or 0.5")
    return rate


def _seconds(text: str) -> float:
    if not 0 <= (seconds := _number(text)) < math.inf:
        raise _BadValueError("expected a number of seconds such as 3600, or 0")
    return seconds


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _time_zone(text: str) -> str:
    if text and not is_time_zone(text):
        raise _BadValueError("expected the name of a time zone such as Asia/Tokyo, or nothing")
    return text


def is_time_zone(name: str) -> bool:
    """Whether a name is one of the IANA database's, such as ``Asia/Tokyo``."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _profile(text: str) -> str:
    if not re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9 ._/:=+,-]{0,31})?", text):
        raise _BadValueError(
            "expected the name of a profile: at most 32 letters, digits, blanks and ._/:=+,-"
        )
    return text


def _text(text: str) -> str:
    return text


def _path(text: str) -> str:
    # https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
    if not re.fullmatch(r"/|/[!-~]+/", text):
        raise _BadValueError("expected a path that begins and ends with a slash, such as /batch/")
    return text


def _stack(text: str) -> str:
    if not text:
        raise _BadValueError("expected a name")
    return text


def _setting(default: Any, read: Callable[[str], Any], meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Each attribute is an environment variable: ``RETRY_RUN_TASK_`` and its name in capitals."""

    # Laid out by hand, as a table.
    # fmt: off
    stack: str = _setting("retry-run-task", _stack,
        "Name of this installation; part of every recovery's name and of every metric.")
    installed_by: str = _setting("", _text,
        "How it was installed: `deploy`, `cloudformation` or `terraform`. Commands read it; the functions do not.")
    recover_function: str = _setting("", _text,
        "ARN with alias, or `name:alias`, of the recover function. Needed by intake.")
    topic_arn: str = _setting("", _text,
        "SNS topic for messages. If empty, the end of a recovery is only logged.")
    messages: tuple[str, ...] = _setting(("text", "en"), _messages,
        "Form and language of messages: `text`, or `chat` (also a form for Slack and Microsoft Teams); `en`, or "
        "`ja` for Japanese; and `recovered`, for a message about successes, too.")
    time_zone: str = _setting("", _time_zone,
        "Time zone of messages, beside UTC: a name such as `Asia/Tokyo`. If empty, English messages use UTC alone "
        "and Japanese ones the time of Japan.")
    runbook_url: str = _setting(RUNBOOK, _text,
        "Address of the runbook, for messages. If empty, they have none.")
    profile: str = _setting("", _profile,
        "Profile of the AWS CLI that the commands in messages name, such as `operator`. If empty, they name none.")
    callers: frozenset[CallerKind] = _setting(DEFAULT_CALLERS, _callers,
        "Whose failed calls are recovered: some of `rule`, `scheduler`, `hand-made` (a record without a caller, "
        "for trying the system out) and `other` (SDK, AWS CLI, console).")
    clusters: tuple[str, ...] = _setting(("*",), _patterns,
        "Globs on the cluster's name or ARN; only tasks in these are recovered.")
    task_definitions: tuple[str, ...] = _setting(("*",), _patterns,
        "Globs on the task definition's family, `family:revision` or ARN.")
    regions: tuple[str, ...] = _setting((), _names,
        "Regions whose records are recovered. If empty, only the function's own.")
    accounts: tuple[str, ...] = _setting((), _accounts,
        "Other accounts whose records are recovered, too, with the role `<stack>-member` in each of them.")
    external_id: str = _setting("", _external_id,
        "External id that recover passes to sts:AssumeRole. Required by recover if `accounts` is set.")
    recover_errors: bool = _setting(False, _flag,
        "Whether calls that raised an error are recovered too, once EventBridge has stopped retrying them: `true` "
        "or `false`. A denied call never is.")
    spot_interruptions: bool = _setting(False, _flag,
        "Whether tasks that Spot interrupted are started again, even if they had begun their work: `true` or "
        "`false`.")
    calls_per_second: float = _setting(CALLS_PER_SECOND, _rate,
        "Most RunTask calls a second of one running `recover`, and most reads of tasks; twice as many while at most "
        "25 recoveries are in progress. With ten at a time, [recover's reserved "
        "concurrency](../../infra/template.yaml), that is half of the 20 that [ECS allows on "
        "Fargate](https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html).")
    quiet_s: float = _setting(0.0, _seconds,
        "A run that its schedule's next run overtakes within this many seconds sends no message of its own: the "
        "daily audit reports those of an outage together. 0 without an audit.")
    role_path: str = _setting("/", _path,
        "IAM path of the roles of this installation, also of those in other accounts.")
    role_arn: str = _setting("", _text, "ARN of recover's role; identifies its own failed calls.")
    # fmt: on

    @property
    def notify_recovered(self) -> bool:
        """Whether a success also sends a message."""
        return "recovered" in self.messages

    @property
    def for_chat(self) -> bool:
        """Whether messages also have a form for Slack and Microsoft Teams."""
        return "chat" in self.messages

    @property
    def language(self) -> Language:
        """The language of messages."""
        from retry_run_task.messages.message import Language  # noqa: PLC0415 - intake writes no messages

        return Language.JAPANESE if Language.JAPANESE in self.messages else Language.ENGLISH

    @property
    def zone(self) -> ZoneInfo | None:
        """The time zone of messages, in addition to UTC; None for the language's default."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the settings; those that are absent get their defaults.

        Raises:
            ConfigError: A value is not understood, or a variable with the prefix is not a setting. Names every problem.
        """
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        values: dict[str, Any] = {}
        problems = [
            f"{name} is not a setting; expected one of {', '.join(sorted(known))}"
            for name in sorted(environment)
            if name.startswith(PREFIX) and name not in known
        ]
        for name, f in known.items():
            if name not in environment:
                continue
            try:
                values[f.name] = f.metadata["read"](environment[name])
            except _BadValueError as error:
                problems.append(f"{name} is {environment[name]!r}; {error}")
        if problems:
            raise ConfigError("; ".join(problems) + ".", hint="Correct the function's environment.")
        return cls(**values)

    def scope(self, function_arn: str) -> Scope:
        """Return the scope of an intake with these settings.

        ``function_arn`` is that of intake itself: ``arn:<partition>:lambda:<region>:<account>:function:<name>``.
        """
        _, _, _, region, account, *_ = function_arn.split(":")
        return Scope(
            callers=self.callers,
            recover_errors=self.recover_errors,
            spot_interruptions=self.spot_interruptions,
            clusters=self.clusters,
            task_definitions=self.task_definitions,
            account=account,
            accounts=self.accounts,
            regions=self.regions or (region,),
            role_arn=self.role_arn or None,
            member_role=member_role(self.stack, self.role_path) if self.accounts else "",
        )


POLICY = "policy.toml"
"""Name of the policy file in the package, and so in the zip. A custom policy replaces it there."""


def read_policy() -> Policy:
    """Read the policy that this code was deployed with.

    Raises:
        ConfigError: It is invalid. Names every problem.
    """
    from importlib.resources import files  # noqa: PLC0415 - intake reads no policy

    return policy_of(files("retry_run_task").joinpath(POLICY).read_bytes(), POLICY)


def policy_of(content: bytes, name: str) -> Policy:
    """Read a policy file.

    ``name`` is the file's, for errors.

    Raises:
        ConfigError: It is invalid. Names every problem, with its line.
    """
    from retry_run_task.policy.file import parse  # noqa: PLC0415 - intake reads no policy

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not UTF-8 text.", hint="Save it as UTF-8.") from None
    found = parse(text)
    if isinstance(found, tuple):
        raise ConfigError(
            f"{name} is not a policy:\n{listed(name, found)}",
            hint=f"\nSee them all with: retry-run-task policy check {name}",
        )
    return found


def listed(name: str, problems: Iterable[Problem]) -> str:
    """Return problems of a policy file, one per line, in the ``file:line`` form that editors understand."""
    return "\n".join(f"{name}:{problem.line}: {problem.what}. {problem.hint}" for problem in problems)
