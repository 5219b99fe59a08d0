"""What a deployment would do, as a value: it is printed, or it is applied.

Making a plan reads the account and changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from botocore.config import Config

from retry_run_task.commands.deploy import artifact, own_policy, preview, template
from retry_run_task.commands.deploy.choices import choose
from retry_run_task.commands.deploy.coverage import by_cluster, idle_usd
from retry_run_task.commands.deploy.fitting import fit
from retry_run_task.commands.deploy.own_policy import OwnPolicy
from retry_run_task.commands.deploy.sizes import Sizer
from retry_run_task.commands.deploy.statements import Statement, statements
from retry_run_task.commands.deploy.taken import check_names
from retry_run_task.commands.shared import stack_states
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import boto3
    from mypy_boto3_s3 import S3Client

    from retry_run_task.commands.deploy.artifact import Artifact, Bucket
    from retry_run_task.commands.deploy.choices import Choice, Chosen
    from retry_run_task.commands.deploy.coverage import ClusterJobs
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
        stack: The stack's name.
        region: Where.
        identity: In whose account, and who does it.
        removes_first: The state of a stack that can only be deleted, and is before anything else; empty if none.
        is_update: Whether there is a stack to update.
        bucket: Where the code goes.
        makes_bucket: Whether the bucket has to be made.
        policy: Which policy the code has.
        code: The zip.
        code_version: The version of the zip in the bucket; empty where that keeps none; None if it is not there yet.
        text: The template's, without the code's place in it.
        parameters: What it is filled in with, every list whole.
        values: The same as the template takes it: long lists are spread over several parameters.
        tags: Of the stack and whatever in it takes tags; empty to leave those that it has.
        cloudformation_role: The role that CloudFormation acts with; empty for the one that it has acted with.
        statements: What the roles may do afterwards.
        changes: What becomes of which resource, as far as can be told beforehand.
        clusters: What is looked after, by cluster.
        idle_usd: What it costs a month while nothing fails, at most.
        notes: What a person should know, one sentence each.
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

    def template(self, code_version: str) -> Artifact:
        """Return the template, with the place of a version of the code in it."""
        text = template.with_code(self.text, self.bucket.name, self.code.key, code_version)
        return artifact.artifact(self.stack, "template.yaml", text.encode())

    def as_json(self) -> JsonObject:
        """Return it without the files' content."""
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
            "notes": list(self.notes),
        }


def check_name(name: str) -> None:
    """Refuse a stack's name that CloudFormation would refuse, or that leaves no room for the names made of it.

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


def check_state(state: StackState | None, name: str) -> None:
    """Refuse a stack that a person has to see to first.

    Raises:
        ConfigError: It cannot be updated now, with what to do.
    """
    if state is not None and state.status == stack_states.STUCK:
        raise ConfigError(
            f"The stack {name} is {state.status}: an update failed, and so did taking it back"
            f"{f' ({state.reason})' if state.reason else ''}.",
            hint="Remove the reason, finish with: aws cloudformation continue-update-rollback "
            f"--stack-name {name}, and run the same command again.",
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
) -> Plan:
    """Work out what a deployment would do.

    Args:
        session: Whose credentials to look with.
        inventory: What there is in the account.
        reader: Asks the account about what was named by hand.
        stack: The stack to make or update.
        state: How it is.
        bucket_name: A bucket to use; empty for our own.
        policy: The policy to deploy; None for the one that is installed, or the built-in one.
        flags: Parameters from the command line, by their names in the template.
        file: Parameters from the settings file.
        tags: To be added to those that the stack has.
        cloudformation_role: For CloudFormation to act with; empty for the one that it has acted with, or the caller's.
        may_widen: Whether patterns in the place of lists that are too long may match more than what was found.

    Raises:
        ConfigError: It cannot be deployed like this; names every problem.
        DeployError: AWS does not tell what has to be known.
    """
    status = state.status if state else ""
    is_update = bool(status) and status not in stack_states.NEW | stack_states.BROKEN
    installed = _installed(inventory) if is_update else {}
    choice = choose(inventory, reader, flags=flags, file=file, installed=installed)
    bucket = artifact.bucket_for(inventory.identity, inventory.region, bucket_name)
    s3 = s3_client(session, inventory.region)
    is_there = artifact.exists(s3, bucket)
    if not is_there and not bucket.is_ours:
        raise ConfigError(
            f"There is no bucket {bucket.name!r}.", hint="Make it, or leave --bucket out to have one made."
        )
    if is_there and bucket.is_ours and not artifact.is_protected(s3, bucket):
        artifact.check_ours(s3, bucket)
    before = stack.template() if is_update else ""
    if policy is None:
        recover = (state.outputs if state else {}).get("RecoverFunction") or f"{stack.name}-recover"
        policy = own_policy.installed(reader, recover, before) if is_update else OwnPolicy()
    text = template.carried("template.yaml").decode()
    code = artifact.artifact(stack.name, *policy.zipped(template.carried("lambda.zip")))
    code_version = artifact.find(s3, bucket, code) if is_there else None
    with_code = template.with_code(text, bucket.name, code.key, code_version or "")
    parsed = template.parse(with_code)
    sizer = Sizer(text=with_code, stack=stack.name, identity=inventory.identity, region=inventory.region)
    choice = fit(choice, sizer, reader, inventory, may_widen=may_widen)
    values = sizer.spread(choice.values(), installed)
    new = template.Filled(parsed, stack.name, inventory.identity, inventory.region, values)
    if broken := new.broken_rules():
        raise ConfigError(" ".join(broken))
    old = None
    if is_update:
        old = template.Filled(
            template.parse(before),
            stack.name,
            inventory.identity,
            inventory.region,
            sizer.spread(installed),
        )
    changes = preview.changes(old, new, parsed)
    removes_first = status if status in stack_states.BROKEN else ""
    # What is left of a broken stack has its names, and goes with it.
    unseen = () if removes_first else check_names(new, changes, stack.name, reader)
    return Plan(
        stack=stack.name,
        region=inventory.region,
        identity=inventory.identity,
        removes_first=removes_first,
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
        notes=(*_notes(choice, status), *unseen),
    )


def _installed(inventory: Inventory) -> dict[str, str]:
    found = inventory.stack
    return dict(getattr(found, "parameters", {}))


def _notes(choice: Choice, status: str) -> tuple[str, ...]:
    if status in stack_states.NEW:
        return ("a run that was interrupted left an empty stack, which is used", *choice.notes)
    return choice.notes
