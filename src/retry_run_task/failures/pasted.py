"""A pasted text, to the failure in it: where AWS reported it, its code and its reason.

The text that SDKs, Terraform, Airflow, log lines and the console put around AWS's words is removed. Known forms::

    An error occurred (X) when calling the RunTask operation: ...                       AWS CLI, boto3
    com.amazonaws.services.ecs.model.XException: ... (Service: AmazonECS; Error Code: X; ...)     Java
    operation error ECS: RunTask, https response error StatusCode: 400, RequestID: ..., X: ...      Go
    Aws::ECS::Errors::X: ...        Amazon.ECS.Model.XException: ...        X (client): ...         Ruby, .NET, PHP
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retry_run_task.failures.classify import classify
from retry_run_task.failures.table import STOP_CODES
from retry_run_task.launch.values import Category, Failure, Origin

__all__ = ["Pasted", "read_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pasted:
    """How a text was understood: AWS's words without the text around them, and, in words, what they were taken for."""

    failure: Failure
    taken_for: str


_TAKEN_FOR = {
    Origin.ANSWER: "a failure in RunTask's answer",
    Origin.ERROR: "an error that RunTask raised",
    Origin.STOPPED: "the reason of a task that did not start",
}

_LONGEST = 16 * 1024
_ROUNDS = 12

_NAME = r"[A-Za-z][A-Za-z0-9]{2,80}"
_WORDS = {"flags": re.IGNORECASE}

# Text around the words that carries no meaning. Each pattern is tried again until none matches.
_AROUND = (
    re.compile(r"^[\s\"'`\u2018\u2019\u201c\u201d\u2502|>*#-]+|[\s\"'`\u2018\u2019\u201c\u201d\u2502|]+$"),
    re.compile(r"^\[?\d{4}-\d\d-\d\d[T ][\d:.,]{5,20}(?:Z|[+-][\d:]{4,6})?\]?\s*"),
    re.compile(r"^\{[\w./-]{1,80}:\d{1,6}\}\s*"),
    re.compile(r"^\[?(?:error|fatal|critical|warn(?:ing)?|info)\]?(?=[\s:|-])[\s:|-]*", **_WORDS),
    re.compile(r"^aws: \[error\]:\s*", **_WORDS),
    re.compile(
        r"^(?:(?:status|stopped|stop|failure)[ _]?reason|reason|cause|message)[\"']?\s*[:|=]\s*", **_WORDS
    ),
    re.compile(
        r"^(?:caused by|panic|unhandled exception|uncaught (?:error|exception)|exception in thread \S{1,80})[:.]?\s+",
        **_WORDS,
    ),
    re.compile(
        r"^(?:[\w.]{1,120}\.)?(?:airflowexception|runtimeerror|exception|ecstaskfailtostart|ecsoperatorerror):\s*",
        **_WORDS,
    ),
    re.compile(r"^(?:the )?task failed to start due to:?\s*", **_WORDS),
    re.compile(
        r"^(?:error |failed to |unable to |could not )?(?:run|running|creat(?:e|ing)|start|starting|launch|launching) "
        r"(?:an? |the |ecs |new )*(?:task|service)s?(?: failed)?(?: \([^)]{1,200}\)| \[[^\]]{1,200}\])?:\s*",
        **_WORDS,
    ),
    re.compile(r"[\s,;(]{0,8}(?:status ?code: \d{3}[,;]?\s*)?\(?request ?id: [\w-]{1,80}\)?\.?$", **_WORDS),
)
# The suffix of a Java SDK message; version 1 has the code in it.
_SERVICE = re.compile(r"\s{0,8}\(service: [^()]{1,400}\)(?: \(sdk attempt count: \d+\))?\.?$", **_WORDS)
_STOPPED_IN_BRACKETS = re.compile(r"^STOPPED \((.*)\)$", re.DOTALL)

# Where the code is. Groups: code, message.
_CODED = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        # AWS CLI and boto3.
        r"(?i:an error occurred) \(([\w.]{1,100})\) (?i:when calling the) \w{1,60} operation(?: \([^)]{1,60}\))?:?(.*)",
        # Go; "operation error SSM" is in a task's reason and no answer to RunTask.
        rf"operation error ECS: \w{{1,60}}, .{{0,400}}?\b(?!RequestID|StatusCode)({_NAME}): (.*)",
        # PHP.
        rf"\b({_NAME}) \((?:client|server)\): ((?:(?! - \{{).){{0,2000}})",
        # Java, .NET, Ruby, Step Functions, JavaScript.
        rf"^(?:[\w.]{{1,120}}\.|[\w.]{{1,80}}#|Aws::[\w:]{{1,80}}::|\[)({_NAME})\]?(?::\s*|\s+-\s+|\s*$)(.*)",
        rf"^({_NAME}(?:Exception|Fault)|{'|'.join(STOP_CODES)})(?::\s*|\s*$)(.*)",
    )
)
_CODED_BEHIND = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        rf"^(.*?)\s*\([^()]{{0,200}}?\b(?i:error ?code): ({_NAME})[^()]{{0,200}}\)",
        rf"^(.*?)\s*\((?:Aws::[\w:]{{1,80}}::|[\w.]{{1,120}}\.)?({_NAME}(?:Exception|Error))\)\.?$",
    )
)
_CLASS = re.compile(r"^[\w.]{1,160}(?:Exception|Error):\s*")

# Words that occur in the reason of a task that did not start, but not in an answer to RunTask.
_OF_A_TASK = re.compile(
    r"^\w{3,60}error\b|\bcontainers?\b(?![ -]?instances?)|\b(?:image|pull|secrets?|daemon|mount\w*|efs"
    r"|log (?:group|driver)|oci runtime|exited|task failed)\b",
    re.IGNORECASE,
)

# An object, in JSON or as Python prints it; it may be cut off.
_MEMBER = re.compile(
    r"""["'](__type|code|error|errorcode|stopcode|message|cause|errormessage|reason|stoppedreason)["']\s*:\s*"""
    r"""(?:"((?:[^"\\]|\\.){0,4000})"|'((?:[^'\\]|\\.){0,4000})')""",
    re.IGNORECASE,
)


def read_text(text: str, *, code: str | None = None, stopped: bool = False) -> Pasted:
    """Determine what a text is: an entry of ``failures[]``, an error, or the reason of a task that did not start.

    ``code`` is the exception's or the stop code, if known; a stop code, or ``stopped``, makes it a task's reason.
    """
    words = _peel(text[:_LONGEST])
    if code is not None or stopped:
        origin = Origin.STOPPED if stopped or code in STOP_CODES else Origin.ERROR
        chosen = Failure(origin=origin, code=code, reason=words)
    else:
        candidates = _candidates(words)
        chosen = min(candidates, key=_uncertainty)
    return Pasted(failure=chosen, taken_for=_TAKEN_FOR[chosen.origin])


def _uncertainty(failure: Failure) -> int:
    verdict = classify(failure)
    return 0 if verdict.category is not Category.UNKNOWN else 1 if verdict.row != "unknown" else 2


def _candidates(words: str) -> list[Failure]:
    """Return what the words can be, most likely first."""
    found = _of_members(words) or _of_code(words)
    is_bare = found is not None and words.startswith(f"{found.code}:")
    if found is not None and is_bare and found.origin is Origin.ERROR and _OF_A_TASK.search(words):
        # It may also be another service's answer to ECS, within a task's reason.
        return [Failure(origin=Origin.STOPPED, reason=words), found]
    if found is not None:
        return [found]
    origins = [Origin.ANSWER, Origin.STOPPED, Origin.ERROR]
    if _OF_A_TASK.search(words):
        origins = [Origin.STOPPED, Origin.ANSWER, Origin.ERROR]
    return [Failure(origin=origin, reason=words) for origin in origins]


def _peel(text: str) -> str:
    for _ in range(_ROUNDS):
        once = _STOPPED_IN_BRACKETS.sub(r"\1", text)
        for pattern in _AROUND:
            once = pattern.sub("", once)
        if once == text:
            break
        text = once
    return text


def _of_members(words: str) -> Failure | None:
    """Return the failure in the members of an object, if it is one."""
    if "{" not in words:
        return None
    said: dict[str, str] = {}
    for name, double, single in _MEMBER.findall(words):
        said.setdefault(name.lower(), double or single)
    reason = said.get("stoppedreason") or said.get("reason")
    if "stopcode" in said or "stoppedreason" in said:
        return Failure(origin=Origin.STOPPED, code=said.get("stopcode"), reason=reason or "")
    if reason is not None:
        return Failure(origin=Origin.ANSWER, reason=reason)
    code = said.get("errorcode") or said.get("__type") or said.get("code") or said.get("error")
    message = said.get("errormessage") or said.get("message") or said.get("cause") or ""
    return Failure(origin=Origin.ERROR, code=_name(code), reason=_peel(message)) if code else None


def _of_code(words: str) -> Failure | None:
    """Return the error, or the task's reason, with the code in its text; None if there is no code."""
    for pattern in _CODED:
        if found := pattern.search(words):
            return _with_code(found[1], found[2])
    for pattern in _CODED_BEHIND:
        if found := pattern.search(words):
            return _with_code(found[2], _CLASS.sub("", found[1]))
    return None


def _with_code(code: str, message: str) -> Failure:
    origin = Origin.STOPPED if code in STOP_CODES else Origin.ERROR
    return Failure(origin=origin, code=_name(code), reason=_SERVICE.sub("", _peel(message)))


def _name(code: str) -> str:
    """Return a code without namespace, as in ``com.amazonaws.ecs#ClientException``."""
    return re.split(r"[.#:]", code)[-1] or code
