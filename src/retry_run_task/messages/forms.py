"""The forms of a message: the subject, the text of an e-mail, and what Slack and Microsoft Teams show."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retry_run_task.messages import outside
from retry_run_task.text import cut

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retry_run_task.messages.sentences import Sentences
    from retry_run_task.messages.steps import Step

# SNS: "less than 100 characters", no line breaks or control characters.
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
SUBJECT_MAX = 99

# Amazon Q Developer in chat applications truncates longer titles.
# https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
TITLE_MAX = 250
DESCRIPTION_MAX = 8000
STEP_MAX = 350
KEYWORD_MAX = 75

# Shown before a chat message; as characters, because Slack and Teams name emojis differently.
SIGNS = {
    "info": "\N{WHITE HEAVY CHECK MARK}",
    "warning": "\N{WARNING SIGN}",
    "error": "\N{POLICE CARS REVOLVING LIGHT}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content of a message in one language. Rows are a label's key and a value."""

    headline: str
    name: str
    opening: str
    cause: list[tuple[str, str]]
    steps: list[Step]
    happened: list[tuple[str, str]]
    links: list[tuple[str, str]]
    details: list[tuple[str, str]]


Writer = Callable[["Sentences", outside.Show], Content]
"""Returns the content in a language, with outside text in the given form."""


def subject(content: Content, words: Sentences, region: str, *, is_ascii: bool) -> str:
    """Return the subject, cut to SNS's limit."""
    line = words.subject.format(
        headline=content.headline, name=content.name, region=region or words.unrecorded
    )
    if is_ascii:
        line = line.encode("ascii", "replace").decode()
    return cut(line, SUBJECT_MAX)


def text(content: Content, words: Sentences) -> str:
    """Return the text of an e-mail: lines of a label and a value, which any font shows."""
    blocks = [
        [content.opening, *_rows(content.cause, words)],
        [
            words.labels["to_do"],
            *("- " + (_row(s.text, s.command, words) if s.command else s.text) for s in content.steps),
        ],
        [words.labels["happened"], *_rows(content.happened, words)],
        [words.labels["links"], *(f"- {row}" for row in _rows(content.links, words))]
        if content.links
        else [],
        [words.labels["details"], *_rows(content.details, words)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _rows(rows: Sequence[tuple[str, str]], words: Sentences) -> list[str]:
    return [_row(words.labels[key], value, words) for key, value in rows]


def _row(label: str, value: str, words: Sentences) -> str:
    return words.label.format(label=label, value=value)


def chat(
    content: Content,
    words: Sentences,
    *,
    title: str,
    facts: Mapping[str, str],
    execution: str,
    thread: str,
    tasks: Sequence[str] = (),
    event_type: str = "retry-run-task-recovery",
) -> str:
    """Return a custom notification as JSON.

    https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html
    """
    steps = [
        _row(step.text, outside.as_code(step.command), words) if step.command else step.text
        for step in content.steps
    ]
    lines = [
        content.opening,
        *_bold(content.cause, words),
        # A truncated command is worse than one that stands elsewhere.
        *(step for step in steps if len(step) > STEP_MAX),
        "",
        *_bold(content.happened, words),
        "",
        *_bold(content.links, words),
        "",
        *_bold(content.details, words),
    ]
    keywords = [facts["severity"], facts["outcome"], facts["category"], facts["family"]]
    body: dict[str, Any] = {
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": cut(title, TITLE_MAX),
            "description": cut("\n".join(lines), DESCRIPTION_MAX),
            "nextSteps": [step for step in steps if len(step) <= STEP_MAX],
            "keywords": [cut(word, KEYWORD_MAX) for word in keywords if word],
        },
        "metadata": {
            **({"threadId": thread} if thread else {}),
            "summary": cut(content.opening, TITLE_MAX),
            "eventType": event_type,
            "relatedResources": [arn for arn in tasks if outside.is_word(arn)],
            # A custom action inserts these into a command.
            "additionalContext": {
                key: value for key, value in {**facts, "execution": execution}.items() if value
            },
        },
    }
    # ASCII is safe for every consumer.
    return json.dumps(body, separators=(",", ":"))


def _bold(rows: Sequence[tuple[str, str]], words: Sentences) -> list[str]:
    return [f"*{words.labels[key]}:* {value}" for key, value in rows]
