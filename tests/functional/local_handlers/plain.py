"""Small handlers that the tests of the local AWS run in real processes."""

import json
import os
import sys
import time
from pathlib import Path


def echo(event, context):
    return event


def show(event, context):
    """Print the event, for events that nobody waits for the answer of."""
    print("event", json.dumps(event))


def environment(event, context):
    return dict(os.environ)


def describe_context(event, context):
    return {
        "function_name": context.function_name,
        "function_version": context.function_version,
        "invoked_function_arn": context.invoked_function_arn,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "aws_request_id": context.aws_request_id,
        "log_group_name": context.log_group_name,
        "log_stream_name": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }


def fail(event, context):
    raise LookupError("no such thing")


def leave(event, context):
    sys.exit(3)


def hang(event, context):
    print("hanging", os.getpid())
    time.sleep(60)


def hang_once(event, context):
    """Hang the first time; answer the second, which is another process."""
    mark = Path(event["mark"])
    if not mark.exists():
        mark.touch()
        print("hanging", os.getpid())
        time.sleep(60)
    print("came through")
    return "done"


def talk(event, context):
    """Print lines in pieces, as `print` does."""
    for number in range(event["lines"]):
        print("line", context.aws_request_id, number, "end")


def unspeakable(event, context):
    return object()


def pid(event, context):
    return os.getpid()


def tell_the_time(event, context):
    return {"time": time.time(), "left_ms": context.get_remaining_time_in_millis()}
