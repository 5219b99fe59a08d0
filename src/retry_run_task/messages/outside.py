"""Text from a record, escaped for a message: names, values, and words of a command.

A record is an outsider's text: anyone who may call RunTask, or write into the log group, chooses it. It must not break
a line, mention a channel, create a link, or reach a shell unquoted.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retry_run_task.text import cut, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Show = Callable[[str], str]
"""Returns a value in one form of a message."""

# Limit of one value: the longest text of AWS in a launch is 1 KB, and a launch may have many.
VALUE_MAX = 700
_NAME_MAX = 255

# The characters in names of families, clusters, Regions, accounts and events.
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")

# What Slack and Teams show unchanged. Others: formatting, :emoji:, a link, and a domain, which becomes one.
_PLAIN_IN_CHAT = re.compile(r"[\w\s.,:;()/+=%'\"!?-]*")
_NOT_PLAIN = re.compile(r"//|\.\w|:\w+:|(?<!\w)_|_(?!\w)|www")
# In Slack, <!channel> notifies people, also between backticks.
# https://docs.slack.dev/messaging/formatting-message-text
_HARMLESS = str.maketrans(
    {
        "<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}",
        ">": "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
        "@": "\N{FULLWIDTH COMMERCIAL AT}",
        "`": "'",
    }
)

_PLAIN_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:=+,-]*")
_PLAIN_JSON = re.compile(r"[A-Za-z0-9 {}\[\]\",:._/*=~()!+-]*")
_JSON_MAX = 1500


def name(text: str) -> str:
    """Return a name; any character that AWS does not allow in names becomes a question mark."""
    return cut(_NOT_IN_A_NAME.sub("?", text), _NAME_MAX)


def in_text(text: str) -> str:
    """Return a value for an e-mail; a URL is made not clickable."""
    return cut(one_line(text).replace("://", ": //"), VALUE_MAX)


def in_chat(text: str) -> str:
    """Return a value for Slack and Teams: unchanged, or as code if a chat would format it."""
    shown = in_text(text)
    if _PLAIN_IN_CHAT.fullmatch(shown) and not _NOT_PLAIN.search(shown):
        return shown
    return as_code(shown)


def as_code(text: str) -> str:
    """Return text between backticks, in which a chat formats and links nothing."""
    return f"`{text.translate(_HARMLESS)}`"


def is_word(text: str) -> bool:
    """Whether text has the form of an ARN or a name of AWS's, which needs no quotes and is no option of a command."""
    return _PLAIN_WORD.fullmatch(text) is not None and "//" not in text


def command(program: str, *words: str, **options: str) -> str:
    """Return a command line to paste; empty if a word has any other form than an AWS name.

    The program is our own words; words and options (by name, left out without a value) come from a record or from the
    settings.
    """
    given = {option: value for option, value in options.items() if value}
    if not all(map(is_word, (*words, *given.values()))):
        return ""
    pairs = [part for option, value in given.items() for part in (f"--{option.replace('_', '-')}", value)]
    return shlex.join([*program.split(), *words, *pairs])


def with_profile(line: str, profile: str) -> str:
    """Return a command line that uses a profile of the AWS CLI, if there are both."""
    return f"{line} --profile {shlex.quote(profile)}" if line and profile else line


def describe_tasks(arns: Sequence[str], *, region: str, cluster: str) -> str:
    """Return the command that shows tasks; empty if there is none, or a word has any other form than an AWS name."""
    start = command("aws ecs describe-tasks", region=region, cluster=cluster)
    # A short id will do. https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html
    ids = [arn.rsplit("/", 1)[-1] for arn in arns]
    if not start or not ids or not all(map(is_word, ids)):
        return ""
    return f"{start} --tasks {shlex.join(ids)}"


def run_task(parameters: Mapping[str, Any], *, region: str) -> str:
    """Return the command that starts tasks by hand; empty if the request is too long or not plain."""
    body = json.dumps(parameters, separators=(",", ":"))
    start = command("aws ecs run-task", region=region)
    if not start or len(body) > _JSON_MAX or "//" in body or not _PLAIN_JSON.fullmatch(body):
        return ""
    return f"{start} --cli-input-json {shlex.quote(body)}"
