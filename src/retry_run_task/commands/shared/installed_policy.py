"""The policy that a function was deployed with, by any tool: read from the function's own zip.

https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.config import POLICY

if TYPE_CHECKING:
    from retry_run_task.commands.shared.reader import Reader

ENTRY = f"retry_run_task/{POLICY}"
"""Path of the policy in a zip of the functions."""

_ACTION = "lambda:GetFunction"
_TIMEOUT_S = 30


def read_policy_of(reader: Reader, function: str) -> bytes | Unknown:
    """Return the policy file in a function's code."""
    answer = reader.read(_ACTION, FunctionName=function)
    if isinstance(answer, Unknown):
        return answer
    url = answer.get("Code", {}).get("Location")
    if not url:
        return Unknown(action=_ACTION, why=f"AWS does not say where the code of {function} is")
    try:
        content = _download(url, reader.ca_bundle)
        digest = b64encode(hashlib.sha256(content).digest()).decode()
        if digest != answer["Configuration"]["CodeSha256"]:
            return Unknown(action=_ACTION, why=f"what came is not the code of {function}")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(ENTRY)
    except (BotoCoreError, OSError) as error:
        # Not its text, which holds the address: whoever has that may read the code while its signature lasts.
        return Unknown(
            action=_ACTION,
            why=f"its code cannot be downloaded from {urlsplit(url).hostname} ({_kind(error)})",
        )
    except (zipfile.BadZipFile, KeyError):
        return Unknown(action=_ACTION, why=f"there is no {ENTRY} in its code")


def _kind(error: Exception) -> str:
    return str(error) if isinstance(error, _StatusError) else type(error).__name__


class _StatusError(OSError):
    """The answer is not the code."""


def _download(url: str, ca_bundle: str | None) -> bytes:
    verify: Any = ca_bundle or True  # the type does not know of a file
    session = URLLib3Session(verify=verify, proxies=get_environ_proxies(url), timeout=_TIMEOUT_S)
    answer = session.send(AWSRequest("GET", url).prepare())
    if answer.status_code != 200:  # noqa: PLR2004 - HTTP's own
        raise _StatusError(f"HTTP {answer.status_code}")
    content: bytes = answer.content
    return content
