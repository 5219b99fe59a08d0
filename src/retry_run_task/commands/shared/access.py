"""Access to an account: credentials, Region, and one sentence for each way in which that fails."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    HTTPClientError,
    InvalidRegionError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from retry_run_task.commands.shared.faults import EXPIRED, code_of, message_of, one_line
from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.commands.shared.inventory import Identity
from retry_run_task.errors import RetryRunTaskError

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

# The first call shows whether AWS can be reached; a user waits for it.
_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 2})

_NOT_KNOWN = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "AuthFailure",
    }
)
_BAD_SIGNATURE = frozenset({"SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignatureException"})


class AccessError(RetryRunTaskError):
    """The account cannot be read: no credentials, none that AWS accepts, no Region, or no answer."""


def open_session(profile: str | None) -> boto3.Session:
    """Return a session with a profile's credentials and Region, or those of the environment.

    Raises:
        AccessError: There is no such profile, or the configuration cannot be read.
    """
    try:
        return boto3.Session(profile_name=profile or None)
    except ProfileNotFound as error:
        name = error.kwargs.get("profile", profile)
        raise AccessError(
            f"There is no profile {name!r} in your AWS configuration.",
            hint="List those that there are with: aws configure list-profiles.",
        ) from None
    except (ConfigParseError, ConfigNotFound) as error:
        raise AccessError(f"Your AWS configuration cannot be read: {one_line(str(error))}.") from None


def region_of(session: boto3.Session) -> str:
    """Return the Region that the environment names, or else the session's configuration.

    Raises:
        AccessError: Neither names one.
    """
    region = default_region(session)
    if not region:
        raise AccessError("No Region is set.", hint="Give --region, or set AWS_REGION.")
    return region


def default_region(session: boto3.Session) -> str:
    """Return the same Region; empty if neither names one."""
    # boto3 itself does not read AWS_REGION, as every other SDK does.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html
    return os.environ.get("AWS_REGION") or str(session.region_name or "")


def identify(session: boto3.Session, region: str) -> Identity:
    """Return the caller's identity, which all credentials may read.

    Raises:
        AccessError: There is no answer; with the reason and what to do.
    """
    try:
        sts: STSClient = session.client("sts", region_name=region, config=_CONFIG)
        answer = sts.get_caller_identity()
        arn = answer["Arn"]
        return Identity(account=answer["Account"], arn=arn, partition=arn.split(":")[1])
    except ClientError as error:
        raise _refused(error, session, region) from None
    except (BotoCoreError, ResponseParserError) as error:
        raise _no_answer(error, session, region) from None
    except OSError as error:
        # A web identity's token file, or another file that the configuration names.
        raise AccessError(
            f"Your AWS configuration names the file {error.filename!r}, which cannot be read: {error.strerror}.",
            hint="Correct AWS_WEB_IDENTITY_TOKEN_FILE, or web_identity_token_file of the profile.",
        ) from None
    except (LookupError, ValueError) as error:
        # botocore's errors for an invalid endpoint, and for an answer that is no answer of AWS.
        raise AccessError(
            f"AWS cannot be asked in {region}: {one_line(str(error))}.", hint="Is AWS_ENDPOINT_URL right?"
        ) from None


def take_role(session: boto3.Session, region: str, arn: str, external_id: str = "") -> boto3.Session | str:
    """Return a session with a role's credentials, or why it cannot be assumed.

    ``region`` is where STS is asked; ``external_id`` is what the trust policy asks for, empty if nothing.
    """
    more: Any = {"ExternalId": external_id} if external_id else {}
    try:
        sts: STSClient = session.client("sts", region_name=region, config=_CONFIG)
        given = sts.assume_role(RoleArn=arn, RoleSessionName="retry-run-task", **more)["Credentials"]
    except ClientError as error:
        return f"{code_of(error)}: {one_line(message_of(error))}"
    except (BotoCoreError, ResponseParserError, ValueError) as error:
        return one_line(str(error))
    return boto3.Session(
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def _log_in(session: boto3.Session, command: str) -> str:
    profile = session.profile_name
    named = f" --profile {shlex.quote(profile)}" if profile != "default" else ""
    return f"Get new ones, for example with: {command}{named}."


def _refused(error: ClientError, session: boto3.Session, region: str) -> AccessError:
    code, message = code_of(error), one_line(message_of(error))
    if code in EXPIRED:
        return AccessError("Your AWS credentials have expired.", hint=_log_in(session, "aws sso login"))
    if code in _NOT_KNOWN:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
        return AccessError(
            f"AWS does not know your credentials in {region} ({code}).",
            hint=f"Check them with: {aws_line('sts get-caller-identity', region)}; "
            "a Region that is not enabled in your account answers like this, too.",
        )
    if code in _BAD_SIGNATURE:
        return AccessError(
            f"AWS does not accept the signature of your credentials ({code}).",
            hint="Check the secret key, and this machine's clock.",
        )
    return AccessError(f"AWS refuses to say who you are in {region}: {code}: {message or 'no reason given'}.")


def _no_answer(error: Exception, session: boto3.Session, region: str) -> AccessError:
    match error:
        case NoCredentialsError() | PartialCredentialsError():
            return AccessError(
                "There are no AWS credentials."
                if isinstance(error, NoCredentialsError)
                else f"Your AWS credentials are not whole: {one_line(str(error))}.",
                hint=f"Log in, for example with: {aws_line('sso login')}; or set AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or give --profile.",
            )
        case SSOTokenLoadError() | UnauthorizedSSOTokenError() | TokenRetrievalError():
            return AccessError(
                "Your AWS login has expired, or there was none.", hint=_log_in(session, "aws sso login")
            )
        case LoginError():
            return AccessError(
                "Your AWS login has expired, or there was none.", hint=_log_in(session, "aws login")
            )
        case InvalidRegionError():
            return AccessError(
                f"{region!r} is not the name of a Region.", hint="Expected one such as eu-west-1."
            )
        case NoConnectionError() | HTTPClientError():
            return AccessError(
                f"AWS does not answer in {region}: {one_line(str(error))}.", hint=_where(session, region)
            )
        case _:
            return AccessError(f"AWS cannot be asked in {region}: {one_line(str(error))}.")


def _where(session: boto3.Session, region: str) -> str:
    known = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("ecs", partition_name=partition)
    }
    if region not in known:
        return f"There may be no Region {region!r}; give another one with --region."
    return "Check the network, the proxy and AWS_ENDPOINT_URL."
