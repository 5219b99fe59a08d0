"""What somebody else has put into the bucket is never deployed, whatever it is called and however long it is."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from typing import Any

import pytest

from functional.test_deploy import (
    BUCKET,
    GIVEN,
    REGION,
    STACK,
    aws,
    deploy,
    deployed,
    everything,
    ministack,
    proxy,
    refused,
    run,
    stack,
)
from support.ministack import MiniStack
from support.proxy import Proxy

__all__ = ["aws", "ministack", "proxy"]

BACKDOOR = b"""
  Backdoor:
    Type: AWS::IAM::Role
    Properties:
      RoleName: backdoor
      AssumeRolePolicyDocument:
        Statement: {Effect: Allow, Principal: "*", Action: sts:AssumeRole}
"""


def a_bucket(aws: MiniStack, *, keeps_versions: bool) -> Any:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="team", CreateBucketConfiguration={"LocationConstraint": REGION})
    if keeps_versions:
        s3.put_bucket_versioning(Bucket="team", VersioningConfiguration={"Status": "Enabled"})
    return s3


def planted(s3: Any, key: str, *, is_template: bool) -> None:
    """Exchange a file for one of the same length."""
    content = s3.get_object(Bucket="team", Key=key)["Body"].read()
    if is_template:
        head, _, rest = re.sub(rb"\n *#[^\n]*", b"", content).partition(b"\nResources:\n")
        evil = (head + b"\nResources:" + BACKDOOR + rest).ljust(len(content), b"\n")
    else:
        evil = b"EVIL" + content[4:]
    assert len(evil) == len(content)
    s3.put_object(Bucket="team", Key=key, Body=evil)


def code_of(aws: MiniStack) -> set[str]:
    functions = aws.client("lambda").list_functions()["Functions"]
    return {one["CodeSha256"] for one in functions}


def digest(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@pytest.mark.parametrize(("what", "keeps_versions"), [("code", False), ("template", True)])
def test_what_was_planted_beforehand_is_not_deployed(aws: MiniStack, what: str, keeps_versions: bool) -> None:
    s3 = a_bucket(aws, keeps_versions=keeps_versions)
    first = deployed(aws, *GIVEN, "--bucket", "team")
    honest = s3.get_object(Bucket="team", Key=first["code"])["Body"].read()
    aws.client("cloudformation").delete_stack(StackName=STACK)
    planted(s3, first[what], is_template=what == "template")
    again = deployed(aws, *GIVEN, "--bucket", "team")
    assert again["status"] == "created"
    assert code_of(aws) == {digest(honest)}
    assert "backdoor" not in everything(aws)["roles"]


def test_a_template_that_is_exchanged_before_cloudformation_reads_it_is_refused(
    aws: MiniStack, proxy: Proxy
) -> None:
    s3 = a_bucket(aws, keeps_versions=True)

    def exchange() -> None:
        (key,) = (
            one["Key"]
            for one in s3.list_objects_v2(Bucket="team")["Contents"]
            if one["Key"].endswith(".yaml")
        )
        planted(s3, key, is_template=True)

    proxy.answer["CreateChangeSet"] = exchange
    refused(
        deploy(aws, *GIVEN, "--bucket", "team", through=proxy),
        1,
        "another template",
        "bucket team",
        "replaced",
    )
    assert "ExecuteChangeSet" not in proxy.calls
    assert stack(aws) is None


def exchange_of_the_code(aws: MiniStack, proxy: Proxy, *, keeps_versions: bool) -> Any:
    s3 = a_bucket(aws, keeps_versions=keeps_versions)

    def exchange() -> None:
        (key,) = (
            one["Key"] for one in s3.list_objects_v2(Bucket="team")["Contents"] if one["Key"].endswith(".zip")
        )
        planted(s3, key, is_template=False)

    proxy.answer["ExecuteChangeSet"] = exchange
    return deploy(aws, *GIVEN, "--bucket", "team", through=proxy)


def test_code_that_is_exchanged_before_lambda_reads_it_is_not_what_lambda_reads(
    aws: MiniStack, proxy: Proxy
) -> None:
    ended = exchange_of_the_code(aws, proxy, keeps_versions=True)
    assert ended.returncode == 0, ended.stderr
    assert len(code_of(aws)) == 1


def test_without_versions_an_exchange_of_the_code_is_told(aws: MiniStack, proxy: Proxy) -> None:
    ended = exchange_of_the_code(aws, proxy, keeps_versions=False)
    refused(ended, 1, f"{STACK}-intake runs other code than was uploaded", "bucket team")


def test_the_code_of_the_audit_is_compared_as_well(aws: MiniStack) -> None:
    deployed(aws, *GIVEN)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("lambda_function.py", "planted")
    aws.client("lambda").update_function_code(FunctionName=f"{STACK}-audit", ZipFile=other.getvalue())
    refused(deploy(aws, "--time-zone", "Asia/Tokyo"), 1, f"{STACK}-audit runs other code than was uploaded")


def test_what_is_there_already_is_not_uploaded_again(aws: MiniStack, proxy: Proxy) -> None:
    deployed(aws, *GIVEN)
    assert deployed(aws, through=proxy)["status"] == "no-change"
    assert [call for call in proxy.calls if call.startswith(f"PUT /{BUCKET}/")] == []
    shown = run(aws, "deploy", "--dry-run")
    assert "Nothing would change" in shown.stdout
