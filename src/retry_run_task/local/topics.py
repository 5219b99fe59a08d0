"""SNS: topics that remember what was published, with SNS's rules for messages."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.local.errors import AwsError
from retry_run_task.local.observers import tell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from retry_run_task.local.clock import Clock

Form = dict[str, str]

NAMESPACE = "http://sns.amazonaws.com/doc/2010-03-31/"
# "Subjects must be UTF-8 text with no line breaks or control characters, and less than 100 characters long":
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html. Older copies of that page want ASCII.
# 100 are accepted.
SUBJECT_MAX = 100
LARGEST_MESSAGE_BYTES = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A message that SNS accepted; ``by_protocol`` has all its forms: ``default``, and protocols such as ``https``."""

    topic: str
    subject: str | None
    message: str
    by_protocol: Mapping[str, str]
    attributes: Mapping[str, str]
    time: datetime
    message_id: str


class Topics:
    """The topics of one account and Region."""

    def __init__(self, clock: Clock, account: str, region: str) -> None:
        self.published: list[Published] = []
        self.on_publish: list[Callable[[Published], object]] = []
        self._clock, self._prefix = clock, f"arn:aws:sns:{region}:{account}:"
        self._arns: set[str] = set()

    def create(self, name: str) -> str:
        """Create a topic, unless it exists, and return its ARN."""
        self._arns.add(self._prefix + name)
        return self._prefix + name

    def operations(self) -> dict[str, Callable[[Form], Form]]:
        """Return the implemented operations, by name."""
        return {"Publish": self._publish, "CreateTopic": lambda form: {"TopicArn": self.create(form["Name"])}}

    def _publish(self, form: Form) -> Form:
        topic, subject, text = form.get("TopicArn"), form.get("Subject"), form.get("Message", "")
        if topic is None or not topic.startswith("arn:"):
            raise _invalid("TopicArn or TargetArn Reason: no value for required parameter")
        if topic not in self._arns:
            raise AwsError("NotFound", "Topic does not exist", 404)
        if subject is not None and not (0 < len(subject) <= SUBJECT_MAX and subject.isprintable()):
            raise _invalid("Subject")
        if not text:
            raise _invalid("Empty message")
        if len(text.encode()) > LARGEST_MESSAGE_BYTES:
            raise _invalid("Message too long")
        forms = _forms(text) if form.get("MessageStructure") == "json" else {"default": text}
        message = Published(
            topic=topic,
            subject=subject,
            message=forms["default"],
            by_protocol=forms,
            attributes=_attributes(form),
            time=self._clock.now(),
            message_id=str(uuid.uuid4()),
        )
        self.published.append(message)
        tell(self.on_publish, message)
        return {"MessageId": message.message_id}


def _forms(text: str) -> dict[str, str]:
    """Return a message's form for each protocol; there must be a default."""
    try:
        forms = json.loads(text)
    except ValueError:
        forms = None
    if not isinstance(forms, dict) or not isinstance(forms.get("default"), str):
        raise _invalid("Message Structure - No default entry in JSON message body")
    return {protocol: form for protocol, form in forms.items() if isinstance(form, str)}


def _attributes(form: Form) -> dict[str, str]:
    """Return ``MessageAttributes.entry.1.Name``, ``MessageAttributes.entry.1.Value.StringValue`` ... by name."""
    return {
        name: form.get(f"{key.removesuffix('.Name')}.Value.StringValue", "")
        for key, name in form.items()
        if key.startswith("MessageAttributes.entry.") and key.endswith(".Name")
    }


def _invalid(what: str) -> AwsError:
    return AwsError("InvalidParameter", f"Invalid parameter: {what}")
