"""Whatever holds CloudTrail records and a person may have in a file, to failed launches.

Beside the events that Lambda is invoked with: one bare record; a list of records; a trail's log file in S3,
``{"Records": [...]}``; what ``aws cloudtrail lookup-events`` prints, ``{"Events": [{"CloudTrailEvent": "..."}]}``;
and one record a line.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-examples.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from retry_run_task.core.values import FailedLaunch, Ignored, Unparsed
from retry_run_task.sources import cloudtrail, parse
from retry_run_task.sources.reading import ReadError, read_json, read_object

if TYPE_CHECKING:
    from collections.abc import Iterator


def parse_text(text: str) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    """Yield what becomes of each record in a text.

    Raises:
        ReadError: The text is not JSON, nor one JSON object a line.
    """
    try:
        content = read_json(text)
    except ReadError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith("{") for line in lines):  # noqa: PLR2004 - several lines
            raise
        return (_line(line, number) for number, line in enumerate(lines, 1))
    return _content(content)


def _content(content: Any) -> Iterator[FailedLaunch | Ignored | Unparsed]:
    if isinstance(content, dict) and ("awslogs" in content or "detail-type" in content):
        return parse(content)
    if isinstance(content, dict) and isinstance(content.get("Events"), list):
        texts = [e.get("CloudTrailEvent") if isinstance(e, dict) else None for e in content["Events"]]
        return (_line(text, number) for number, text in enumerate(texts, 1))
    records = content.get("Records", content) if isinstance(content, dict) else content
    if not isinstance(records, list):
        return iter([_record(records, None)])
    return (_record(record, f"record {number}") for number, record in enumerate(records, 1))


def _line(text: Any, number: int) -> FailedLaunch | Ignored | Unparsed:
    where = f"record {number}"
    if not isinstance(text, str):
        return Unparsed(why="it has no CloudTrailEvent text", where=where)
    try:
        return _record(read_object(text), where)
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
