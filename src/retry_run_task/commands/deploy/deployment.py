"""Doing what a plan says: bucket, code, change set, and then the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import artifact
from retry_run_task.commands.deploy.plan import s3_client

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from retry_run_task.commands.deploy.plan import Plan
    from retry_run_task.commands.shared.stack import Stack
    from retry_run_task.commands.shared.stack_states import ChangeSet, Happening


@dataclass(slots=True, kw_only=True)
class Prepared:
    """What was made so that CloudFormation can say what it would do.

    Attributes:
        change_set: What it would do; None if nothing.
        uploaded: Files that were put into the bucket for it.
    """

    change_set: ChangeSet | None = None
    uploaded: int = 0


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
    for file in (plan.code, plan.template):
        if artifact.upload(s3, plan.bucket, file):
            tell(f"uploaded {file.key.rpartition('/')[2]}")
            prepared.uploaded += 1
    tell("asking for a change set")
    prepared.change_set = stack.prepare(
        "UPDATE" if plan.is_update else "CREATE",
        artifact.url(s3, plan.bucket, plan.template),
        {one.name: one.value for one in plan.parameters},
        tags=plan.tags,
        role_arn=plan.cloudformation_role,
    )
    return prepared


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
