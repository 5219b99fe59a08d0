"""The zip that runs in Lambda, with a custom policy."""

from __future__ import annotations

import io
import zipfile

from retry_run_task.commands.shared.installed_policy import ENTRY
from retry_run_task.config import POLICY, policy_of
from retry_run_task.errors import RetryRunTaskError


class PackageError(RetryRunTaskError):
    """The file is not the zip of the functions."""


def with_policy(content: bytes, policy: bytes, *, name: str = POLICY) -> bytes:
    """Return the zip with another policy: deterministic, with only that file changed.

    ``name`` is the policy file's, for errors.

    Raises:
        ConfigError: The policy is invalid, so it must not be deployed. Names every problem.
        PackageError: The content is not the zip of the functions.
    """
    policy_of(policy, name)
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w") as new:
            if ENTRY not in old.namelist():
                raise PackageError(f"The zip has no {ENTRY}.", hint="Build it with: make bundle.")
            for entry in old.infolist():
                data = policy if entry.filename == ENTRY else old.read(entry)
                new.writestr(_like(entry), data, zipfile.ZIP_DEFLATED, compresslevel=9)
    except zipfile.BadZipFile:
        raise PackageError("This is not a zip.", hint="Build it with: make bundle.") from None
    return buffer.getvalue()


def _like(entry: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """Return an entry of the same name, time and permissions, for other content."""
    new = zipfile.ZipInfo(entry.filename, entry.date_time)
    new.create_system, new.external_attr = entry.create_system, entry.external_attr
    return new
