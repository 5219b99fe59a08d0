"""Removes an installation: recoveries first, then the stack, then what was created beside it.

Each step finds its resources by looking, so an interrupted removal can be continued.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import ClientError

from retry_run_task.commands.deploy import artifact, template
from retry_run_task.commands.deploy.plan import s3_client
from retry_run_task.commands.shared.faults import calling, code_of, listed, refused
from retry_run_task.commands.shared.view import OPEN
from retry_run_task.errors import RetryRunTaskError
from retry_run_task.text import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient

    from retry_run_task.commands.deploy.artifact import Bucket
    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.commands.shared.stack import CloudFormationStack
    from retry_run_task.commands.shared.stack_states import Happening, StackState

# Where `verify` writes its records, in the trail's log group.
STREAM = "retry-run-task-verify"

_CONFIG = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6})
_GONE = frozenset({"ResourceNotFoundException"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A recovery in progress."""

    name: str
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """What an installation has beside the stack. ``files`` counts versions of this stack's files in the bucket."""

    bucket: Bucket
    has_bucket: bool
    files: int
    log_group: str
    has_stream: bool

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing to remove; another owner's empty bucket does not count."""
        return not self.files and not self.has_stream and not (self.has_bucket and self.bucket.is_ours)


class Removal:
    """The removal of one installation. Whatever AWS refuses, or does not answer, raises ``DeployError``."""

    def __init__(
        self, session: boto3.Session, identity: Identity, region: str, stack: CloudFormationStack
    ) -> None:
        self.stack = stack
        # Requests are recorded before they are sent, because an interruption does not show whether they were carried
        # out.
        self._stopped: set[str] = set()
        self._deletes = False
        self._removes: list[str] = []
        self._session, self._identity, self._region = session, identity, region
        self._functions: LambdaClient = session.client("lambda", region_name=region, config=_CONFIG)
        self._logs: CloudWatchLogsClient = session.client("logs", region_name=region, config=_CONFIG)

    def recoveries(self) -> list[Recovery]:
        """Return the recoveries in progress, also on older versions of the function, and paused ones."""
        doing = "list the recoveries in progress"
        # The type of the statuses is older than the pausing of executions.
        asked: Any = {"FunctionName": f"{self.stack.name}-recover", "Statuses": list(OPEN)}
        pages = self._functions.get_paginator("list_durable_executions_by_function").paginate(**asked)
        with calling(doing):
            try:
                return [
                    Recovery(name=one["DurableExecutionName"], arn=one["DurableExecutionArn"])
                    for page in pages
                    for one in listed(page, "DurableExecutions")
                ]
            except ClientError as error:
                if code_of(error) in _GONE:
                    return []
                raise refused(error, doing) from None

    def stop(self, recovery: Recovery) -> None:
        """Stop a recovery; one that has ended meanwhile is no error."""
        doing = f"stop the recovery {recovery.name}"
        self._stopped.add(recovery.name)
        with calling(doing):
            try:
                self._functions.stop_durable_execution(
                    DurableExecutionArn=recovery.arn,
                    Error={
                        "ErrorType": "Removed",
                        "ErrorMessage": "The installation was removed with destroy --now.",
                    },
                )
            except ClientError as error:
                if code_of(error) not in _GONE | {"InvalidParameterValueException"}:
                    raise refused(error, doing) from None

    def delete_stack(self, tell: Callable[[Happening], None]) -> None:
        """Delete the stack and wait for the end of the deletion."""
        self._deletes = True
        self.stack.delete(tell)

    def interrupted(self) -> str:
        """Find out how far it came, and return that in words."""
        name = self.stack.name
        stopped = counted(len(self._stopped), "recovery was", "recoveries were")
        done = [f"{stopped} told to stop"] if self._stopped else []
        if self._deletes:
            try:
                state = self.stack.state()
            except (KeyboardInterrupt, RetryRunTaskError):
                done.append(f"CloudFormation may be deleting the stack {name}")
            else:
                if state is None:
                    done.append(f"the stack {name} is deleted")
                elif state.status == "DELETE_IN_PROGRESS":
                    done.append(f"CloudFormation continues to delete the stack {name}")
        done += [f"the removal of {what} was begun" for what in self._removes]
        if not done:
            return "nothing was removed."
        return f"{', and '.join(done)}. Run the same command again to remove the rest."

    def leftovers(self, state: StackState | None, bucket_name: str, log_group: str) -> Leftovers:
        """Find what is beside the stack.

        The template of ``state`` names the bucket, and its outputs the log group; ``bucket_name`` and ``log_group``
        count where they do not, since a settings file may have changed after the deployment.

        Raises:
            ConfigError: The bucket is foreign.
        """
        if state is not None:
            bucket_name = template.code_of(self.stack.template())[0] or bucket_name
            log_group = state.outputs.get("TrailLogGroup") or log_group
        bucket = artifact.bucket_for(self._identity, self._region, bucket_name)
        s3 = s3_client(self._session, self._region)
        has_bucket = artifact.exists(s3, bucket)
        files = artifact.count(s3, bucket, self.stack.name) if has_bucket else 0
        if state is None and has_bucket and not files:
            # With other stacks' code in it, it is nothing of this one.
            has_bucket = artifact.is_empty(s3, bucket)
        return Leftovers(
            bucket=bucket,
            has_bucket=has_bucket,
            files=files,
            log_group=log_group,
            has_stream=bool(log_group) and self._has_stream(log_group),
        )

    def remove_leftovers(self, left: Leftovers, tell: Callable[[str], None]) -> tuple[str, ...]:
        """Remove what is beside the stack; return what is kept, each with the reason."""
        kept = []
        if left.has_stream:
            tell(f"removing the log stream {STREAM} from {left.log_group}")
            self._removes.append(f"the log stream {STREAM}")
            with calling(f"remove the log stream {STREAM}"):
                try:
                    self._logs.delete_log_stream(logGroupName=left.log_group, logStreamName=STREAM)
                except ClientError as error:
                    if code_of(error) not in _GONE:
                        raise
        if left.has_bucket:
            s3 = s3_client(self._session, self._region)
            if left.files:
                self._removes.append(f"the code in the bucket {left.bucket.name}")
                tell(f"removing {left.files} versions of files from the bucket {left.bucket.name}")
                artifact.remove(s3, left.bucket, self.stack.name)
            if left.bucket.is_ours:
                self._removes.append(f"the bucket {left.bucket.name}")
            if not left.bucket.is_ours:
                kept.append(f"the bucket {left.bucket.name}: it is yours")
            elif not artifact.remove_bucket(s3, left.bucket):
                kept.append(
                    f"the bucket {left.bucket.name}: something else is in it, such as another stack's code, or it has "
                    "a policy that is not ours"
                )
            else:
                tell(f"the bucket {left.bucket.name} is removed")
        if left.log_group:
            kept.append(f"the log group {left.log_group}: it is the trail's")
        return tuple(kept)

    def _has_stream(self, log_group: str) -> bool:
        doing = f"look into the log group {log_group}"
        with calling(doing):
            try:
                found = self._logs.describe_log_streams(logGroupName=log_group, logStreamNamePrefix=STREAM)
            except ClientError as error:
                if code_of(error) in _GONE:
                    return False
                raise refused(error, doing) from None
        return any(one.get("logStreamName") == STREAM for one in found["logStreams"])
