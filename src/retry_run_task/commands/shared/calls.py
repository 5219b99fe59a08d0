"""RunTask calls as CloudTrail recorded them, including those that placed their tasks. Pure.

``sources.cloudtrail`` knows the format and the failed calls; this module adds the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.loose import object_in, objects_in, texts_in
from retry_run_task.launch.request import cluster_name, family
from retry_run_task.launch.values import CallerKind, FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudtrail, files
from retry_run_task.sources.reading import ReadError, object_at, read_object, text_at, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from retry_run_task.launch.values import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTaskCall:
    """One RunTask call and its result.

    Attributes:
        parameters: The members that identify the job: cluster, task definition, ``startedBy``. Nothing else.
        provider: Launch type or capacity providers that it asked for; empty for the cluster's default.
        placed_in: Subnet and Availability Zone of each task that it placed, as far as recorded.
        failed: What failed, if it did not place every task; its request may hold secrets.
        account: Where it was made, with ``region``; empty if the record does not say.
    """

    event_id: str
    time: datetime
    caller: Caller
    parameters: Mapping[str, Any]
    placed: tuple[str, ...] = ()
    provider: str = ""
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    placed_in: tuple[tuple[str, str], ...] = ()
    failed: FailedLaunch | None = field(default=None, repr=False)
    account: str = ""
    region: str = ""

    @property
    def cluster(self) -> str:
        """Short name of the cluster."""
        return cluster_name(self.parameters)

    @property
    def family(self) -> str:
        """Family of the task definition; empty if AWS recorded no request."""
        return family(self.parameters)

    @property
    def started_by(self) -> str:
        """The ``startedBy`` of its tasks; empty if none."""
        return str(self.parameters.get("startedBy") or "")

    @property
    def is_ours(self) -> bool:
        """Whether a recovery made it."""
        return self.caller.kind is CallerKind.OWN


_ALONE = cloudtrail.Envelope()
_TELLING = ("cluster", "taskDefinition", "startedBy")


def read_record(record: dict[str, Any], envelope: cloudtrail.Envelope = _ALONE) -> RunTaskCall | None:
    """Return the call of a record; None if it is another operation's.

    Raises:
        ReadError: It is an unreadable record of a RunTask call.
    """
    if record.get("eventName") != "RunTask" or record.get("eventSource") not in (None, "ecs.amazonaws.com"):
        return None
    found = cloudtrail.parse(record, envelope)
    parameters = object_at(record, "requestParameters") or {}
    failed = found if isinstance(found, FailedLaunch) else None
    text = text_at(record, "eventTime")
    if failed is None and text is None:
        raise ReadError("it has no eventTime")
    _, placed = cloudtrail.answer_of(record)
    return RunTaskCall(
        event_id=text_at(record, "eventID") or "",
        time=failed.event_time if failed is not None else time_of(text or ""),
        caller=cloudtrail.caller_of(record, parameters),
        parameters={name: parameters[name] for name in _TELLING if parameters.get(name)},
        placed=placed,
        placed_in=tuple(_rooms(record)),
        failed=failed,
        account=text_at(record, "recipientAccountId") or "",
        region=text_at(record, "awsRegion") or "",
        **_where(parameters),
    )


def _where(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a request asks for room; a member of the wrong type counts as absent."""
    network = object_in(object_in(parameters.get("networkConfiguration")).get("awsvpcConfiguration"))
    strategy = objects_in(parameters.get("capacityProviderStrategy"))
    names = [str(one.get("capacityProvider") or "") for one in strategy]
    return {
        "provider": "+".join(dict.fromkeys(filter(None, names))) or str(parameters.get("launchType") or ""),
        "subnets": tuple(texts_in(network.get("subnets"))),
        "security_groups": tuple(texts_in(network.get("securityGroups"))),
    }


def _rooms(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield subnet and zone of each task in an answer.

    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Attachment.html
    """
    for task in objects_in(object_in(record.get("responseElements")).get("tasks")):
        for attachment in objects_in(task.get("attachments")):
            for detail in objects_in(attachment.get("details")):
                if detail.get("name") == "subnetId" and isinstance(detail.get("value"), str):
                    yield detail["value"], str(task.get("availabilityZone") or "")


def read_texts(texts: Iterable[str]) -> Iterator[RunTaskCall | Unparsed]:
    """Yield the call of each record that is a JSON text, as ``LookupEvents`` gives them."""
    for number, text in enumerate(texts, 1):
        try:
            call = read_record(read_object(text))
        except (ReadError, RecursionError, ValueError) as error:
            yield Unparsed(why=files.why(error), where=f"record {number}")
        else:
            if call is not None:
                yield call


def read_file(chunks: Iterable[bytes]) -> Iterator[RunTaskCall | Unparsed]:
    """Yield the call of each record in a file, in any form that ``sources.files`` reads."""
    for one in files.things(chunks):
        if isinstance(one, files.Record):
            yield from _call_of(one)
        elif isinstance(one, Unparsed):
            yield one


def read_failures(chunks: Iterable[bytes]) -> Iterator[RunTaskCall | Unparsed]:
    """Yield the same, and for each task that did not start the call that started it."""
    for one in files.things(chunks):
        match one:
            case files.Record():
                yield from _call_of(one)
            case FailedLaunch():
                yield of_launch(one)
            case files.LooseFailures():
                why = f"of {one.about} nothing else is known, so its call cannot be made again"
                yield Unparsed(why=why, where=one.where)
            case Unparsed():
                yield one
            case Ignored():
                pass


def _call_of(record: files.Record) -> Iterator[RunTaskCall | Unparsed]:
    try:
        call = read_record(record.body, record.envelope)
    except (ReadError, RecursionError, ValueError) as error:
        yield Unparsed(why=files.why(error), where=record.where)
    else:
        if call is not None:
            yield call


def of_launch(launch: FailedLaunch) -> RunTaskCall:
    """Return the call that started a task, as far as the task shows it."""
    parameters = launch.request.parameters
    return RunTaskCall(
        event_id=launch.event_id,
        time=launch.event_time,
        caller=launch.caller,
        parameters={name: parameters[name] for name in _TELLING if parameters.get(name)},
        placed=launch.placed,
        failed=launch,
        account=launch.account,
        region=launch.region,
        **_where(parameters),
    )
