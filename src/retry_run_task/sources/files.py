"""Whatever holds CloudTrail records and a person may have in a file, to failed launches.

Beside the events that Lambda is invoked with: one bare record; a list of records; a trail's log file in S3,
``{"Records": [...]}``; what ``aws cloudtrail lookup-events`` prints, ``{"Events": [{"CloudTrailEvent": "..."}]}``;
and one record a line.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retry_run_task.launch.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudtrail, parse
from retry_run_task.sources.reading import ReadError, read_json, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_text(text: str) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    """Yield what becomes of each record in a text.

    Raises:
        ReadError: The text is not JSON, nor one JSON object a line.
    """
    content = _content(text)
    if isinstance(content, dict) and ("awslogs" in content or "detail-type" in content):
        return parse(content)
    return (_record(one.body, one.where) if isinstance(one, Found) else one for one in _records(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record in a file.

    Attributes:
        body: The record.
        where: Which one it is; None if it is alone.
    """

    body: Any
    where: str | None


def records_in(text: str) -> Iterator[Found | Unparsed]:
    """Yield each record in a text, whatever it tells; what Lambda is invoked with is not taken apart.

    Raises:
        ReadError: The text is not JSON, nor one JSON object a line.
    """
    return _records(_content(text))


@dataclass(frozen=True, slots=True)
class _Lines:
    lines: list[str]


def _content(text: str) -> Any:
    try:
        return read_json(text)
    except ReadError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith("{") for line in lines):  # noqa: PLR2004 - several lines
            raise
        return _Lines(lines)


def _records(content: Any) -> Iterator[Found | Unparsed]:
    if isinstance(content, _Lines):
        yield from (_line(line, number) for number, line in enumerate(content.lines, 1))
        return
    if isinstance(content, dict) and isinstance(content.get("Events"), list):
        texts = [e.get("CloudTrailEvent") if isinstance(e, dict) else None for e in content["Events"]]
        yield from (_line(text, number) for number, text in enumerate(texts, 1))
        return
    records = content.get("Records", content) if isinstance(content, dict) else content
    if not isinstance(records, list):
        yield Found(body=records, where=None)
        return
    yield from (Found(body=record, where=f"record {number}") for number, record in enumerate(records, 1))


def _line(text: Any, number: int) -> Found | Unparsed:
    where = f"record {number}"
    if not isinstance(text, str):
        return Unparsed(why="it has no CloudTrailEvent text", where=where)
    try:
        return Found(body=read_object(text), where=where)
    except ReadError as error:
        return Unparsed(why=str(error), where=where)


def _record(record: Any, where: str | None) -> FailedLaunch | Ignored | Unparsed:
    if not isinstance(record, dict):
        return Unparsed(why="it is not a JSON object, as a CloudTrail record is", where=where)
    try:
        return cloudtrail.parse(record, cloudtrail.Envelope())
    except ReadError as error:
        return Unparsed(why=str(error), where=where)
    except (RecursionError, ValueError) as error:
        return Unparsed(why=f"it could not be read ({type(error).__name__})", where=where)
