"""Publishes messages to an SNS topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from retry_run_task.aws.cached import cached
from retry_run_task.aws.faults import attempt, sentence
from retry_run_task.launch.values import Failure

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

    from retry_run_task.messages.message import Message

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})
# arn:<partition>:sns:<region>:<account>:<name>
_REGION_PART = 3


@cached
def client(topic_arn: str) -> SNSClient:
    """Return a client for the topic's own Region, which may differ from the function's."""
    return boto3.client("sns", region_name=topic_arn.split(":")[_REGION_PART], config=_CONFIG)


def publish(topic_arn: str, message: Message) -> str | None:
    """Publish a message. Returns None if SNS accepted it, else what SNS or the network answered.

    Subscriptions can be narrowed by the attributes ``severity`` and ``outcome``.
    https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
    """
    arguments: dict[str, Any] = {
        "TopicArn": topic_arn,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (("severity", message.severity), ("outcome", message.outcome))
        },
        **_body(message),
    }
    failure = _publish(topic_arn, message.subject, arguments)
    # AWS's documentation changed from ASCII to UTF-8. A message must not be lost because of its subject.
    if failure and failure.code == "InvalidParameter" and message.subject != message.plain_subject:
        failure = _publish(topic_arn, message.plain_subject, arguments)
    return sentence(failure) if failure else None


def _publish(topic_arn: str, subject: str, arguments: dict[str, Any]) -> Failure | None:
    # Every complete answer has the id. An empty one proves nothing, and a duplicate message is better than none.
    taken = attempt(lambda: client(topic_arn).publish(Subject=subject, **arguments)["MessageId"])
    return taken if isinstance(taken, Failure) else None


def _body(message: Message) -> dict[str, str]:
    """Return the default text; with a form for chat, that form for HTTPS, which chat subscriptions use.

    https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html
    """
    if message.chat is None:
        return {"Message": message.text}
    forms = {"default": message.text, "https": message.chat}
    return {"MessageStructure": "json", "Message": json.dumps(forms)}
