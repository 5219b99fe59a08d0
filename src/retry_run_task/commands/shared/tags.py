"""Reads the tags of rules, schedules' groups and task definitions, with the operator's credentials.

recover reads the same with its own role, in ``aws/tags.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retry_run_task.commands.shared.access import identify
from retry_run_task.commands.shared.inventory import Inventory, TaskDefinition, Unknown
from retry_run_task.commands.shared.launchers import read_launchers, read_task_definitions
from retry_run_task.commands.shared.reader import Reader, not_whole
from retry_run_task.launch.schedule import Tags, read_tags
from retry_run_task.launch.values import CallerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3

    from retry_run_task.commands.shared.inventory import Launcher


Key = tuple[str, str, str]


def read_tagged(
    session: boto3.Session, region: str, tell: Callable[[str], None]
) -> tuple[Inventory, dict[Key, Tags]]:
    """Return the rules and schedules of a Region, and the settings in the tags of each, by kind, holder and name.

    Raises:
        AccessError: Nothing can be read: no credentials, or no answer.
    """
    tell("credentials")
    identity = identify(session, region)
    reader = Reader(session, region)
    launchers = read_launchers(reader, tell)
    inventory = Inventory(
        region=region,
        identity=identity,
        launchers=launchers,
        task_definitions=read_task_definitions(reader, launchers.found, tell),
    )
    asked = _TagReader(reader)
    found = {}
    for number, one in enumerate(inventory.launchers.found, start=1):
        tell(f"tags: {number} of {len(inventory.launchers.found)}")
        found[key_of(one)] = _tags(one, inventory, asked)
    return inventory, found


def key_of(one: Launcher) -> Key:
    """Return the key of a rule or schedule."""
    return one.kind.value, one.holder, one.name


def _tags(one: Launcher, inventory: Inventory, asked: _TagReader) -> Tags:
    who = inventory.identity
    place = f"{inventory.region}:{who.account}"
    if one.kind is CallerKind.RULE:
        name = one.name if one.holder == "default" else f"{one.holder}/{one.name}"
        of_holder = asked.pairs(
            "events:ListTagsForResource", "ResourceARN", f"arn:{who.partition}:events:{place}:rule/{name}"
        )
    else:
        arn = f"arn:{who.partition}:scheduler:{place}:schedule-group/{one.holder}"
        of_holder = asked.pairs("scheduler:ListTagsForResource", "ResourceArn", arn)
    definition = inventory.task_definitions.get(one.task_definition)
    # Only a revision has tags, so a task definition that is named by its family has none that recover could read.
    has_revision = one.task_definition.startswith("arn:") and ":" in one.task_definition.rpartition("/")[2]
    of_definition: dict[str, str] | Unknown = {}
    if isinstance(definition, TaskDefinition) and has_revision:
        of_definition = asked.pairs("ecs:ListTagsForResource", "resourceArn", definition.arn)
    answers = (of_holder, of_definition)
    return read_tags(
        *(tags for tags in answers if not isinstance(tags, Unknown)),
        unread=[f"{tags.action} failed: {tags.why}" for tags in answers if isinstance(tags, Unknown)],
    )


class _TagReader:
    """Reads the tags of each resource once: many schedules share a group or a task definition."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._answers: dict[str, dict[str, str] | Unknown] = {}

    def pairs(self, action: str, parameter: str, arn: str) -> dict[str, str] | Unknown:
        """Return the tags of a resource by their keys."""
        if arn not in self._answers:
            answer = self._reader.read(action, **{parameter: arn})
            # ECS writes these in lower case, the other services with a capital.
            if isinstance(answer, Unknown):
                self._answers[arn] = answer
            elif "Tags" not in answer and "tags" not in answer:
                self._answers[arn] = not_whole(action)
            else:
                self._answers[arn] = {
                    tag.get("Key") or tag.get("key"): tag.get("Value") or tag.get("value") or ""
                    for tag in answer.get("Tags") or answer.get("tags") or ()
                }
        return self._answers[arn]
