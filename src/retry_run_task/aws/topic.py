"""Telling a person through an SNS topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from retry_run_task.aws.once import once

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

    from retry_run_task.core.messages import Message

_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})
# arn:<partition>:sns:<region>:<account>:<name>
_REGION_PART = 3


@once
def client(topic_arn: str) -> SNSClient:
    """Return a client for the topic's own Region, which need not be the function's."""
    return boto3.client("sns", region_name=topic_arn.split(":")[_REGION_PART], config=_CONFIG)


def publish(topic_arn: str, message: Message) -> str | None:
    """Publish a message. Returns None if SNS took it, else what SNS or the network said."""
    try:
        client(topic_arn).publish(TopicArn=topic_arn, Subject=message.subject, Message=message.text)
    except (BotoCoreError, ClientError) as error:
        return str(error)
    return None
