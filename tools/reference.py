"""Writes the reference pages, and what is generated within other pages, from the code that they describe.

    python tools/reference.py            write what has changed
    python tools/reference.py --check    write nothing; name the stale pages and end with 1

What a log line holds and which metrics there are is not copied from the source: the functions' own code runs
here, with made-up records and answers, and what it writes is described. So a page cannot say what the code
does not do, and an event or a metric that no scene brings about is an error.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import io
import itertools
import json
import re
import sys
import tomllib
import uuid
from collections import defaultdict
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from retry_run_task.aws import tasks
from retry_run_task.aws.recoveries import Started
from retry_run_task.aws.telemetry import NAMESPACE, Metric, Telemetry
from retry_run_task.commands.audit import function as daily_audit
from retry_run_task.commands.audit.function import AuditEvent
from retry_run_task.commands.main import EXIT_CODES, retry_run_task
from retry_run_task.config import PREFIX, Settings, read_policy
from retry_run_task.errors import StartError
from retry_run_task.failures.classify import TABLE, Row, classify
from retry_run_task.handlers import _recover as handlers
from retry_run_task.intake import Event as IntakeEvent
from retry_run_task.intake import take_in
from retry_run_task.launch import names as identity
from retry_run_task.launch import request, wire
from retry_run_task.launch.schedule import NoMatch, Tags
from retry_run_task.launch.values import (
    Answer,
    Caller,
    CallerKind,
    Category,
    FailedLaunch,
    Failure,
    IncompleteRequest,
    JsonObject,
    Lost,
    Origin,
    Outcome,
    Phase,
    Placed,
    Refused,
    Request,
    TaskState,
)
from retry_run_task.messages import console
from retry_run_task.messages.audited import (
    MISSING,
    OVERTAKEN,
    UNSEEN,
    Absent,
    Findings,
    Overtaken,
    audit_message,
)
from retry_run_task.messages.message import (
    STILL_TRYING,
    Language,
    Message,
    Progress,
    Severity,
    Style,
    early_message,
)
from retry_run_task.policy import attempt_times
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.keys import MATCH, SETTINGS, TOP, Key
from retry_run_task.policy.ladder import COSTS, FREE, RungKind
from retry_run_task.policy.rules import DEADLINE_S, Facts, Handling, Policy, Rule
from retry_run_task.policy.schema import schema
from retry_run_task.policy.scope import Scope
from retry_run_task.recovery import crowd, loop, watching
from retry_run_task.recovery.lines import LogEvent
from retry_run_task.recovery.ports import Background, CrowdPort, Entrance, NoCrowd, Tools
from retry_run_task.sources import cloudwatch_logs, reading
from retry_run_task.sources import tasks as tasks_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from retry_run_task.launch.values import Verdict

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = read_policy()
DOCUMENTED = ROOT / "tools" / "documented.toml"
SOURCE = "../../src/retry_run_task"
BEGIN, END = "<!-- handlings: written by `make docs` -->", "<!-- end of handlings -->"

# The order in which a reader wants them: what is waited out first.
CATEGORIES = (
    Category.CAPACITY,
    Category.THROTTLE,
    Category.TRANSIENT,
    Category.UNKNOWN,
    Category.CONFIGURATION,
    Category.PERMISSION,
)

MEANINGS = {
    Category.CAPACITY: "There is no room now, and there may be later.",
    Category.THROTTLE: "AWS asks for fewer calls.",
    Category.TRANSIENT: "Something broke that mends itself.",
    Category.UNKNOWN: "No row of the table fits, or one whose wording names no cause.",
    Category.CONFIGURATION: "A person has to change the request, or what it names.",
    Category.PERMISSION: "AWS denied the call.",
}

# Rows whose texts are the examples of their category in the table of handlings.
EXAMPLES = {
    Category.CAPACITY: ("fargate-capacity", "instance-resources", "fargate-quota"),
    Category.THROTTLE: ("throttled",),
    Category.TRANSIENT: ("agent-disconnected", "server-fault"),
    Category.UNKNOWN: (),
    Category.CONFIGURATION: ("attribute-missing", "above-quota", "task-definition-missing"),
    Category.PERMISSION: ("call-denied", "role-not-assumable"),
}
EXAMPLE_MAX = 70


def pages(root: Path) -> dict[Path, str]:
    """Return the text that each page under a folder should have, by its path."""
    reference = {
        "classification": classification(),
        "documented-texts": documented_texts(),
        "request-members": request_members(),
        "configuration": configuration(),
        "log-events": log_events(),
        "metrics": metrics(),
        "policy": policy(),
        "limits": limits(),
        "messages": messages(),
        "cli": cli(),
    }
    result = {root / "docs/reference" / f"{name}.md": text for name, text in reference.items()}
    result[root / "docs/reference/policy.schema.json"] = json.dumps(schema(), indent=2) + "\n"
    notifications = root / "docs/notifications.md"
    result[notifications] = with_samples(notifications.read_text(encoding="utf-8"))
    of_policies = root / "docs/policy.md"
    result[of_policies] = with_handlings(of_policies.read_text(encoding="utf-8"), handlings())
    return result


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """Write the pages, or check them; returns the exit code."""
    if list(arguments) not in ([], ["--check"]):
        print(f"Usage: python tools/reference.py [--check]; not {' '.join(arguments)}", file=sys.stderr)
        return 2
    stale = {
        path: text
        for path, text in pages(root).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        name = path.relative_to(root)
        if arguments:
            print(f"{name} is stale; write it again with: make docs", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(name)
    return 1 if stale and arguments else 0


# What every page is made of.


def page(title: str, module: str, *blocks: str) -> str:
    """Return a page: a title, where it comes from, and blocks of text."""
    origin = (
        f"<!-- Written by `make docs`; edit the code, not this page. -->\n\n"
        f"This page is written from [`{module}`]({SOURCE}/{module}), and a test says that it is up to date."
    )
    return "\n\n".join([f"# {title}", origin, *(block.strip("\n") for block in blocks)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a cell may hold Markdown, but no line break."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """Return text as code."""
    if "`" in text:
        raise ValueError(f"{text!r} holds a backtick, which this page cannot show as code")
    return f"`{text}`"


def links(addresses: Iterable[str]) -> str:
    """Return numbered links."""
    return " ".join(f"[{number}]({address})" for number, address in enumerate(addresses, 1))


def member_docs(enumeration: type) -> dict[str, str]:
    """Return what stands under each member of an enumeration, on one line."""
    (definition,) = ast.parse(inspect.getsource(enumeration)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - the source of a class is a class
    docs = {}
    for member, text in itertools.pairwise(definition.body):
        match member, text:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                docs[name] = " ".join(words.split())
            case _:
                pass
    return docs


# Classification.


def classification() -> str:
    """Return the table of failures."""
    return page(
        "What ECS says, and what kind of failure it is",
        "failures/table.py",
        "The first row that fits decides, so a row that names one cause stands above a family of causes.\n"
        "The number in front is the row's place in that order.\n"
        "The name is what logs and `explain` print.",
        "*Where* says how AWS must have said it:\n"
        + "\n".join(
            f"`{origin.value}`: {member_docs(Origin)[origin.name].replace('``', '`')}" for origin in Origin
        )
        + "\n`explain --reason` finds out which of these a text is.\n"
        "[Which row covers what AWS documents](documented-texts.md) has AWS's own lists.",
        "The examples are written as AWS writes them.\n"
        "A rule matches the wording that all variants share; it is in the source.",
        *(_category(category) for category in CATEGORIES),
    )


def documented_texts() -> str:
    """Return which row covers each text that AWS documents."""
    blocks = []
    for documented in tomllib.loads(DOCUMENTED.read_text(encoding="utf-8"))["page"]:
        rows = ((code(words), code(v.row), v.category.value) for words, v in _verdicts(documented))
        title = f"## {documented['title']}\n\n[AWS's page]({documented['address']})"
        blocks.append(f"{title}\n\n" + table(("AWS documents", "row", "category"), rows))
    return page(
        "Which row covers what AWS documents",
        "failures/table.py",
        "AWS's pages, and the source of the ECS agent, were read in November 2026.\n"
        "Each text that they give for a task that does not start is classified here by "
        "[the table](classification.md); a test wants a row for every one.",
        *blocks,
    )


def _verdicts(documented: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
    origin = Origin(documented["origin"])
    stop_code = "TaskFailedToStart" if origin is Origin.STOPPED else None
    for code_alone in documented.get("codes", ()):
        yield code_alone, classify(Failure(origin=origin, code=code_alone))
    for text in documented.get("texts", ()):
        reason = documented.get("prefix", "") + text
        yield reason, classify(Failure(origin=origin, code=stop_code, reason=reason))


def _category(category: Category) -> str:
    rows = [(place, row) for place, row in enumerate(TABLE, 1) if row.category is category]
    head = f"## {category.value}\n\n{MEANINGS[category]}\nHandling: {handling(category)}."
    if not rows:
        return f"{head}\nAn unknown text is counted in the metric `{Metric.UNKNOWN_REASONS}`."
    return f"{head}\n\n" + table(
        ("place", "name", "AWS says, for example", "where", "what a person can do", "evidence"),
        (
            (
                str(place),
                code(row.name),
                code(row.says),
                ", ".join(origin.value for origin in Origin if origin in row.origins),
                row.hint or "wait",
                links(row.evidence),
            )
            for place, row in rows
        ),
    )


def handling(category: Category) -> str:
    """Say what the default policy does about a category."""
    whole = default(category)
    if not whole.retry:
        return "a message is sent at once, and RunTask is not called again"
    first, last = span(attempt_times.bounds(whole, 1)), span(attempt_times.longest_bounds(whole))
    if whole.attempts is not None:
        return f"{whole.attempts} more attempts, {first} to {last} apart; then a message is sent"
    places = (
        ", each time as asked and at once in one subnet alone, in turn"
        if RungKind.EACH_SUBNET in whole.rungs
        else ""
    )
    return (
        f"again within {duration_text(DEFAULT.spread_s)}, then with waits from {first} up to {last}{places}, until the "
        f"next run is due, or {duration_text(whole.deadline_s)} after the failed call"
    )


def default(category: Category) -> Handling:
    """Return what the default policy does about a category."""
    return DEFAULT.handling(Facts(), category)


def span(bounds: tuple[int, int]) -> str:
    """Return the shortest and the longest that a wait can be."""
    least, most = bounds
    return f"{least}-{most} s"


# Requests.


def request_members() -> str:
    """Return what happens to each member of a recorded request."""
    return page(
        "What of a recorded request is sent again",
        "launch/request.py",
        "Every member of RunTask's request that this version knows:",
        table(
            ("member", "in the new call", "why"),
            ((code(name), how.value, why) for name, (how, why) in sorted(request.MEMBERS.items())),
        ),
        "A member that is not in this table came with a newer caller.\nIt is kept as it was recorded.",
        f"CloudTrail replaces redacted values with `{request.HIDDEN}`.\n"
        "A request that holds this text anywhere is never sent.\n"
        "[What is hidden is taken from the rule or schedule](../concepts.md#what-cloudtrail-hides), and if that "
        "is not certain, a message says which part is missing.",
    )


# Configuration.


def configuration() -> str:
    """Return the settings of the two functions."""
    return page(
        "Settings",
        "config.py",
        "Both functions are set up by environment variables.\n"
        "A value that is not understood, or a variable with the prefix "
        f"`{PREFIX}` that is not in this table, is an error that names every problem.",
        table(
            ("variable", "default", "meaning"),
            (
                (
                    code(PREFIX + f.name.upper()),
                    code(as_text(f.default)) if f.default not in ("", ()) else "empty",
                    f.metadata["meaning"],
                )
                for f in fields(Settings)
            ),
        ),
        "A glob knows `*`, `?` and `[...]`, and letters count as written.",
    )


def as_text(default: object) -> str:
    """Return a default as a person would write it into the environment."""
    match default:
        case bool():
            return str(default).lower()
        case frozenset():
            return ",".join(sorted(str(item) for item in default))
        case tuple():
            return ",".join(str(item) for item in default)
        case _:
            return str(default)


# Scenes: the functions' own code, with records and answers that are made up.

ACCOUNT, REGION, STACK = "123456789012", "ap-northeast-1", "retry-run-task"
ASKED = {"cluster": "batch", "taskDefinition": "nightly:7", "startedBy": "events-rule/nightly"}
WHOLE = Request(parameters=ASKED)
NO_NETWORK = "Timeout waiting for network interface provisioning to complete."
NO_CAPACITY = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)


@dataclass(slots=True)
class Seen:
    """What the scenes wrote.

    Attributes:
        levels: Of each event.
        fields: Of each event, in the order in which they first came.
        metrics: Unit and dimensions of each metric.
        rules: Rules that ended or went on with a recovery.
        outcomes: How recoveries ended.
    """

    levels: dict[str, str] = field(default_factory=dict)
    fields: dict[str, dict[str, None]] = field(default_factory=lambda: defaultdict(dict))
    metrics: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    rules: set[str] = field(default_factory=set)
    outcomes: set[str] = field(default_factory=set)


@functools.cache
def look() -> Seen:
    """Let the scenes play, and return what was seen."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        # A logger keeps the stream that it was first made with, so each look has a logger of its own.
        telemetry = Telemetry(stack=f"{STACK}-{uuid.uuid4().hex}", request_id="8f1c")
        _play_intake(telemetry)
        _play_recoveries(telemetry)
        daily_audit.log(_FINDINGS[MISSING], telemetry)
        daily_audit.log(_FINDINGS[OVERTAKEN], telemetry)
        daily_audit.log(_FINDINGS[UNSEEN], telemetry)
        telemetry.flush()
    seen = Seen()
    for line in output.getvalue().splitlines():
        record = json.loads(line)
        if "_aws" in record:
            _see_metrics(record, seen)
        else:
            event = record["message"]
            seen.levels[event] = record["level"]
            seen.fields[event] |= dict.fromkeys(record)
            seen.rules |= {record["rule"]} if "rule" in record else set()
            seen.outcomes |= {record["outcome"]} if "outcome" in record else set()
    _nothing_missing("event", {e.value for e in (*IntakeEvent, *LogEvent, *AuditEvent)}, set(seen.levels))
    _nothing_missing("metric", {m.value for m in Metric}, set(seen.metrics))
    return seen


def _see_metrics(record: Mapping[str, Any], seen: Seen) -> None:
    for directive in record["_aws"]["CloudWatchMetrics"]:
        (dimensions,) = directive["Dimensions"]
        for metric in directive["Metrics"]:
            seen.metrics[metric["Name"]] = (metric["Unit"], tuple(sorted(dimensions, reverse=True)))


def _nothing_missing(kind: str, expected: set[str], found: set[str]) -> None:
    if expected != found:
        raise ValueError(
            f"each {kind} needs a scene and a description: "
            f"{', '.join(sorted(expected ^ found))} stand on one side only"
        )


def _record(event_id: str, **changes: Any) -> JsonObject:
    return {
        "eventSource": "ecs.amazonaws.com",
        "eventName": "RunTask",
        "eventID": event_id,
        "eventTime": "2026-11-24T00:00:03Z",
        "awsRegion": REGION,
        "recipientAccountId": ACCOUNT,
        "userIdentity": {"type": "AssumedRole", "invokedBy": "events.amazonaws.com"},
        "requestParameters": ASKED,
        "responseElements": {"tasks": [], "failures": [{"reason": NO_CAPACITY}]},
    } | changes


def _play_intake(telemetry: Telemetry) -> None:
    fates: Iterator[Started | Exception] = itertools.cycle(
        [Started.ACCEPTED, Started.BEFORE, ConnectionError("Lambda cannot be reached")]
    )

    def start(_name: str, _payload: str) -> Started:
        fate = next(fates)
        if isinstance(fate, Exception):
            raise fate
        return fate

    records = [
        *(_record(f"00000000-0000-4000-8000-00000000000{n}") for n in range(3)),
        _record("placed-all", responseElements={"tasks": [{"taskArn": "arn"}], "failures": []}),
        _record("other-cluster", requestParameters=ASKED | {"cluster": "web"}),
        _record("unreadable", requestParameters={"cluster": "batch"}),
    ]
    for record in records:
        with contextlib.suppress(StartError):
            take_in(
                {"detail-type": "AWS API Call via CloudTrail", "detail": record, "id": "6f87d04b"},
                stack=STACK,
                scope=Scope(clusters=("batch",)),
                start=start,
                telemetry=telemetry,
            )


AT = datetime(2026, 11, 24, 0, 0, 3, tzinfo=UTC)
STARTED = ("arn:aws:ecs:...",)
MATCHED = Background(
    name="nightly", arn="arn:aws:events:...", due=AT.timestamp(), next_due=None, event_age_s=3600
)


@dataclass(kw_only=True)
class _World:
    """A world that answers as it was set up.

    Attributes:
        answers: To RunTask.
        schedule: What made the call.
        there: What is seen before an attempt, if anything is looked for.
        watched: What is seen of placed tasks; one after the other, then that they run.
        is_deaf: Whether the topic takes no messages.
        told: The messages that it took.
    """

    answers: Iterator[Answer] = field(default_factory=lambda: iter(()))
    schedule: Background | NoMatch = MATCHED
    there: tuple[TaskState, ...] | Failure = ()
    watched: Iterator[tuple[TaskState, ...] | Failure] = field(default_factory=lambda: iter(()))
    is_deaf: bool = False
    told: list[Message] = field(default_factory=list)
    _now: float = AT.timestamp()

    def now(self) -> float:
        self._now += 900
        return self._now

    def find_schedule(self, _launch: FailedLaunch) -> Background | NoMatch:
        return self.schedule

    def look(
        self,
        _launch: FailedLaunch,
        *,
        original: bool,  # noqa: ARG002
        failed_others: tuple[str, ...] = (),  # noqa: ARG002
        whole: bool = True,  # noqa: ARG002
    ) -> tuple[TaskState, ...] | Failure:
        return self.there

    def earlier(self, _launch: FailedLaunch) -> tuple[str, ...] | Failure:
        return ()

    def complete(self, launch: FailedLaunch) -> Request | NoMatch:
        return Request(parameters=launch.request.parameters)

    def run_task(self, _launch: FailedLaunch, _body: JsonObject) -> Answer:
        return next(self.answers)

    def watch(self, _launch: FailedLaunch, arns: tuple[str, ...]) -> tuple[TaskState, ...] | Failure:
        return next(self.watched, tuple(TaskState(arn=arn, phase=Phase.RUNS) for arn in arns))

    def stop(self, _launch: FailedLaunch, _arn: str, *, why: str) -> Refused | Lost | None:  # noqa: ARG002
        return Refused(failure=Failure(origin=Origin.ERROR, code="AccessDeniedException", reason="no"))

    def notify(self, message: Message) -> str | None:
        if self.is_deaf:
            return "Topic does not exist"
        self.told.append(message)
        return None


class _Many(NoCrowd):
    """Other recoveries, more than a few."""

    def size(self) -> int:
        return 1_000


def _launch(*failures: Failure, asked: Request | IncompleteRequest = WHOLE) -> FailedLaunch:
    return FailedLaunch(
        event_id="9d9f0b5e-0b1c-4f0e-9f0e-7c1d2f3a4b5c",
        call_id="0123456789abcdef0123456789abcdef",
        event_time=AT,
        account=ACCOUNT,
        region=REGION,
        caller=Caller(kind=CallerKind.RULE),
        request=asked,
        failures=failures or (_said(NO_CAPACITY),),
    )


def _said(reason: str) -> Failure:
    return Failure(origin=Origin.ANSWER, reason=reason)


def _play_recoveries(telemetry: Telemetry) -> None:
    short = Placed(failures=(_said(NO_CAPACITY),))
    strange = Placed(failures=(_said("A wording that nobody has seen"),))
    there = Placed(task_arns=STARTED)
    hidden = IncompleteRequest(parameters=ASKED, missing=("overrides",))
    denied = Failure(origin=Origin.ERROR, code="AccessDenied", reason="not authorized")
    broken = Failure(origin=Origin.ERROR, code="ServerException", reason="Service Unavailable")
    unlucky = Failure(origin=Origin.STOPPED, code="TaskFailedToStart", reason=NO_NETWORK)
    stopped = TaskState(arn=STARTED[0], phase=Phase.FAILED, failure=unlucky, is_ours=True)
    somebodys = TaskState(arn=STARTED[0], phase=Phase.RUNS)
    soon = replace(MATCHED, next_due=AT.timestamp() + 3600)
    unknown = NoMatch(why="no rule or schedule has this name")
    scenes: tuple[tuple[FailedLaunch, _World], ...] = (
        (_launch(), _World(answers=iter((short, there)))),
        (_launch(asked=hidden), _World(answers=iter((there,)))),
        (_launch(asked=hidden), _World(schedule=unknown)),
        (_launch(), _World(answers=itertools.repeat(short), schedule=soon)),
        (_launch(), _World(there=(somebodys,))),
        (_launch(), _World(answers=iter((there,)), there=denied, watched=iter((denied,)))),
        (_launch(), _World(answers=iter((there, there)), watched=iter(((stopped,),)))),
        (_launch(_said("A wording that nobody has seen")), _World(answers=itertools.repeat(strange))),
        (_launch(), _World(answers=itertools.repeat(short))),
        (_launch(denied), _World(is_deaf=True)),
        (_launch(broken), _World()),
        *(
            (_launch(), _World(answers=iter((Placed(failures=(_said(says),)), there))))
            for says in ("AGENT", "Rate exceeded")
        ),
        (_launch(), _World(answers=iter((Placed(failures=(_said("ATTRIBUTE"),)),)))),
        (_launch(), _World(answers=iter((there,)), watched=itertools.repeat(()))),
        # A fault of this program: there is no answer to give.
        (_launch(), _World()),
    )
    for launch, world in scenes:
        _recover(launch, world, telemetry)
    _recover(_launch(broken), _World(answers=iter((there,))), telemetry, recover_errors=True)
    # What the default policy does not have: a rung that is dropped, and a schedule that is ignored.
    changing = Rule(
        name="capacity", sets={"rungs": (RungKind.AS_ASKED, RungKind.SIZES), "sizes": ((256, 512),)}
    )
    climbing = replace(DEFAULT, rules=(changing, *DEFAULT.rules))
    strange = _World(answers=iter((short, Placed(failures=(_said("ATTRIBUTE"),)), short, there)))
    on_fargate = Request(parameters=ASKED | {"launchType": "FARGATE"})
    _recover(_launch(asked=on_fargate), strange, telemetry, policy=climbing)
    _recover(_launch(asked=on_fargate), _World(answers=iter((short, there))), telemetry, policy=climbing)
    hanging = TaskState(
        arn=STARTED[0],
        phase=Phase.STARTING,
        is_ours=True,
        starter=_launch().call_id[: identity.STARTER_DIGITS],
    )
    stopping = replace(DEFAULT, rules=(Rule(name="hangs", sets={"stop_hanging": True}), *DEFAULT.rules))
    hangs = _World(answers=iter((there,)), watched=itertools.repeat((hanging,)))
    _recover(_launch(), hangs, telemetry, policy=stopping)
    tagged = replace(MATCHED, tags=Tags(policy="patient", ignore=True, unread=("the tags cannot be read",)))
    _recover(_launch(), _World(schedule=tagged), telemetry)
    shut = Entrance(role_arn="arn:aws:iam::210987654321:role/x-member", enter=lambda: denied)
    _recover(_launch(), _World(), telemetry, entrance=shut)
    _recover(_launch(), _World(answers=iter((short, there))), telemetry, others=_Many())


def _recover(
    launch: FailedLaunch,
    world: _World,
    telemetry: Telemetry,
    *,
    recover_errors: bool = False,
    policy: Policy = DEFAULT,
    entrance: Entrance | None = None,
    others: CrowdPort | None = None,
) -> None:
    name = identity.recovery_name_of(STACK, launch)

    def tell(happened: LogEvent, /, **more: Any) -> None:
        # As handlers.recover does, without the durable execution around it.
        handlers._tell(telemetry, happened, recovery=name, **wire.about(launch), **more)  # noqa: SLF001

    loop.recover(
        launch,
        Tools(
            policy=policy,
            aws=world,
            step=lambda _, do: do(False),
            wait=lambda *_: None,
            tell=tell,
            notify_recovered=True,
            recover_errors=recover_errors,
            entrance=entrance,
            crowd=others or NoCrowd(),
        ),
    )


# Log events.

EVENTS = {
    IntakeEvent.STARTED: "A recovery was started for a failed launch, or is running under this name.",
    IntakeEvent.ALREADY_STARTED: "Lambda knows this name with another payload: the recovery exists.",
    IntakeEvent.NOT_STARTED: "The recovery could not be started; the event is delivered again.",
    IntakeEvent.IGNORED: "A record is no failed launch, or is not in this stack's scope; `why` says which.",
    IntakeEvent.UNPARSED: "A record or a payload could not be read; `why` says what was found.",
    LogEvent.BEGAN: "A recovery began.",
    LogEvent.MATCHED: "The rule or schedule that made the call was looked for; without `schedule` it is "
    "unknown, and `why` says why.",
    LogEvent.TAGGED: "The rule, the schedule's group or the task definition has tags for recoveries, or its tags could "
    "not be read; `WARNING` with a `why`, else `INFO`.",
    LogEvent.HELD: "The recovery of a raised error waits while EventBridge may still retry the call itself.",
    LogEvent.READ_FAILED: "ECS did not say which tasks exist, or in which state they are; the recovery goes on.",
    LogEvent.CALLED: "RunTask was called, and this is what ECS answered.",
    LogEvent.WAITING: "Another attempt follows after a wait.",
    LogEvent.STOPPED: "Tasks that did not start were stopped; `failures` if StopTask failed.",
    LogEvent.STILL_TRYING: "A message said that the run is late and still being retried; `error` if it was not sent.",
    LogEvent.RUNG_DROPPED: "ECS rejected what a rung changes, or a task did not start because of it; this recovery "
    "does not try the rung again.",
    LogEvent.START_FAILED: "Placed tasks stopped before they ran; they are missing again.",
    LogEvent.RECOVERED: "Every requested task runs, or has run.",
    LogEvent.ALREADY_RUNNING: "Every task was there already, and no recovery had started it.",
    LogEvent.IGNORED: "The policy or a tag says to ignore this launch.",
    LogEvent.GAVE_UP: "The recovery ended without its tasks; its own message says so, or the daily audit's.",
    LogEvent.NOT_NOTIFIED: "The topic did not accept the message; seven tries are made in all.",
    AuditEvent.ABSENT: "A run that was due is missing, or, if `is_certain` is false, may be; `why` says what is known.",
    AuditEvent.OVERTAKEN: "Runs of one schedule in one outage were given up because the next one was due; their "
    "recoveries sent no message of their own.",
    AuditEvent.UNSEEN: "The audit could not read something; `why` says what.",
    AuditEvent.DONE: "An audit has ended: how many runs are missing or uncertain, and how many things were not read.",
}

ALWAYS = {
    "level": "`INFO` for a decision, `WARNING` for what could not be read or is tried no more, `ERROR` for what you "
    "must look at.",
    "message": "The event.",
    "timestamp": "When the line was written, in UTC.",
    "service": "The stack's name.",
    "version": "Version of retry-run-task.",
    "function_request_id": "Lambda's id of the invocation.",
}

FIELDS = {
    "recovery": "Name of the recovery, which is that of its durable execution.",
    "event_id": "CloudTrail's id of the failed call, or its substitute in a record made by hand; "
    "`t-` and the task's id if a task did not start.",
    "account": "Account that the call was made in.",
    "region": "Region that the call was made in.",
    "caller": "Who made the call: `rule`, `scheduler`, `hand-made`, `other`, `batch`, `step-functions` or `own`.",
    "cluster": "Short name of the cluster.",
    "task_definition": "Task definition, as the call named it.",
    "started_by": "`startedBy` of the failed call.",
    "category": "The kind of the failure that decides.",
    "reason": "What AWS said of that failure.",
    "row": "Name of the row of the classification table.",
    "rule": "Name of the policy's rule that decided, or of a fixed limit, such as `operations`.",
    "why": "The reason, in one sentence.",
    "where": "Which record of the payload.",
    "schedule": "Name of the rule or schedule that made the call.",
    "next_due": "When its next run is due, in seconds since 1970.",
    "tag": "Value of the tag `retry-run-task:policy`.",
    "ignore": "Whether the tag `retry-run-task:ignore` is true.",
    "call": "Number of the RunTask call; the first is 1.",
    "repeat": "How often this call was made before: each time it was refused, or its answer was lost.",
    "rung": "How the request was changed, such as `each-subnet subnet-0a1b`; `as-asked` if it was not.",
    "answer": "`placed` (ECS answered), `refused` (it did nothing) or `lost` (tasks may have started).",
    "task_arns": "Tasks that this call placed, or that did not start; at the end, all tasks of the run.",
    "failures": "Everything that ECS said, with `origin`, `code`, `reason`, `detail` and `arn` where there are any.",
    "request": "The body that was sent, with the values of environment variables masked; what was read from the "
    "schedule is not in it.",
    "delay_s": "Seconds until the next attempt, or until the recovery goes on.",
    "next_rung": "The rung of the next attempt.",
    "crowd": "How many recoveries are in progress, if more than 100: then waits are longer than the policy's.",
    "outcome": "How the recovery ended.",
    "rungs": "The rungs that placed tasks, without `as-asked`.",
    "changed": "What they changed, and where the tasks started, in words.",
    "calls": "RunTask calls that the recovery made, repeats included.",
    "elapsed_s": "Seconds from the failed call to this attempt; for a record made by hand, from the first look.",
    "error_type": "Class of what was raised.",
    "error": "Its text.",
    "tries": "How often the message has been tried.",
    "subject": "Subject of the message.",
    "due": "When the run was due, in UTC.",
    "is_certain": "Whether the run is missing for certain.",
    "missing": "Runs that did not happen.",
    "runs": "How many runs were given up.",
    "since": "When the first of them failed, in UTC.",
    "until": "When the last of them was given up, in UTC.",
    "over": "When the first run was due that started after them, in UTC; null if none is known.",
    "is_going": "Whether more may follow.",
    "overtaken": "Runs that were given up because the next one was due, without a message of their own.",
    "unsure": "Runs that may have happened.",
    "unseen": "Things that could not be read.",
}


def log_events() -> str:
    """Return the events that the functions log."""
    seen = look()
    told = {name for names in seen.fields.values() for name in names}
    _nothing_missing("field", {*ALWAYS, *FIELDS}, told)
    for event, names in seen.fields.items():
        _nothing_missing(f"line ({event}) that has every common field", set(ALWAYS), set(ALWAYS) & set(names))
    return page(
        "Log events",
        "intake.py",
        f"The recovery's events are in [`recovery/lines.py`]({SOURCE}/recovery/lines.py), the daily audit's in "
        f"[`commands/audit/function.py`]({SOURCE}/commands/audit/function.py).\n"
        "The functions write one JSON object a line, and `message` is the event.\n"
        "A field without a value is left out.\n"
        "The runbook says [what to do about a `WARNING`](../runbook.md#act-on-a-warning-only-if-it-repeats).",
        "## Events",
        table(
            ("event", "level", "what happened", "fields beside the common ones"),
            (
                (
                    code(event.value),
                    seen.levels[event.value],
                    meaning,
                    " ".join(code(name) for name in FIELDS if name in seen.fields[event.value]),
                )
                for event, meaning in EVENTS.items()
            ),
        ),
        "## Fields on every line",
        table(("field", "meaning"), ((code(name), text) for name, text in ALWAYS.items())),
        "## Other fields",
        table(("field", "meaning"), ((code(name), text) for name, text in FIELDS.items())),
    )


# Metrics.


def metrics() -> str:
    """Return the metrics that the functions emit."""
    seen, docs = look(), member_docs(Metric)
    return page(
        "Metrics",
        "aws/telemetry.py",
        f"The functions write metrics into their logs, in CloudWatch's embedded format, under `{NAMESPACE}`.\n"
        "The dimension `service` is the stack's name.\n"
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html",
        table(
            ("metric", "unit", "dimensions", "what is counted"),
            (
                (
                    code(metric.value),
                    seen.metrics[metric.value][0].lower(),
                    ", ".join(code(name) for name in seen.metrics[metric.value][1]),
                    docs[metric.name],
                )
                for metric in Metric
            ),
        ),
        "One more is counted by a metric filter on the trail's log group, without the functions: `ScheduledCalls`, "
        "every `RunTask` of a rule or schedule, under `retry-run-task/<stack>` and without dimensions.\n"
        "It is there if the stack's parameter `TrailSilentHours` is given, for the alarm "
        "[trail-silent](../runbook.md#trail-silent).",
    )


# Messages.

TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/batch/0f1e2d3c4b5a69788796a5b4c3d2e1f0"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{STACK}-recover"
# As late as a record that comes through EventBridge.
_LATE_S = 95


@dataclass(kw_only=True)
class _ClockWorld(_World):
    """A world whose time passes only during waits."""

    _now: float = AT.timestamp() + _LATE_S

    def now(self) -> float:
        return self._now

    def wait(self, _name: str, seconds: int) -> None:
        self._now += seconds


def _endings() -> dict[Outcome, tuple[FailedLaunch, Callable[[], _ClockWorld]]]:
    short = Placed(failures=(_said(NO_CAPACITY),))
    there = Placed(task_arns=(TASK,))
    hidden = IncompleteRequest(parameters=ASKED, missing=("overrides.containerOverrides[app].environment",))
    soon = replace(MATCHED, next_due=AT.timestamp() + 300)
    somebodys = TaskState(arn=TASK, phase=Phase.RUNS)
    unknown = NoMatch(why="no rule or schedule has this role, cluster, task definition and name any more")
    return {
        Outcome.RECOVERED: (_launch(), lambda: _ClockWorld(answers=iter((short, short, there)))),
        Outcome.ALREADY_RUNNING: (_launch(), lambda: _ClockWorld(there=(somebodys,))),
        Outcome.SUPERSEDED: (_launch(), lambda: _ClockWorld(answers=itertools.repeat(short), schedule=soon)),
        Outcome.EXPIRED: (_launch(), lambda: _ClockWorld(answers=itertools.repeat(short))),
        Outcome.PERMANENT: (
            _launch(),
            lambda: _ClockWorld(answers=iter((Placed(failures=(_said("ATTRIBUTE"),)),))),
        ),
        Outcome.REFUSED: (_launch(asked=hidden), lambda: _ClockWorld(schedule=unknown)),
        Outcome.UNCONFIRMED: (
            _launch(),
            lambda: _ClockWorld(answers=iter((there,)), watched=itertools.repeat(())),
        ),
        Outcome.BROKEN: (_launch(), _ClockWorld),
    }


def _style(launch: FailedLaunch, language: Language) -> Style:
    name = identity.recovery_name_of(STACK, launch)
    execution = f"{FUNCTION}:7/durable-execution/{name}/0b1c4f0e-9f0e-3c1d-8f3a-4b5c9d9f0b5e"
    place = console.place(FUNCTION, log_group=f"/aws/lambda/{STACK}-recover", execution_arn=execution)
    return Style(
        language=language,
        for_chat=True,
        place=place,
        recovery=name,
        stack=STACK,
        runbook="https://example.com/retry-run-task/docs/runbook.md",
    )


def _told(launch: FailedLaunch, world: _ClockWorld, language: Language) -> Message:
    loop.recover(
        launch,
        Tools(
            policy=DEFAULT,
            aws=world,
            step=lambda _, do: do(False),
            wait=world.wait,
            tell=lambda *_, **__: None,
            notify_recovered=True,
            style=_style(launch, language),
        ),
    )
    # An early message may come before it.
    return world.told[-1]


_MESSAGE = re.compile(r"^```text\n(Subject: .*?)\n.*?^```$", re.DOTALL | re.MULTILINE)


def with_samples(text: str) -> str:
    """Return the page on notifications with its messages as they are written now: those of the same subject."""
    audit = audit_message(_FINDINGS[MISSING], _style(_launch(), Language.ENGLISH))
    found = {
        f"Subject: {message.subject}": _as_text(message) for message in (_expired(Language.ENGLISH), audit)
    }
    return _MESSAGE.sub(lambda match: found[match[1]], text)


def _expired(language: Language) -> Message:
    launch, world = _endings()[Outcome.EXPIRED]
    return _told(launch, world(), language)


_ABSENT = Absent(
    name="nightly",
    kind=CallerKind.RULE,
    region=REGION,
    due=AT,
    why="nothing called RunTask for it",
)
_DAY = {"since": AT - timedelta(hours=5), "until": AT + timedelta(hours=22), "regions": (REGION,)}
_FINDINGS = {
    MISSING: Findings(
        **_DAY,
        missing=(
            _ABSENT,
            replace(
                _ABSENT,
                name="report",
                kind=CallerKind.SCHEDULER,
                why=f"{NO_CAPACITY}; no recovery was started: see retry-run-task replay",
                was_called=True,
            ),
        ),
    ),
    OVERTAKEN: Findings(
        **_DAY,
        overtaken=(
            Overtaken(
                name="queue-sweep",
                region=REGION,
                count=9,
                first=AT,
                last=AT + timedelta(minutes=45),
                over=AT + timedelta(minutes=45),
            ),
        ),
    ),
    UNSEEN: Findings(
        **_DAY,
        unseen=(f"{REGION}: AccessDeniedException: not authorized (scheduler:ListSchedules)",),
    ),
}


_PROGRESS = Progress(
    calls=31,
    wanted=1,
    task_arns=(),
    elapsed_s=900,
    last=classify(_said(NO_CAPACITY)),
    until=AT + timedelta(hours=6),
)


def messages() -> str:
    """Return how a message of each outcome begins, in each language, as recoveries write it."""
    endings, docs = _endings(), member_docs(Severity)
    # An ignored launch sends no message.
    _nothing_missing("outcome", {o.value for o in Outcome} - {"ignored"}, {o.value for o in endings})
    told = {
        (outcome.value, language): _told(launch, world(), language)
        for outcome, (launch, world) in endings.items()
        for language in Language
    } | {
        (STILL_TRYING, language): early_message(_launch(), _PROGRESS, _style(_launch(), language))
        for language in Language
    }
    told |= {
        (outcome, language): audit_message(found, _style(_launch(), language))
        for outcome, found in _FINDINGS.items()
        for language in Language
    }
    return page(
        "Messages",
        "messages/message.py",
        "How each message begins, and [a few in full](#in-full).\n"
        f"The sentences are in [`messages/english.py`]({SOURCE}/messages/english.py), "
        f"[`messages/japanese.py`]({SOURCE}/messages/japanese.py) and "
        f"[`failures/hints_ja.py`]({SOURCE}/failures/hints_ja.py).",
        "## Severities",
        table(
            ("severity", "what to do", "outcomes"),
            (
                (
                    code(severity.value),
                    docs[severity.name],
                    ", ".join(
                        code(outcome)
                        for outcome in dict.fromkeys(outcome for outcome, _ in told)
                        if told[outcome, Language.ENGLISH].severity is severity
                    ),
                )
                for severity in Severity
            ),
        ),
        *(
            f"## {outcome.capitalize()}\n\n"
            + "\n\n".join(_beginning(told[outcome, language]) for language in Language)
            for outcome in dict.fromkeys(outcome for outcome, _ in told)
        ),
        "## In full",
        "The message that [notifications](../notifications.md#by-e-mail) shows in English, in Japanese:",
        _as_text(_expired(Language.JAPANESE)),
        "An early message:",
        _as_text(told[STILL_TRYING, Language.ENGLISH]),
        "The JSON for [Amazon Q Developer in chat applications](../notifications.md#in-slack-and-microsoft-teams), "
        "which follows its [schema](https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html):",
        _as_json(_expired(Language.ENGLISH)),
    )


def _beginning(message: Message) -> str:
    """Return the subject and the first lines."""
    head, _, _ = message.text.partition("\n\n")
    return f"```text\nSubject: {message.subject}\n\n{head}\n```"


def _as_text(message: Message) -> str:
    return f"```text\nSubject: {message.subject}\n\n{message.text}\n```"


def _as_json(message: Message) -> str:
    body = json.loads(message.chat or "")
    return f"```json\n{json.dumps(body, indent=2, ensure_ascii=False)}\n```"


# Policy.

RULES = {
    "placed": "Every task is there: the recovery ends as recovered.",
    "looked": "Every task was there already, without a recovery's doing: it ends as already running.",
    "next-run": "The schedule's next run is due before the next attempt: the recovery ends as superseded.",
    "deadline": "The next attempt would be too late: the recovery ends as expired.",
    "tag": "A tag says to ignore the launch: the recovery ends as ignored.",
    "fault": "The recovery itself failed.",
    "watch": "Tasks were placed, and not all of them were seen running while they were watched.",
    "member-role": "The launch is of another account, and recover cannot take the role there: the recovery ends as "
    "permanent, without a call.",
    "errors": "RunTask raised an error at its first caller, and errors are not to be recovered: the recovery ends as "
    "permanent, without a call.",
    "whole-requests-only": "A part of the request is not recorded, and the schedule does not tell it for certain: "
    "the recovery ends as refused.",
}

OUTCOMES = {
    Outcome.RECOVERED: "Every task that was missing is there, at least one of them by a recovery.",
    Outcome.ALREADY_RUNNING: "Every task that was missing is there, started by someone else or by the failed call.",
    Outcome.SUPERSEDED: "The schedule's next run replaces it.",
    Outcome.EXPIRED: "The attempts or the time that the policy allows are used up.",
    Outcome.PERMANENT: "Retrying does not help.",
    Outcome.REFUSED: "The request cannot be made whole, so it is not sent.",
    Outcome.UNCONFIRMED: "Every task was placed, and not all of them were seen running while they were watched.",
    Outcome.BROKEN: "The recovery itself failed: a fault of this program.",
    Outcome.IGNORED: "The policy, or a tag, says to ignore it; no message is sent, and the execution succeeds.",
}


def policy() -> str:
    """Return the default policy as a person reads it, and every key of the file."""
    seen = look()
    _nothing_missing("outcome", {outcome.value for outcome in Outcome}, seen.outcomes)
    _nothing_missing("rule", {*RULES, *(category.value for category in Category)}, seen.rules)
    whole = default(Category.CAPACITY)
    return page(
        "The policy",
        "policy.toml",
        "This is what the default policy says, and every key that a policy may have.\n"
        "[How to write one](../policy.md) is another page.\n"
        "Editors find the keys in [policy.schema.json](policy.schema.json).",
        f"The first attempt is made within {duration_text(DEFAULT.spread_s)}: each launch waits for its own part of "
        "that time.\n"
        "Each failed attempt is followed by the wait that its category has, as long as the deadline allows.\n"
        "The count of waits is kept for each category alone.\n"
        "Half of each wait is fixed and half is derived from the launch's identity, so that jobs which failed "
        "together do not come back together.",
        f"The deadline is {duration_text(whole.deadline_s)} after the failed call; for a record made by hand, after "
        "the recovery's first look; for a task that did not start, after it stopped.\n"
        f"{_share(whole)}\n"
        f"A placed task is watched for {duration_text(DEFAULT.watch_s)} at most.",
        table(
            ("category", "first wait", "longest wait", "attempts", "in words"),
            (
                (
                    code(category.value),
                    span(attempt_times.bounds(one, 1)) if one.retry else "none",
                    span(attempt_times.longest_bounds(one)) if one.retry else "none",
                    "none" if not one.retry else str(one.attempts or "any number"),
                    attempt_times.in_words(one),
                )
                for category in CATEGORIES
                for one in (default(category),)
            ),
        ),
        *(_waits(category) for category in CATEGORIES if default(category).retry),
        "## Rungs\n\nOnly a capacity failure moves to the next rung; after any other the same one is repeated.\n"
        "A rung that would change nothing of a request is not there.\n\n"
        + table(
            ("rung", "by default", "needs a list", "cost and risk"),
            (
                (
                    code(kind.value),
                    "on" if kind in whole.rungs else "off",
                    code(kind.value) if kind.value in SETTINGS else "no",
                    COSTS[kind],
                )
                for kind in RungKind
            ),
        )
        + f"\n\nOn by default is what costs nothing more: {', '.join(code(k.value) for k in RungKind if k in FREE)}.",
        "## Keys\n\nAt the top:\n\n" + _keys(TOP),
        "Of `match` in a rule; a glob knows `*`, `?` and `[...]`, and letters count as written:\n\n"
        + _keys(MATCH),
        "Of a rule, beside `name` and `match`:\n\n" + _keys(SETTINGS),
        "## Rules\n\nA rule's name is what logs and `explain` print: of the rules that match, the first.\n"
        "A recovery may also end by one of these rules, which are not in the file:\n\n"
        + table(("rule", "what it says"), ((code(name), text) for name, text in RULES.items())),
        "## Outcomes\n\n"
        + table(
            ("outcome", "meaning"),
            ((code(outcome.value), text) for outcome, text in OUTCOMES.items()),
        ),
    )


def _keys(keys: Mapping[str, Key]) -> str:
    return table(
        ("key", "default", "meaning"),
        ((code(name), _default(key), key.meaning) for name, key in keys.items()),
    )


def _default(key: Key) -> str:
    """Return what a key is if no rule sets it."""
    if key in MATCH.values():
        return "anything"
    given = {f.name: f.default for f in (*fields(Handling), *fields(DEFAULT))}[key.attribute]
    texts = {"attempts": "any", "interval_share": str(given), "rungs": f'["{RungKind.AS_ASKED}"]'}
    if key.attribute in texts:
        return code(texts[key.attribute])
    if isinstance(given, bool):
        return code(str(given).lower())
    return code(duration_text(given)) if isinstance(given, int | float) else "none"


def _share(whole: Handling) -> str:
    if whole.interval_share == 1:
        return "If the schedule's next run is due earlier, that is the deadline."
    share = f"{whole.interval_share:.0%}"
    return f"If {share} of the time until the schedule's next run has passed earlier, that is the deadline."


def _waits(category: Category) -> str:
    whole = default(category)
    spread = duration_text(DEFAULT.spread_s)
    rows = [
        (
            str(one.nth),
            f"{attempt_times.bounds(whole, one.nth - 1)[0]}-{one.longest_s} s",
            f"{duration_text(one.earliest_s)} to {duration_text(one.latest_s)}",
        )
        if one.nth > 1
        else ("1", f"0-{spread}", "at once")
        for one in attempt_times.attempts(whole)
    ]
    if whole.attempts is None:
        rows.append(
            (
                "and so on",
                span(attempt_times.longest_bounds(whole)),
                f"no later than {duration_text(whole.deadline_s)}",
            )
        )
    return f"## {category.value}\n\n{MEANINGS[category]}\n\n" + table(
        ("attempt", "wait before it", "time since the first attempt"), rows
    )


# Limits.


class _CountingEcs:
    """An ECS that has no tasks, and counts how often it is asked for a list."""

    def __init__(self) -> None:
        self.reads = 0

    def get_paginator(self, _name: str) -> _CountingEcs:
        return self

    def paginate(self, **call: str) -> Iterator[dict[str, list[str]]]:
        yield self.list_tasks(**call)

    def list_tasks(self, **_call: str) -> dict[str, list[str]]:
        self.reads += 1
        return {"taskArns": []}


def _reads(launch: FailedLaunch) -> int:
    ecs = _CountingEcs()
    tasks.already_there(ecs, launch, original=True)  # type: ignore[arg-type]  # as much of it as is asked
    return ecs.reads


def limits() -> str:
    """Return the numbers of ours that other pages speak of, each with the module that has it."""
    # Private names, since nothing but this page has to know them.
    tries, first_s = loop.NOTIFY_TRIES, loop.NOTIFY_FIRST_WAIT_S
    watch_s, longest_s = watching.WATCH_FIRST_S, watching.WATCH_LONGEST_S
    waits_s = [first_s * 2**nth for nth in range(tries - 1)]
    differ_s = tasks_wire._CLOCKS_DIFFER.total_seconds()  # noqa: SLF001
    failed, thrown = _launch(), _launch(Failure(origin=Origin.ERROR, code="ServerException", reason="x"))
    rows = (
        (
            "what a payload of CloudWatch Logs unpacks to, at most",
            _mib(cloudwatch_logs.UNPACKED_MAX),
            "sources/cloudwatch_logs.py",
        ),
        ("a record, at most", _mib(reading.MESSAGE_MAX), "sources/reading.py"),
        ("levels of a request, at most", str(request.DEPTH_MAX), "launch/request.py"),
        ("tasks of one call, at most", str(request.COUNT_MAX), "launch/request.py"),
        (
            "no attempt is made later than",
            f"{duration_text(DEADLINE_S)} after the failed call",
            "policy/rules.py",
        ),
        (
            "attempts after an unknown failure",
            str(default(Category.UNKNOWN).attempts),
            "policy.toml",
        ),
        ("recoveries in progress beyond which each waits longer", str(crowd.FEW), "recovery/crowd.py"),
        ("RunTask calls a second that all of them aim at then", str(crowd.CALLS_PER_S), "recovery/crowd.py"),
        (
            "recoveries in progress beyond which only first looks list stopped tasks",
            f"{crowd.MANY:,}",
            "recovery/crowd.py",
        ),
        ("their waits, at most, and a tenth more", duration_text(crowd.LONGEST_S), "recovery/crowd.py"),
        (
            "a placed task is looked at after",
            f"{watch_s} s, {2 * watch_s} s more, and then every {longest_s} s",
            "recovery/loop.py",
        ),
        ("and is watched for, at most", duration_text(DEFAULT.watch_s), "policy.toml"),
        (
            "clocks may differ, when a task counts as made after the call, by",
            f"{differ_s:.0f} s",
            "sources/tasks.py",
        ),
        ("`ListTasks` calls before the first attempt", str(_reads(failed)), "aws/tasks.py"),
        ("the same, if the launch is a thrown error", str(_reads(thrown)), "aws/tasks.py"),
        ("a message is tried", f"{tries} times within {duration_text(sum(waits_s))}", "recovery/loop.py"),
    )
    return page(
        "Limits and times",
        "recovery/loop.py",
        "The numbers of ours that other pages speak of, read from the code, or counted while it runs.\n"
        "Waits and deadlines of each category are in [the policy](policy.md).\n"
        "What belongs to a machine is not here: `make bench` measures it.",
        table(
            ("what", "value", "from"), ((what, value, f"[`{at}`]({SOURCE}/{at})") for what, value, at in rows)
        ),
    )


def _mib(size: int) -> str:
    return f"{size // 1024**2} MiB"


# Commands.


def cli() -> str:
    """Return the help of every command."""
    return page(
        "Commands",
        "commands/main.py",
        *(f"## {name}\n\n```text\n{text}\n```" for name, text in helps()),
        "## Exit codes\n\n"
        + table(("code", "meaning"), ((str(number), text) for number, text in EXIT_CODES)),
    )


def helps() -> Iterator[tuple[str, str]]:
    """Yield each command's name and help, at a width that does not depend on the terminal."""
    name = "retry-run-task"
    context = click.Context(
        retry_run_task,
        info_name=name,
        color=False,
        **{**retry_run_task.context_settings, "terminal_width": 80},
    )
    yield name, retry_run_task.get_help(context)
    for command in retry_run_task.list_commands(context):
        found = retry_run_task.commands[command]
        own = click.Context(found, info_name=command, parent=context)
        yield f"{name} {command}", found.get_help(own)
        if isinstance(found, click.Group):
            for inner in found.list_commands(own):
                one = found.commands[inner]
                yield (
                    f"{name} {command} {inner}",
                    one.get_help(click.Context(one, info_name=inner, parent=own)),
                )


# The table of handlings.


def with_handlings(page: str, text: str) -> str:
    """Return a page with a table of handlings between its marks."""
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f"the page on policies needs {BEGIN!r} and {END!r}, each once")
    return re.sub(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: f"{BEGIN}\n{text}\n{END}", page, flags=re.DOTALL
    )


def handlings() -> str:
    """Return the table of categories, what ECS says for example, and what is done."""
    rows = {row.name: row for row in TABLE}
    return table(
        ("category", "ECS says, for example", "what is done"),
        (
            (f"**{category.value}**", _examples(rows, category) or "anything else", handling(category))
            for category in CATEGORIES
        ),
    )


def _examples(rows: Mapping[str, Row], category: Category) -> str:
    chosen = [rows[name] for name in EXAMPLES[category]]
    wrong = [row.name for row in chosen if row.category is not category]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} cannot stand for {category}")
    return ", ".join(code(_short(row.says)) for row in chosen)


def _short(text: str) -> str:
    if len(text) <= EXAMPLE_MAX:
        return text
    sentence = text.partition(". ")[0]
    return f"{sentence if len(sentence) <= EXAMPLE_MAX else text[:EXAMPLE_MAX].rpartition(' ')[0]} …"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
