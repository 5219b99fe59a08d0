"""CloudFormation: one stack's state, its change sets, and what happens to its resources.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from retry_run_task.commands.shared import ownership
from retry_run_task.commands.shared.faults import DeployError, calling, code_of, message_of, one_line, refused
from retry_run_task.commands.shared.ownership import Resource
from retry_run_task.commands.shared.stack_states import NEW, ChangeSet, Happening, ResourceChange, StackState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import boto3
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import ChangeSetTypeType

_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 8})

_WHAT_DID_NOT_CHANGE = ("didn't contain changes", "No updates are to be performed")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeleteChangeSet.html
_NO_CHANGE_SET = frozenset({"ChangeSetNotFound", "ChangeSetNotFoundException"})
_NOT_YET = frozenset({"InvalidChangeSetStatus", "InvalidChangeSetStatusException"})
_MOST_LOOKS = 60
_ACTIONS = {"Add": "add", "Modify": "change", "Remove": "remove", "Import": "add", "Dynamic": "change"}
_REPLACES = {"True": True, "False": False}


class CloudFormationStack:
    """One stack, by its name. Whatever AWS refuses, or does not answer, raises ``DeployError``."""

    def __init__(self, session: boto3.Session, region: str, name: str, *, pause: Callable[[], None]) -> None:
        """Nothing is read yet. ``pause`` waits before AWS is asked again."""
        self.name, self.region = name, region
        self._pause = pause
        self._client: CloudFormationClient = session.client(
            "cloudformation", region_name=region, config=_CONFIG
        )

    def state(self, stack_id: str = "") -> StackState | None:
        """Return its state; None if it does not exist."""
        doing = f"look at the stack {self.name}"
        with calling(doing):
            try:
                found = self._client.describe_stacks(StackName=stack_id or self.name)["Stacks"]
            except ClientError as error:
                if code_of(error) == "ValidationError" and "does not exist" in message_of(error):
                    return None
                raise refused(error, doing) from None
        if not found or found[0]["StackStatus"] == "DELETE_COMPLETE":
            return None
        one = found[0]
        return StackState(
            stack_id=one["StackId"],
            status=one["StackStatus"],
            reason=one.get("StackStatusReason", ""),
            outputs={output["OutputKey"]: output.get("OutputValue", "") for output in one.get("Outputs", ())},
            tags={tag["Key"]: tag["Value"] for tag in one.get("Tags", ())},
            description=one.get("Description") or "",
        )

    def check_ours(self, state: StackState, known: Mapping[str, str]) -> tuple[Resource, ...]:
        """Return its present resources, if all of them are ours.

        ``known`` has the types of the resources that an installation may have, by name.

        Raises:
            ForeignError: It is foreign, in whole or in part.
        """
        resources = self.resources(state.stack_id)
        is_empty = not resources and not state.description
        where = f"{self.name} in {self.region}"
        ownership.check(where, resources, state.description, self._change_sets() if is_empty else (), known)
        return tuple(one for one in resources if not one.is_gone)

    def _change_sets(self) -> tuple[str, ...]:
        with calling(f"list the change sets of the stack {self.name}"):
            pages = self._client.get_paginator("list_change_sets").paginate(StackName=self.name)
            return tuple(one["ChangeSetName"] for page in pages for one in page["Summaries"])

    def template(self, change_set: ChangeSet | None = None) -> str:
        """Return the text of its template, or of the template of a change set."""
        with calling(f"read the template of the stack {self.name}"):
            asked: Any = {"ChangeSetName": change_set.arn} if change_set else {"StackName": self.name}
            body: object = self._client.get_template(**asked, TemplateStage="Original")["TemplateBody"]
        # botocore parses JSON, and leaves YAML as text.
        return body if isinstance(body, str) else json.dumps(body)

    def prepare(
        self,
        name: str,
        kind: ChangeSetTypeType,
        template_url: str,
        parameters: Mapping[str, str],
        *,
        tags: Mapping[str, str],
        role_arn: str,
    ) -> ChangeSet | None:
        """Create a change set; return None if nothing would change.

        All parameters are given. The tags are those of the stack, and of everything in it that takes tags (none to keep
        those it has); an empty ``role_arn`` keeps the role that CloudFormation acted with last, or the caller's.

        Raises:
            DeployError: CloudFormation cannot create it.
        """
        more: dict[str, Any] = {"RoleARN": role_arn} if role_arn else {}
        if tags:
            more["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        with calling("make a change set"):
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=name,
                ChangeSetType=kind,
                TemplateURL=template_url,
                Parameters=[
                    {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                **more,
            )
            status, reason, changes = self._created(made["Id"])
        if status == "FAILED":
            has_changes = not any(words in reason for words in _WHAT_DID_NOT_CHANGE)
            # Before the change set is removed, and the reasons with it.
            reasons = self._reasons(made["Id"], reason) if has_changes else ()
            self.discard(name, is_new=kind == "CREATE")
            if not has_changes:
                return None
            raise DeployError(
                f"CloudFormation cannot make a change set: {'; '.join(reasons) or one_line(reason)}.",
                hint="Correct that and run the same command again." if reasons else "",
            )
        return ChangeSet(arn=made["Id"], stack_id=made["StackId"], changes=changes)

    def _created(self, arn: str) -> tuple[str, str, tuple[ResourceChange, ...]]:
        """Wait until a change set is created or refused; return its status, the reason, and what it changes."""
        describe = self._client.get_paginator("describe_change_set")
        while True:
            pages = [*describe.paginate(ChangeSetName=arn)]
            if pages[0]["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
                break
            self._pause()
        changes = tuple(
            ResourceChange(
                action=_ACTIONS.get(one.get("Action", ""), "change"),
                resource=one.get("LogicalResourceId", ""),
                type=one.get("ResourceType", ""),
                replaces=_REPLACES.get(one["Replacement"]) if "Replacement" in one else False,
            )
            for one in (
                change.get("ResourceChange", {}) for page in pages for change in page.get("Changes", ())
            )
        )
        return pages[0]["Status"], pages[0].get("StatusReason", ""), changes

    def _reasons(self, change_set_arn: str, status_reason: str) -> tuple[str, ...]:
        """Return why CloudFormation refuses a change set, by resource; none if it does not say.

        The status of the change set names only the validation that failed. The events are found by the change set's
        ARN, but not by its name. https://github.com/aws-cloudformation/cloudformation-cli/issues/1116
        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_OperationEvent.html
        """
        try:
            pages = self._client.get_paginator("describe_events").paginate(
                ChangeSetName=change_set_arn, Filters={"FailedEvents": True}
            )
            events: list[Any] = [one for page in pages for one in page["OperationEvents"]]
        except (ClientError, BotoCoreError) as error:
            return (
                f"{one_line(status_reason)} (the reasons themselves cannot be read: {one_line(str(error))})",
            )
        found = []
        for one in events:
            if "WARN" in (one.get("ValidationFailureMode"), one.get("HookFailureMode")):
                continue
            named = ("ValidationStatusReason", "HookStatusReason", "ResourceStatusReason")
            why = next((one_line(one[name]) for name in named if one.get(name)), "")
            if why and one.get("LogicalResourceId"):
                why = f"{one['LogicalResourceId']} ({one.get('ResourceType', '')}): {why}"
            found.append(why)
        return tuple(filter(None, dict.fromkeys(found)))

    def discard(self, change_set: str, *, is_new: bool) -> None:
        """Delete a change set, if it was created, and with it the empty stack that it may have created."""
        with calling("remove the change set"):
            for _ in range(_MOST_LOOKS):
                try:
                    self._client.delete_change_set(StackName=self.name, ChangeSetName=change_set)
                except ClientError as error:
                    if code_of(error) in _NO_CHANGE_SET or "does not exist" in message_of(error):
                        break
                    # A change set that is being created cannot be deleted yet.
                    if code_of(error) not in _NOT_YET:
                        raise
                    self._pause()
                else:
                    break
        state = self.state() if is_new else None
        if state is not None and state.status in NEW and not self._change_sets():
            with calling(f"remove the empty stack {self.name}"):
                self._client.delete_stack(StackName=state.stack_id)

    def is_executed(self, change_set: ChangeSet) -> bool:
        """Tell whether CloudFormation has begun to execute a change set; after the execution it is deleted."""
        with calling("look at the change set"):
            try:
                found = self._client.describe_change_set(ChangeSetName=change_set.arn)
            except ClientError as error:
                if code_of(error) in _NO_CHANGE_SET:
                    return True
                raise
        return found["ExecutionStatus"] not in ("AVAILABLE", "UNAVAILABLE")

    def execute(self, change_set: ChangeSet, tell: Callable[[Happening], None]) -> StackState:
        """Execute a change set, and return the stack's state afterwards.

        Raises:
            DeployError: It failed; with CloudFormation's own first reason.
        """
        seen = self._seen(change_set.stack_id)
        with calling("execute the change set"):
            self._client.execute_change_set(ChangeSetName=change_set.arn)
        state, causes = self._follow(change_set.stack_id, seen, tell)
        if state is None or state.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeployError(
                f"{_first(causes, state)} The stack {self.name} is {state.status if state else 'gone'}.",
                hint="Correct the reason and run the same command again.",
            )
        return state

    def follow(self, tell: Callable[[Happening], None]) -> StackState | None:
        """Wait for CloudFormation; return the stack's state afterwards, None if it was deleted."""
        state = self.state()
        if state is None or not state.is_moving:
            return state
        return self._follow(state.stack_id, self._seen(state.stack_id), tell)[0]

    def delete(self, tell: Callable[[Happening], None]) -> None:
        """Delete the stack with its resources; do nothing if it does not exist.

        Raises:
            DeployError: Something could not be deleted; with CloudFormation's own first reason.
        """
        state = self.state()
        if state is None:
            return
        seen = self._seen(state.stack_id)
        if state.status != "DELETE_IN_PROGRESS":
            with calling(f"delete the stack {self.name}"):
                self._client.delete_stack(StackName=state.stack_id)
        after, causes = self._follow(state.stack_id, seen, tell)
        if after is not None:
            raise DeployError(
                f"{_first(causes, after)} The stack {self.name} is {after.status}.",
                hint="Remove the cause and run the same command again; it continues from there.",
            )

    def resources(self, stack_id: str = "") -> tuple[Resource, ...]:
        """Return its resources, including those deleted or never created."""
        with calling(f"list the resources of the stack {self.name}"):
            pages = self._client.get_paginator("list_stack_resources").paginate(
                StackName=stack_id or self.name
            )
            return tuple(
                Resource(
                    name=one["LogicalResourceId"],
                    type=one["ResourceType"],
                    physical_id=one.get("PhysicalResourceId", ""),
                    is_gone=one["ResourceStatus"] == "DELETE_COMPLETE",
                )
                for page in pages
                for one in page["StackResourceSummaries"]
            )

    def _seen(self, stack_id: str) -> set[str]:
        with calling(f"read what happened to the stack {self.name}"):
            found = self._client.describe_stack_events(StackName=stack_id)["StackEvents"]
        return {one["EventId"] for one in found}

    def _follow(
        self, stack_id: str, seen: set[str], tell: Callable[[Happening], None]
    ) -> tuple[StackState | None, list[Happening]]:
        causes: list[Happening] = []
        while True:
            # The state first: the events then include everything up to it.
            state = self.state(stack_id)
            for one in self._news(stack_id, seen):
                if one.is_a_cause and one.resource != self.name:
                    causes.append(one)
                tell(one)
            if state is None or not state.status.endswith("_IN_PROGRESS"):
                return state, causes
            self._pause()

    def _news(self, stack_id: str, seen: set[str]) -> Iterable[Happening]:
        """Return the events since the last look, oldest first."""
        news = []
        with calling(f"read what happened to the stack {self.name}"):
            pages = self._client.get_paginator("describe_stack_events").paginate(StackName=stack_id)
            for page in pages:
                fresh = [one for one in page["StackEvents"] if one["EventId"] not in seen]
                news += fresh
                if len(fresh) < len(page["StackEvents"]):
                    break
        seen.update(one["EventId"] for one in news)
        return [
            Happening(
                resource=one.get("LogicalResourceId", ""),
                type=one.get("ResourceType", ""),
                status=one.get("ResourceStatus", ""),
                reason=one.get("ResourceStatusReason", ""),
            )
            for one in reversed(news)
        ]


def _first(causes: list[Happening], state: StackState | None) -> str:
    if not causes:
        reason = one_line(state.reason) if state else ""
        return f"CloudFormation did not do it: {reason or 'it gave no reason'}."
    one = causes[0]
    did = {"CREATE": "created", "UPDATE": "updated", "DELETE": "deleted"}.get(
        one.status.partition("_")[0], "made"
    )
    return f"{one.resource} ({one.type}) could not be {did}: {one_line(one.reason) or 'no reason was given'}."
