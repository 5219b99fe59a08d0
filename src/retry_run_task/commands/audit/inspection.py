"""Collects the input of an audit from an account: rules and schedules, calls, recoveries, and tasks if calls lack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from retry_run_task.commands.audit.auditing import audit, is_of_a_task, key_of, names_to_read
from retry_run_task.commands.audit.runs import Evidence, RunResult, SeenTask
from retry_run_task.commands.shared import calls, lookup
from retry_run_task.commands.shared.executions import Executions
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.installation import NotInstalledError, read_installation
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.launchers import read_launchers
from retry_run_task.commands.shared.rate_limits import rate_limited
from retry_run_task.commands.shared.reader import Reader, not_whole
from retry_run_task.errors import ConfigError
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import Unparsed
from retry_run_task.sources.tasks import time_of
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import boto3

    from retry_run_task.commands.audit.runs import Audited, Key, Window
    from retry_run_task.commands.shared.installation import Installation
    from retry_run_task.commands.shared.inventory import Launcher, Launchers
    from retry_run_task.commands.shared.view import RecoveryView
    from retry_run_task.launch.values import FailedLaunch

# A recovery begins some minutes after its call, and a retried call comes later than its run was due.
_BEFORE = timedelta(minutes=10)
# Allowance for clocks that differ, and CloudTrail's unit of time.
_EARLY, _SECOND = timedelta(seconds=5), timedelta(seconds=1)
# DescribeTasks takes at most 100. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
_DESCRIBED_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The audit of one Region of an account.

    Attributes:
        account: Empty for the installation's own.
        window: Which runs were audited; it begins later than asked if there was no time for older calls.
        unread: What else could not be read, each a sentence.
    """

    region: str
    window: Window
    launchers: Launchers
    found: tuple[Audited, ...]
    unread: tuple[str, ...] = ()
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What to audit.

    Attributes:
        stack: Name of the installation that recovers them.
        home: The Region of the installation; empty if it is the same.
        executions: Its recoveries, if the caller reads them, too, so that none is read twice.
        of_stack: Whose credentials see the installation; None for the same.
        is_member: Whether the account is not the installation's own.
    """

    session: boto3.Session
    region: str
    stack: str
    home: str = ""
    executions: Executions | None = None
    account: str = ""
    of_stack: boto3.Session | None = None
    is_member: bool = False

    @property
    def label(self) -> str:
        """The Region, with the account if it is a member."""
        return f"{self.region}, account {self.account}" if self.is_member else self.region


def inspect(
    where: Where,
    *,
    window: Window,
    tell: Callable[[str], None],
    launchers: Launchers | None = None,
    recorded: Sequence[calls.RunTaskCall | Unparsed] | None = None,
    lookups_per_s: float = lookup.CALLS_PER_S,
    is_over: Callable[[], bool] = lambda: False,
) -> Inspection:
    """Audit a Region.

    Without ``launchers`` or ``recorded`` calls they are read; ``is_over`` tells whether to stop reading, and what is
    not read is named then. ``tell`` is called with the progress.

    Raises:
        DeployError: CloudTrail did not answer.
    """
    reader = Reader(where.session, where.region)
    launchers = launchers or read_launchers(reader, tell)
    found, unread, since = _calls(where, window, recorded, tell, lookups_per_s, is_over)
    late = "" if since == window.since else _too_late(since, window)
    window = replace(window, since=since)
    installation, views, why_unread = _recoveries(where, window, found, tell, is_over)
    evidence = Evidence(
        calls=found, views=views, unread=why_unread, installation=installation, now=datetime.now(UTC)
    )
    first = audit(launchers.found, window, evidence)
    tasks, unseen = _tasks(reader, first, tell, is_over)
    notes = [*([late] if late else []), *(f"{gap.why} ({gap.action})" for gap in launchers.gaps), *unseen]
    if unread:
        notes.append(f"{unread} records could not be read")
    if why_unread:
        notes.append(why_unread)
    return Inspection(
        region=where.region,
        window=window,
        launchers=launchers,
        found=audit(launchers.found, window, replace(evidence, tasks=tasks)) if tasks else first,
        unread=tuple(notes),
        account=where.account if where.is_member else "",
    )


def _calls(
    where: Where,
    window: Window,
    recorded: Iterable[calls.RunTaskCall | Unparsed] | None,
    tell: Callable[[str], None],
    lookups_per_s: float,
    is_over: Callable[[], bool],
) -> tuple[tuple[calls.RunTaskCall, ...], int, datetime]:
    """Return the calls, how many records were not understood, and since when every call of a due run is among them."""
    read, since = list(recorded or ()), window.since
    if recorded is None:
        texts = lookup.run_task_records(
            where.session,
            where.region,
            since=window.since - _EARLY,
            until=datetime.now(UTC),
            tell=tell,
            limiter=rate_limited(lookups_per_s),
            is_over=is_over,
        )
        try:
            for one in calls.read_texts(texts):
                read.append(one)  # noqa: PERF402 - what was read before the time was over counts
        except lookup.OutOfTimeError as error:
            # Of the last record's second, others may be on the next page.
            since = max(since, (error.back_to + _SECOND if error.back_to else window.until) + _EARLY)
    found = tuple(one for one in read if isinstance(one, calls.RunTaskCall))
    return found, sum(isinstance(one, Unparsed) for one in read), since


def _too_late(since: datetime, window: Window) -> str:
    if since > window.until:
        return "there was no time to read the calls in CloudTrail, so no run was looked at"
    return (
        f"there was time to read the calls in CloudTrail back to {since:%Y-%m-%d %H:%M} UTC only, so runs that were "
        "due before were not looked at"
    )


def _recoveries(
    where: Where,
    window: Window,
    found: tuple[calls.RunTaskCall, ...],
    tell: Callable[[str], None],
    is_over: Callable[[], bool],
) -> tuple[Installation | None, Mapping[str, RecoveryView], str]:
    """Return the installation, its relevant recoveries, and why they are not known."""
    home, session = where.home or where.region, where.of_stack or where.session
    try:
        installation = read_installation(Reader(session, home), where.stack)
    except NotInstalledError:
        return None, {}, ""
    except (ConfigError, DeployError) as error:
        return None, {}, str(error)
    executions = where.executions or Executions(session, home, installation.stack)
    wanted = names_to_read(found, installation.stack)
    try:
        listed = [
            one
            for one in executions.begun(window.since - _BEFORE)
            if one.name in wanted or is_of_a_task(one.name, installation.stack)
        ]
        read, unread = executions.look_in_time(listed, tell, is_over)
    except (ConfigError, DeployError) as error:
        return installation, {}, str(error)
    views = {
        view.execution.name: view for view in read if view.launch is None or _is_there(view.launch, where)
    }
    return installation, views, not_read(unread, len(listed)) if unread else ""


def _is_there(launch: FailedLaunch, where: Where) -> bool:
    return launch.region in ("", where.region) and (
        not (launch.account and where.account) or launch.account == where.account
    )


def not_read(number: int, of: int) -> str:
    """Return the sentence for recoveries for which there was no time."""
    return f"there was no time to read {number:,} of {counted(of, 'recovery', 'recoveries')}"


def _tasks(
    reader: Reader, found: tuple[Audited, ...], tell: Callable[[str], None], is_over: Callable[[], bool]
) -> tuple[dict[Key, tuple[SeenTask, ...]], list[str]]:
    """Return the tasks that ECS still knows, for every job with a run without a call; and what could not be read."""
    tasks: dict[Key, tuple[SeenTask, ...]] = {}
    unseen: dict[str, str] = {}
    silent = {
        key_of(one.launcher): one.launcher
        for one in found
        if any(run.time is None and run.result in (RunResult.MISSED, RunResult.UNKNOWN) for run in one.runs)
    }
    for number, (key, launcher) in enumerate(silent.items(), 1):
        if is_over():
            left = counted(len(silent) - number + 1, "rule or schedule", "rules and schedules")
            unseen["time"] = f"there was no time to look for the tasks of {left}"
            break
        tell(f"tasks: {number} of {len(silent)}")
        seen = _tasks_of(reader, launcher, key[-1])
        if isinstance(seen, Unknown):
            unseen.setdefault(seen.action, f"{seen.why} ({seen.action})")
        elif seen:
            tasks[key] = seen
    return tasks, list(unseen.values())


def _tasks_of(reader: Reader, launcher: Launcher, started_by: str) -> tuple[SeenTask, ...] | Unknown:
    cluster = cluster_name({"cluster": launcher.cluster})
    arns: list[Any] = []
    for status in ("RUNNING", "STOPPED"):
        listed = reader.read_all(
            "ecs:ListTasks", "taskArns", cluster=cluster, startedBy=started_by, desiredStatus=status
        )
        if isinstance(listed, Unknown):
            # A deleted cluster has no tasks, which is what an audit is to find.
            if listed.why.startswith("ClusterNotFoundException"):
                return ()
            return listed
        arns += listed
    found: list[SeenTask] = []
    for start in range(0, len(arns), _DESCRIBED_AT_ONCE):
        part = arns[start : start + _DESCRIBED_AT_ONCE]
        described = reader.read("ecs:DescribeTasks", cluster=cluster, tasks=part)
        if isinstance(described, Unknown):
            return described
        if "tasks" not in described:
            return not_whole("ecs:DescribeTasks")
        found += [
            _seen(task, created) for task in described["tasks"] if (created := time_of(task.get("createdAt")))
        ]
    wanted = family({"taskDefinition": launcher.task_definition})
    return tuple(one for one in found if one.family == wanted)


def _seen(task: Mapping[str, Any], created: datetime) -> SeenTask:
    return SeenTask(
        arn=str(task["taskArn"]),
        created=created,
        family=family({"taskDefinition": task.get("taskDefinitionArn")}),
    )
