"""Carries out a plan: bucket, code, change set, and then the stack."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import artifact
from retry_run_task.commands.deploy.plan import s3_client
from retry_run_task.commands.deploy.template import parse
from retry_run_task.commands.shared import talk
from retry_run_task.commands.shared.faults import DeployError
from retry_run_task.commands.shared.hints import command_line
from retry_run_task.commands.shared.installation import live
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.commands.shared.ownership import CHANGE_SET_PREFIX
from retry_run_task.commands.shared.reader import Reader
from retry_run_task.errors import RetryRunTaskError

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from retry_run_task.commands.deploy.artifact import Artifact
    from retry_run_task.commands.deploy.plan import Plan
    from retry_run_task.commands.shared.stack import CloudFormationStack
    from retry_run_task.commands.shared.stack_states import ChangeSet, Happening, StackState


class Deployment:
    """One deployment. It records what it creates before each request, to report an interruption correctly."""

    def __init__(self, plan: Plan, session: boto3.Session, stack: CloudFormationStack) -> None:
        self.plan = plan
        self._stack, self._region = stack, plan.region
        self._s3, self._reader = s3_client(session, plan.region), Reader(session, plan.region)
        self._change_set = f"{CHANGE_SET_PREFIX}{uuid.uuid4().hex}"
        self._removes = self._makes_bucket = self._uploads = self._asks = False
        self._executes: ChangeSet | None = None

    def prepare(self, tell: Callable[[str], None], follow: Callable[[Happening], None]) -> ChangeSet | None:
        """Do everything in the plan short of changing the stack: the change set is only created.

        A stack that can only be deleted is deleted here. Afterwards the plan has the version of the code.

        Raises:
            DeployError: Something was refused or failed.
        """
        plan = self.plan
        if plan.removes_first:
            tell(f"removing the stack {plan.stack}, which is {plan.removes_first}")
            self._removes = True
            self._stack.delete(follow)
        if plan.makes_bucket:
            tell(f"making the bucket {plan.bucket.name}")
            self._makes_bucket = True
            artifact.create(self._s3, plan.bucket, plan.tags)
        elif plan.bucket.is_ours and not artifact.is_protected(self._s3, plan.bucket):
            artifact.protect(self._s3, plan.bucket)
        self.plan = plan = replace(plan, code_version=self._put(plan.code, tell))
        template = plan.template(plan.code_version or "")
        self._put(template, tell)
        tell("asking for a change set")
        self._asks = True
        change_set = self._stack.prepare(
            self._change_set,
            "UPDATE" if plan.is_update else "CREATE",
            artifact.url(self._s3, plan.bucket, template),
            plan.values,
            tags=plan.tags,
            role_arn=plan.cloudformation_role,
        )
        if change_set is not None:
            self.plan = replace(plan, changes=change_set.changes)
            self._check_template(change_set, template)
        return change_set

    def execute(self, change_set: ChangeSet, follow: Callable[[Happening], None]) -> StackState:
        """Let CloudFormation do it, and return how the stack is afterwards.

        Raises:
            DeployError: It failed, with CloudFormation's first reason; or a function has other code than was uploaded.
        """
        self._executes = change_set
        state = self._stack.execute(change_set, follow)
        self._check_code()
        return state

    def take_back(self) -> str:
        """Remove what ``prepare`` created; return the result in words.

        Raises:
            DeployError: Something was refused or failed.
        """
        plan = self.plan
        if self._asks:
            self._stack.discard(self._change_set, is_new=not plan.is_update)
        # An installed stack needs its files for a rollback; those of an abandoned first deployment are not needed.
        if self._uploads and not plan.is_update:
            artifact.remove(self._s3, plan.bucket, plan.stack)
        if self._makes_bucket and not plan.is_update:
            artifact.remove_bucket(self._s3, plan.bucket)
        if self._uploads and plan.is_update:
            return f"the stack was not changed; what was uploaded stays in the bucket {plan.bucket.name}"
        if self._makes_bucket and plan.is_update:
            return f"the stack was not changed; the bucket {plan.bucket.name}, if it was made, is empty and stays"
        if self._removes and self._stack.state() is None:
            return f"the stack {plan.stack}, which was {plan.removes_first}, is removed, and nothing else was changed"
        return "nothing was changed"

    def interrupted(self) -> str:
        """Find out how far it came, undo what can be undone, and return that in words."""
        again = "Run the same command again to go on."
        follow = talk.follow_stack(self.plan.stack, self._region)
        try:
            if self._executes is not None and self._stack.is_executed(self._executes):
                return f"CloudFormation continues, if it is not done. {follow}"
            if self._removes and not self._asks:
                state = self._stack.state()
                if state is not None and state.status == "DELETE_IN_PROGRESS":
                    return f"CloudFormation continues to remove the stack. {follow}"
            return f"{self.take_back()}. {again}"
        except (KeyboardInterrupt, RetryRunTaskError) as error:
            why = "" if isinstance(error, KeyboardInterrupt) else f" ({str(error).rstrip('.')})"
            return (
                f"what was made is not taken back{why}. There may be {self._what_may_be()}. {again} "
                f"Or remove it with: {command_line('destroy', stack=self.plan.stack, region=self._region)}"
            )

    def _what_may_be(self) -> str:
        plan = self.plan
        parts = [
            *([f"the bucket {plan.bucket.name}"] if self._makes_bucket else ()),
            *([f"the code in the bucket {plan.bucket.name}"] if self._uploads else ()),
            *([f"the change set {self._change_set} of the stack {plan.stack}"] if self._asks else ()),
        ]
        return ", ".join(parts) or "nothing"

    def _put(self, file: Artifact, tell: Callable[[str], None]) -> str:
        version = artifact.find(self._s3, self.plan.bucket, file)
        if version is None:
            self._uploads = True
            version = artifact.upload(self._s3, self.plan.bucket, file)
            tell(f"uploaded {file.key.rpartition('/')[2]}")
        return version

    def _check_template(self, change_set: ChangeSet, uploaded: Artifact) -> None:
        """Refuse a change set of another template than was uploaded: it may have been replaced meanwhile."""
        if parse(self._stack.template(change_set)) != parse(uploaded.content.decode()):
            self._stack.discard(self._change_set, is_new=not self.plan.is_update)
            raise DeployError(
                f"CloudFormation has read another template from the bucket {self.plan.bucket.name} than was "
                "uploaded, so it was replaced there. The stack was not changed.",
                hint="Look who may write to that bucket, or name another one with --bucket.",
            )

    def _check_code(self) -> None:
        """Compare the functions' code with what was uploaded; a bucket without versions does not protect it.

        https://docs.aws.amazon.com/lambda/latest/api/API_FunctionConfiguration.html (CodeSha256)

        Raises:
            DeployError: A function has other code, or AWS did not answer.
        """
        stack = self.plan.stack
        audit = [f"{stack}-audit"] if self.plan.values.get("AuditSchedule") else []
        for name in (f"{stack}-intake", live(f"{stack}-recover"), *audit):
            answer = self._reader.read("lambda:GetFunctionConfiguration", FunctionName=name)
            if isinstance(answer, Unknown):
                raise DeployError(
                    f"The stack {self.plan.stack} is deployed; whether {name} runs what was uploaded is not known: "
                    f"{answer.why}."
                )
            if answer.get("CodeSha256") != self.plan.code.checksum:
                raise DeployError(
                    f"The function {name} runs other code than was uploaded, so it was replaced in the bucket "
                    f"{self.plan.bucket.name}.",
                    hint="Look who may write to that bucket, and deploy again with another --bucket.",
                )
