"""Which policy is deployed: the built-in one, a file, or the one that is installed.

The policy lies in the zip. A zip with a policy of one's own is named so in the bucket, and an update that names no
policy takes it from there: it must not go back to the built-in one because somebody forgot an option.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from retry_run_task.commands.deploy import template
from retry_run_task.commands.deploy.package import ENTRY, with_policy
from retry_run_task.commands.shared.faults import calling, code_of
from retry_run_task.config import policy_of
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUILT_IN = "default"
"""What to give instead of a file to go back to the built-in policy."""

ZIP, ZIP_WITH_POLICY = "lambda.zip", "lambda-with-policy.zip"
_MARK = f"/{ZIP_WITH_POLICY.partition('.')[0]}-"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPolicy:
    """A policy to deploy.

    Attributes:
        content: The file's; None for the built-in policy.
        source: ``flag``, ``file``, ``installed`` or ``default``.
        name: The file's name; what it is, if it is none.
    """

    content: bytes | None = None
    source: str = "default"
    name: str = "built in"

    def zipped(self, code: bytes) -> tuple[str, bytes]:
        """Return the zip with this policy, and what it is called.

        Raises:
            ConfigError: The policy is not understood. Names every problem.
        """
        if self.content is None:
            return ZIP, code
        return ZIP_WITH_POLICY, with_policy(code, self.content, name=self.name)


def named(path: str, source: str) -> OwnPolicy:
    """Return the policy of a file that was named by hand, or the built-in one.

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


def installed(s3: S3Client, text: str, account: str) -> OwnPolicy:
    """Return the policy that a stack has.

    Args:
        s3: A client for the Region of the stack.
        text: The stack's template.
        account: Whose the bucket has to be.

    Raises:
        ConfigError: It has one of its own, and that cannot be read.
        DeployError: AWS does not say.
    """
    bucket, key = template.code_of(text)
    if _MARK not in f"/{key}":
        return OwnPolicy(source="installed" if key else "default")
    hint = f"Give it with --policy FILE, or --policy {BUILT_IN} for the built-in one."
    with calling(f"read {key} in the bucket {bucket}"):
        try:
            body = s3.get_object(Bucket=bucket, Key=key, ExpectedBucketOwner=account)["Body"].read()
        except ClientError as error:
            if code_of(error) not in ("NoSuchKey", "NoSuchBucket"):
                raise
            raise ConfigError(
                f"The policy that is installed was in {bucket}/{key}, which is gone.", hint=hint
            ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            content = archive.read(ENTRY)
    except (zipfile.BadZipFile, KeyError):
        raise ConfigError(f"There is no policy in {bucket}/{key}.", hint=hint) from None
    return OwnPolicy(content=content, source="installed", name="that of the installed stack")
