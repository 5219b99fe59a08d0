"""The code in a bucket: its name, upload and removal.

An upload is named by its digest, so that an older one, which CloudFormation needs for a rollback, is never overwritten.
The name does not prove the content, because others may write to the bucket: content is compared by S3's digest, and
referred to by its exact version if the bucket keeps versions.

Whatever AWS refuses, or does not answer, raises ``DeployError``.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from retry_run_task.commands.shared.faults import DeployError, calling, code_of, refused
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

    from retry_run_task.commands.shared.inventory import Identity

_MARK = "OnlyOverTls"
_ONLY_OVER_TLS = """{
  "Version": "2012-10-17",
  "Statement": [{
    "Sid": "OnlyOverTls", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": ["BUCKET", "BUCKET/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}}
  }]
}"""

_PREFIX = "retry-run-task/"

# An interrupted or repeated upload leaves old versions.
_OLD_VERSIONS_DAYS = 30
_MOST_AT_ONCE = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A bucket for code.

    Attributes:
        account: The required owner. A bucket's name is predictable, and whoever took it first could put other code
            there; so every call names the owner, and S3 refuses any other.
    """

    name: str
    account: str
    region: str
    partition: str
    is_ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file to upload."""

    key: str
    content: bytes

    @property
    def checksum(self) -> str:
        """SHA-256, in the form of S3 and Lambda."""
        return base64.b64encode(hashlib.sha256(self.content).digest()).decode()


def bucket_for(identity: Identity, region: str, name: str = "") -> Bucket:
    """Return the bucket of a name, or the one that this system creates for an account and Region."""
    own = f"retry-run-task-artifacts-{identity.account}-{region}"
    return Bucket(
        name=name or own,
        account=identity.account,
        region=region,
        partition=identity.partition,
        is_ours=name in ("", own),
    )


def artifact(stack: str, name: str, content: bytes) -> Artifact:
    """Return a file with its name in a bucket: ``<stack>/lambda-<SHA-256>.zip``."""
    stem, _, suffix = name.partition(".")
    return Artifact(
        key=f"{prefix(stack)}{stem}-{hashlib.sha256(content).hexdigest()}.{suffix}", content=content
    )


def prefix(stack: str) -> str:
    """Return the prefix of a stack's files; a bucket may have other contents, too."""
    return f"{_PREFIX}{stack}/"


def exists(s3: S3Client, bucket: Bucket) -> bool:
    """Tell whether a bucket exists and can be used.

    Raises:
        ConfigError: It is foreign, or in another Region.
    """
    with calling(f"look at the bucket {bucket.name}"):
        try:
            s3.head_bucket(Bucket=bucket.name, ExpectedBucketOwner=bucket.account)
        except ClientError as error:
            # The answer to HEAD has no body, only a status.
            match error.response["ResponseMetadata"]["HTTPStatusCode"]:
                case 404:
                    return False
                case 403:
                    raise ConfigError(
                        f"The bucket {bucket.name} belongs to another account, or you may not list it "
                        "(s3:ListBucket).",
                        hint="Name one of yours with --bucket.",
                    ) from None
                case 301 | 400:
                    raise ConfigError(
                        f"The bucket {bucket.name} is not in {bucket.region}, where the functions are made.",
                        hint="Name one that is with --bucket.",
                    ) from None
                case _:
                    raise
    return True


def create(s3: S3Client, bucket: Bucket, tags: Mapping[str, str]) -> None:
    """Create the bucket: private, encrypted, with versions, and TLS only. A partly created one is completed.

    The tags are set by the call itself, because an organization may refuse a bucket that is created without them.
    """
    with calling(f"create the bucket {bucket.name}"):
        try:
            configuration: dict[str, Any] = {}
            if bucket.region != "us-east-1":
                configuration["LocationConstraint"] = bucket.region
            if tags:
                configuration["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
            where: dict[str, Any] = {"CreateBucketConfiguration": configuration} if configuration else {}
            s3.create_bucket(Bucket=bucket.name, **where)
        except ClientError as error:
            if code_of(error) != "BucketAlreadyOwnedByYou":
                raise
    protect(s3, bucket)


def is_protected(s3: S3Client, bucket: Bucket) -> bool:
    """Tell whether our own bucket was created completely; its policy comes last."""
    return bool(_policy(s3, bucket))


def _policy(s3: S3Client, bucket: Bucket) -> str:
    with calling(f"look at the bucket {bucket.name}"):
        try:
            return s3.get_bucket_policy(Bucket=bucket.name, ExpectedBucketOwner=bucket.account)["Policy"]
        except ClientError as error:
            if code_of(error) in ("NoSuchBucketPolicy", "NoSuchBucket"):
                return ""
            raise


def check_ours(s3: S3Client, bucket: Bucket) -> None:
    """Refuse a bucket of our own bucket's name that is used for something else.

    Raises:
        ConfigError: Names what is in it.
    """
    theirs = next(
        (one["Key"] for one in _versions(s3, bucket, "") if not one["Key"].startswith(_PREFIX)), None
    )
    if theirs is not None:
        raise ConfigError(
            f"The bucket {bucket.name} would be made for the code, but is there and has other things in it, such as "
            f"{theirs}. Nothing was changed.",
            hint="Name a bucket with --bucket.",
        )


def protect(s3: S3Client, bucket: Bucket) -> None:
    """Block public access to our own bucket, also to one whose creation was interrupted."""
    owner, name = bucket.account, bucket.name
    with calling(f"protect the bucket {name}"):
        s3.put_public_access_block(
            Bucket=name,
            ExpectedBucketOwner=owner,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        s3.put_bucket_encryption(
            Bucket=name,
            ExpectedBucketOwner=owner,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        s3.put_bucket_versioning(
            Bucket=name, ExpectedBucketOwner=owner, VersioningConfiguration={"Status": "Enabled"}
        )
        s3.put_bucket_lifecycle_configuration(
            Bucket=name,
            ExpectedBucketOwner=owner,
            LifecycleConfiguration={
                "Rules": [
                    {
                        "ID": "forget-what-was-replaced",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSIONS_DAYS},
                        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
                    }
                ]
            },
        )
        s3.put_bucket_policy(
            Bucket=name,
            ExpectedBucketOwner=owner,
            Policy=_ONLY_OVER_TLS.replace("BUCKET", f"arn:{bucket.partition}:s3:::{name}"),
        )


def find(s3: S3Client, bucket: Bucket, file: Artifact) -> str | None:
    """Return the version with these bytes in the bucket; None if there is none.

    Anyone who may write to the bucket can predict length and name, so S3's own digest is compared. The version is
    empty in a bucket that keeps none.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    """
    doing = f"look for {file.key} in the bucket {bucket.name}"
    with calling(doing):
        try:
            found = s3.head_object(
                Bucket=bucket.name,
                Key=file.key,
                ChecksumMode="ENABLED",
                ExpectedBucketOwner=bucket.account,
            )
        except ClientError as error:
            # S3 answers 403 for an absent object to a caller who may not list the bucket.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in (403, 404):
                return None
            raise refused(error, doing) from None
    return _version(found) if found.get("ChecksumSHA256") == file.checksum else None


def upload(s3: S3Client, bucket: Bucket, file: Artifact) -> str:
    """Put a file into the bucket, replacing any of its name; return its version, as ``find`` does."""
    with calling(f"upload {file.key} to the bucket {bucket.name}"):
        put = s3.put_object(
            Bucket=bucket.name,
            Key=file.key,
            Body=file.content,
            ChecksumSHA256=file.checksum,
            ExpectedBucketOwner=bucket.account,
        )
    return _version(put)


def _version(answer: Any) -> str:
    # S3 calls a version "null" that was put before the bucket kept versions.
    version = str(answer.get("VersionId") or "")
    return "" if version == "null" else version


def url(s3: S3Client, bucket: Bucket, file: Artifact) -> str:
    """Return the URL of a template in the bucket, for CloudFormation."""
    base = s3.meta.endpoint_url.rstrip("/")
    return f"{base}/{bucket.name}/{file.key}"


def count(s3: S3Client, bucket: Bucket, stack: str) -> int:
    """Return the number of versions of a stack's files."""
    return sum(1 for _ in _versions(s3, bucket, prefix(stack)))


def remove(s3: S3Client, bucket: Bucket, stack: str) -> None:
    """Remove a stack's files with all their versions."""
    found = list(_versions(s3, bucket, prefix(stack)))
    with calling(f"empty the bucket {bucket.name}"):
        for first in range(0, len(found), _MOST_AT_ONCE):
            answer = s3.delete_objects(
                Bucket=bucket.name,
                ExpectedBucketOwner=bucket.account,
                Delete={"Objects": found[first : first + _MOST_AT_ONCE], "Quiet": True},
            )
            for error in answer.get("Errors", []):
                raise DeployError(
                    f"AWS did not remove {error.get('Key')} from the bucket {bucket.name}: "
                    f"{error.get('Code')}: {error.get('Message')}."
                )


def is_empty(s3: S3Client, bucket: Bucket) -> bool:
    """Tell whether nothing is in a bucket, not even an old version."""
    return next(_versions(s3, bucket, ""), None) is None


def remove_bucket(s3: S3Client, bucket: Bucket) -> bool:
    """Remove our own bucket if it is empty; return whether it was removed."""
    if not bucket.is_ours or not is_empty(s3, bucket):
        return False
    policy = _policy(s3, bucket)
    if policy and _MARK not in policy:
        return False
    with calling(f"remove the bucket {bucket.name}"):
        try:
            s3.delete_bucket(Bucket=bucket.name, ExpectedBucketOwner=bucket.account)
        except ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise
    return True


def _versions(s3: S3Client, bucket: Bucket, beginning: str) -> Iterator[ObjectIdentifierTypeDef]:
    with calling(f"list the bucket {bucket.name}"):
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket.name, Prefix=beginning, ExpectedBucketOwner=bucket.account
        )
        try:
            for page in pages:
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    yield {"Key": one["Key"], "VersionId": one["VersionId"]}
        except ClientError as error:
            if code_of(error) != "NoSuchBucket":
                raise
