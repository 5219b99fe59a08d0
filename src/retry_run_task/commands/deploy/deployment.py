"""Doing what a plan says: bucket, code, change set, and then the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import artifact
from retry_run_task.commands.deploy.plan import s3_client
from retry_run_task.commands.deploy.template import parse
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.inventory import Unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from retry_run_task.commands.deploy.artifact import Artifact
    from retry_run_task.commands.deploy.plan import Plan
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.commands.shared.stack import Stack
    from retry_run_task.commands.shared.stack_states import ChangeSet, Happening


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What was made so that CloudFormation can say what it would do.

    Attributes:
        change_set: What it would do; None if nothing.
        code_version: Of the zip in the bucket; None if it is not there yet.
    """

    change_set: ChangeSet | None = None
    code_version: str | None = None


def prepare(
    plan: Plan,
    session: boto3.Session,
    stack: Stack,
    *,
    tell: Callable[[str], None],
    follow: Callable[[Happening], None],
) -> Prepared:
    """Do everything that a plan says short of changing the stack: it is only asked for a change set.

    A stack that can only be deleted is deleted here.

    Raises:
        DeployError: Something was refused or failed.
    """
    prepared = Prepared()
    if plan.removes_first:
        tell(f"removing the stack {plan.stack}, which is {plan.removes_first}")
        stack.delete(follow)
    s3 = s3_client(session, plan.region)
    if plan.makes_bucket:
        tell(f"making the bucket {plan.bucket.name}")
        artifact.create(s3, plan.bucket, plan.tags)
    elif plan.bucket.is_ours and not artifact.is_protected(s3, plan.bucket):
        artifact.protect(s3, plan.bucket)

    def put(file: Artifact) -> str:
        version = artifact.find(s3, plan.bucket, file)
        if version is None:
            version = artifact.upload(s3, plan.bucket, file)
            tell(f"uploaded {file.key.rpartition('/')[2]}")
        return version

    prepared.code_version = put(plan.code)
    template = plan.template(prepared.code_version)
    put(template)
    tell("asking for a change set")
    prepared.change_set = stack.prepare(
        "UPDATE" if plan.is_update else "CREATE",
        artifact.url(s3, plan.bucket, template),
        {one.name: one.value for one in plan.parameters},
        tags=plan.tags,
        role_arn=plan.cloudformation_role,
    )
    if prepared.change_set is not None:
        _check_template(plan, stack, prepared.change_set, template)
    return prepared


def _check_template(plan: Plan, stack: Stack, change_set: ChangeSet, uploaded: Artifact) -> None:
    """Refuse a change set of another template than was uploaded: somebody may have exchanged it meanwhile."""
    read = stack.template(change_set)
    if parse(read) != parse(uploaded.content.decode()):
        stack.discard(change_set, is_new=not plan.is_update)
        raise DeployError(
            f"CloudFormation has read another template from the bucket {plan.bucket.name} than was uploaded, so "
            "somebody has exchanged it. The stack was not changed.",
            hint="Look who may write to that bucket, or name another one with --bucket.",
        )


def check_code(plan: Plan, reader: Reader) -> None:
    """Compare what the functions run with what was uploaded; a bucket without versions cannot hold it still.

    https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html (CodeSha256)

    Raises:
        DeployError: A function has other code, or AWS does not say.
    """
    for name in (f"{plan.stack}-intake", f"{plan.stack}-recover"):
        answer = reader.read("lambda:GetFunctionConfiguration", FunctionName=name)
        if isinstance(answer, Unknown):
            raise DeployError(
                f"The stack {plan.stack} is deployed; whether {name} runs what was uploaded is not known: {answer.why}."
            )
        if answer.get("CodeSha256") != plan.code.checksum:
            raise DeployError(
                f"The function {name} runs other code than was uploaded, so somebody has exchanged it in the bucket "
                f"{plan.bucket.name}.",
                hint="Look who may write to that bucket, and deploy again with another --bucket.",
            )


def take_back(plan: Plan, session: boto3.Session, stack: Stack, prepared: Prepared) -> None:
    """Remove what preparing made, since it is not wanted.

    Raises:
        DeployError: Something was refused or failed.
    """
    if prepared.change_set is not None:
        stack.discard(prepared.change_set, is_new=not plan.is_update)
    # An installed stack needs its files to roll back to; what a first deployment left nobody needs.
    if not plan.is_update:
        s3 = s3_client(session, plan.region)
        artifact.remove(s3, plan.bucket, plan.stack)
        artifact.remove_bucket(s3, plan.bucket)
