"""Chooses the policy to deploy: the built-in one, a file, or the installed one.

The policy is in the zip, and an update that names none keeps the installed function's: it must not go back to the
built-in one because an option was forgotten, or because the policy was set by other means.
"""

from __future__ import annotations

import io
import re
import zipfile
from base64 import b64decode
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import template
from retry_run_task.commands.deploy.package import with_policy
from retry_run_task.commands.shared.installed_policy import ENTRY, read_policy_of
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.config import POLICY, policy_of
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.policy.rules import Policy

BUILT_IN = "default"
"""Given instead of a file to return to the built-in policy."""

ZIP, ZIP_WITH_POLICY = "lambda.zip", "lambda-with-policy.zip"
_NAME_IT = f"Give it with --policy FILE, or --policy {BUILT_IN} for the built-in one."
_ZIP_OF_OURS = re.compile(r"/retry-run-task/[^/]+/lambda-([0-9a-f]{64})\.zip$")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPolicy:
    """A policy to deploy; ``content`` is None for the built-in one.

    ``source`` is ``flag``, ``file``, ``installed`` or ``default``.
    """

    content: bytes | None = None
    source: str = "default"
    name: str = "built in"

    def zipped(self, code: bytes) -> tuple[str, bytes]:
        """Return the zip with this policy, and its name.

        Raises:
            ConfigError: The policy is invalid. Names every problem.
        """
        if self.content is None:
            # `make bundle POLICY=` may have put a custom one into the zip that this package carries.
            return ZIP if _policy_in(code) == _built_in() else ZIP_WITH_POLICY, code
        return ZIP_WITH_POLICY, with_policy(code, self.content, name=self.name)


def named(path: str, source: str) -> OwnPolicy:
    """Return the policy of a named file, or the built-in one.

    Raises:
        ConfigError: The file cannot be read, or is not a policy. Names every problem.
    """
    if path == BUILT_IN:
        return OwnPolicy(source=source)
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The policy {path!r} cannot be read: {error.strerror}.",
            hint=f"Name a file, or {BUILT_IN!r} for the built-in policy.",
        ) from None
    policy_of(content, path)
    return OwnPolicy(content=content, source=source, name=path)


def content_of(reader: Reader, function: str) -> bytes:
    """Return the policy file that a function was deployed with.

    Raises:
        ConfigError: It cannot be read, or not understood.
    """
    found = read_policy_of(reader, function)
    if isinstance(found, Unknown):
        raise ConfigError(
            f"The policy that is installed cannot be read from {function} ({found.action}): {found.why}.",
            hint=_NAME_IT,
        )
    try:
        policy_of(found, POLICY)
    except ConfigError as error:
        problems = str(error).removesuffix(error.hint).rstrip()
        raise ConfigError(
            f"The policy that is installed in {function} is none that this version understands: {problems}.",
            hint=_NAME_IT,
        ) from None
    return found


def installed(reader: Reader, function: str, text: str) -> OwnPolicy:
    """Return the policy of the installed recover function, by whatever means it was set.

    ``text`` is the stack's template.

    Raises:
        ConfigError: It cannot be read.
    """
    _, key = template.code_of(text)
    # An older version's built-in policy goes with it: deploy itself names a zip by what is in it. Other code may have
    # been put into the function since.
    named = _ZIP_OF_OURS.search(f"/{key}")
    if named and _digest_of(reader, function) == named[1]:
        return OwnPolicy(source="installed")
    found = content_of(reader, function)
    if found == _policy_in(template.carried("lambda.zip")):
        return OwnPolicy(source="installed")
    return OwnPolicy(content=found, source="installed", name="that of the installed stack")


def _digest_of(reader: Reader, function: str) -> str:
    """Return the SHA-256 of a function's code in hexadecimal digits; empty if that cannot be read."""
    answer = reader.read("lambda:GetFunctionConfiguration", FunctionName=function)
    digest = "" if isinstance(answer, Unknown) else str(answer.get("CodeSha256") or "")
    try:
        return b64decode(digest, validate=True).hex()
    except ValueError:
        return ""


def _policy_in(code: bytes) -> bytes | None:
    """Return the policy in a zip; None if it is none of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(code)) as archive:
            return archive.read(ENTRY)
    except (zipfile.BadZipFile, KeyError):
        return None


def policy_in(code: bytes) -> Policy:
    """Return the policy in a zip.

    Raises:
        ConfigError: It is none. Names every problem.
    """
    return policy_of(_policy_in(code) or _built_in(), POLICY)


def _built_in() -> bytes:
    return files("retry_run_task").joinpath(POLICY).read_bytes()
