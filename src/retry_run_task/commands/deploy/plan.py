"""The plan of a deployment, as a value: it is printed, or carried out.

Making a plan reads the account and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from botocore.config import Config

from retry_run_task.commands.deploy import artifact, hanging, own_policy, preview, template
from retry_run_task.commands.deploy.choices import choose
from retry_run_task.commands.deploy.coverage import by_cluster, idle_usd
from retry_run_task.commands.deploy.fitting import fit
from retry_run_task.commands.deploy.members import needs
from retry_run_task.commands.deploy.own_policy import OwnPolicy
from retry_run_task.commands.deploy.sizes import Sizer
from retry_run_task.commands.deploy.statements import Statement, statements
from retry_run_task.commands.deploy.taken import check_names
from retry_run_task.commands.shared import stack_states, ways
from retry_run_task.commands.shared.hints import aws_line
from retry_run_task.commands.shared.installation import live
from retry_run_task.commands.shared.inventory import InstalledStack
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3
    from mypy_boto3_s3 import S3Client

    from retry_run_task.commands.deploy.artifact import Artifact, Bucket
    from retry_run_task.commands.deploy.choices import Choice, Chosen
    from retry_run_task.commands.deploy.coverage import ClusterJobs
    from retry_run_task.commands.deploy.members import MemberNeeds
    from retry_run_task.commands.shared.inventory import Identity, Inventory
    from retry_run_task.commands.shared.reader import Reader
    from retry_run_task.commands.shared.stack import CloudFormationStack
    from retry_run_task.commands.shared.stack_states import ResourceChange, StackState
    from retry_run_task.launch.values import JsonObject

# A rule's name may have 64 characters, and the longest that the template gives is "<stack>-failed-starts".
# https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html
NAME_MAX = 50
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")

_S3 = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be done, in this order.

    Attributes:
        removes_first: The state of a stack that can only be deleted, and is deleted first; empty if none.
        code_version: The version of the zip in the bucket; empty if the bucket keeps none; None if it is not uploaded
            yet.
        parameters: With every list whole.
        values: The same as the template takes it: long lists are spread over several parameters.
        tags: Of the stack and of everything in it that takes tags; empty to keep the existing ones.
        cloudformation_role: The role that CloudFormation acts with; empty for its last one.
        idle_usd: Cost a month while nothing fails, at most.
    """

    stack: str
    region: str
    identity: Identity
    removes_first: str
    is_update: bool
    bucket: Bucket
    makes_bucket: bool
    policy: OwnPolicy
    code: Artifact
    code_version: str | None
    text: str
    parameters: tuple[Chosen, ...]
    values: Mapping[str, str]
    tags: Mapping[str, str]
    cloudformation_role: str
    statements: tuple[Statement, ...]
    changes: tuple[ResourceChange, ...]
    clusters: tuple[ClusterJobs, ...]
    idle_usd: float
    notes: tuple[str, ...]
    members: tuple[MemberNeeds, ...] = ()

    def template(self, code_version: str) -> Artifact:
        """Return the template with the location of a version of the code."""
        text = template.with_code(self.text, self.bucket.name, self.code.key, code_version)
        return artifact.artifact(self.stack, "template.yaml", text.encode())

    def as_json(self) -> JsonObject:
        """Return it as JSON, without the files' content."""
        return {
            "stack": self.stack,
            "region": self.region,
            "account": self.identity.account,
            "removes_first": self.removes_first or None,
            "update": self.is_update,
            "bucket": {"name": self.bucket.name, "new": self.makes_bucket},
            "policy": {"name": self.policy.name, "source": self.policy.source},
            "code": self.code.key,
            "template": self.template(self.code_version).key if self.code_version is not None else None,
            "parameters": [asdict(one) for one in self.parameters],
            "tags": dict(self.tags),
            "cloudformation_role": self.cloudformation_role or None,
            "statements": [asdict(one) for one in self.statements],
            "changes": [asdict(one) for one in self.changes],
            "clusters": [asdict(one) for one in self.clusters],
            "idle_usd_a_month": self.idle_usd,
            "notes": [*self.notes, *(note for one in self.members for note in one.said())],
            "members": [
                {"account": one.account, "parameters": dict(one.parameters), "problem": one.problem or None}
                for one in self.members
            ],
        }


def check_name(name: str) -> None:
    """Refuse a stack name that CloudFormation would refuse, or that is too long for the names derived from it.

    Raises:
        ConfigError: It cannot be used.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"The stack's name is {name!r}.", hint="Expected a letter, then letters, digits and hyphens."
        )
    if len(name) > NAME_MAX:
        raise ConfigError(
            f"The stack's name {name!r} has {len(name)} characters.",
            hint=f"Expected at most {NAME_MAX}: other names begin with it, and AWS allows 64 for those.",
        )


def check_state(state: StackState | None, name: str, region: str) -> None:
    """Refuse a stack that must be repaired first.

    Raises:
        ConfigError: It cannot be updated now, with what to do.
    """
    if state is not None and state.status == stack_states.STUCK:
        raise ConfigError(
            f"The stack {name} is {state.status}: an update failed, and so did taking it back"
            f"{f' ({state.reason})' if state.reason else ''}.",
            hint="Remove the reason, finish with: "
            f"{aws_line(f'cloudformation continue-update-rollback --stack-name {name}', region)}, and run the same "
            "command again.",
        )


def s3_client(session: boto3.Session, region: str) -> S3Client:
    """Return a client for the bucket."""
    return session.client("s3", region_name=region, config=_S3)


def make_plan(  # noqa: PLR0913 - what a person may say, and what there is
    session: boto3.Session,
    inventory: Inventory,
    *,
    reader: Reader,
    stack: CloudFormationStack,
    state: StackState | None,
    bucket_name: str,
    policy: OwnPolicy | None,
    flags: Mapping[str, str],
    file: Mapping[str, str],
    tags: Mapping[str, str],
    cloudformation_role: str,
    may_widen: bool,
    adds_found: bool = False,
) -> Plan:
    """Plan a deployment.

    Without a ``bucket_name`` it is our own bucket; without a ``policy``, the installed one, or the built-in one;
    without a ``cloudformation_role``, the one of the last deployment, or the caller's. ``flags`` and ``file`` are
    parameters by their names in the template, and ``tags`` are added to those of the stack. ``may_widen`` lets patterns
    that replace too long lists match more than what was found; ``adds_found`` adds what schedules need now to the
    installed lists.

    Raises:
        ConfigError: It cannot be deployed like this; names every problem.
        DeployError: AWS did not answer a necessary question.
    """
    status = state.status if state else ""
    broken = status if status in stack_states.BROKEN else ""
    is_update = bool(status) and status not in stack_states.NEW | stack_states.BROKEN
    installed, before = (_installed(inventory), stack.template()) if is_update else ({}, "")
    choice = choose(inventory, reader, flags=flags, file=file, installed=installed, adds_found=adds_found)
    s3 = s3_client(session, inventory.region)
    bucket, is_there = _bucket(s3, inventory, bucket_name)
    policy = policy or _present_policy(reader, _recover_of(stack, state), before)
    text = template.carried("template.yaml").decode()
    code = artifact.artifact(stack.name, *policy.zipped(template.carried("lambda.zip")))
    choice = hanging.allowed(choice, own_policy.policy_in(code.content), policy)
    code_version = artifact.find(s3, bucket, code) if is_there else None
    with_code = template.with_code(text, bucket.name, code.key, code_version or "")
    parsed = template.parse(with_code)
    whose = (stack.name, inventory.identity, inventory.region)
    sizer = Sizer(text=with_code, stack=stack.name, identity=inventory.identity, region=inventory.region)
    choice = fit(choice, sizer, reader, inventory, may_widen=may_widen)
    values = sizer.spread(choice.values(), installed)
    new = _checked(template.Filled(parsed, *whose, values))
    old = template.Filled(template.parse(before), *whose, sizer.spread(installed)) if is_update else None
    changes = preview.changes(old, new, parsed)
    # The remains of a broken stack have its names, and are deleted with it.
    unseen = () if broken else check_names(new, changes, reader)
    return Plan(
        stack=stack.name,
        region=inventory.region,
        identity=inventory.identity,
        removes_first=broken,
        is_update=is_update,
        bucket=bucket,
        makes_bucket=not is_there,
        policy=policy,
        code=code,
        code_version=code_version,
        text=text,
        parameters=choice.parameters,
        values=values,
        tags={**state.tags, **tags} if tags and state and is_update else tags,
        cloudformation_role=cloudformation_role,
        statements=statements(new),
        changes=changes,
        clusters=by_cluster(inventory, choice.values()),
        idle_usd=idle_usd(new.resources),
        notes=(*_notes(choice, status), *_taken_over(inventory), *unseen),
        members=needs(choice, inventory, may_widen=may_widen),
    )


def _present_policy(reader: Reader, recover: str, before: str) -> OwnPolicy:
    return own_policy.installed(reader, recover, before) if before else OwnPolicy()


def _bucket(s3: S3Client, inventory: Inventory, name: str) -> tuple[Bucket, bool]:
    """Return the bucket for the code, and whether it exists; refuse a missing one, and one that only has our name."""
    bucket = artifact.bucket_for(inventory.identity, inventory.region, name)
    is_there = artifact.exists(s3, bucket)
    if not is_there and not bucket.is_ours:
        raise ConfigError(
            f"There is no bucket {bucket.name!r}.", hint="Make it, or leave --bucket out to have one made."
        )
    if is_there and bucket.is_ours and not artifact.is_protected(s3, bucket):
        artifact.check_ours(s3, bucket)
    return bucket, is_there


def _checked(filled: template.Filled) -> template.Filled:
    if broken := filled.broken_rules():
        raise ConfigError(" ".join(broken))
    return filled


def _recover_of(stack: CloudFormationStack, state: StackState | None) -> str:
    return live((state.outputs if state else {}).get("RecoverFunction") or f"{stack.name}-recover")


def _installed(inventory: Inventory) -> dict[str, str]:
    found = inventory.stack
    return dict(getattr(found, "parameters", {}))


def _taken_over(inventory: Inventory) -> tuple[str, ...]:
    found = inventory.stack
    if not isinstance(found, InstalledStack) or found.way != ways.CLOUDFORMATION:
        return ()
    return (
        f"the stack is {ways.in_words(found.way)}; from now on deploy updates it, and destroy removes it",
    )


def _notes(choice: Choice, status: str) -> tuple[str, ...]:
    if status in stack_states.NEW:
        return ("a run that was interrupted left an empty stack, which is used", *choice.notes)
    return choice.notes
