"""The parameters of ``infra/member.yaml`` for each member account, within AWS's size limits.

``deploy`` does not create that role, but it has looked at what the account starts, so it computes the parameters.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy import reads
from retry_run_task.commands.deploy.choices import FOUND, narrowed
from retry_run_task.commands.deploy.fitting import Lists, fit_lists
from retry_run_task.commands.deploy.proposal import propose
from retry_run_task.commands.deploy.sizes import MEMBER, Sizer
from retry_run_task.commands.deploy.template import carried, parse
from retry_run_task.commands.shared.inventory import Unknown
from retry_run_task.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retry_run_task.commands.deploy.choices import Choice
    from retry_run_task.commands.shared.inventory import Inventory

_FILE = "infra/member.yaml"
_CALLED = MappingProxyType(
    {"Clusters": "clusters", "TaskDefinitions": "task definitions", "PassRoles": "roles", **reads.CALLED}
)
# Parameters that both templates have, and that have to be the same.
_SAME = ("RolePath", "StopHangingTasks")
_UNREAD = Unknown(action="iam:ListRoles", why="it was not asked for")


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberNeeds:
    """The parameters of the template for one member account.

    Attributes:
        parameters: As the template takes them, those that differ from its defaults; the external id is left out.
            Empty if they do not fit.
        problem: Why they do not fit; empty if they do.
    """

    account: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""

    def said(self) -> tuple[str, ...]:
        """Return it in sentences."""
        if self.problem:
            what = f"what account {self.account} has does not fit into {_FILE}"
            return (f"{what}: {self.problem} {self.hint.rstrip('.')}",)
        listed = " ".join(f"{name}={value}" for name, value in self.parameters.items())
        return (
            f"account {self.account} needs {_FILE} with {listed}",
            *(f"in account {self.account}, {note}" for note in self.notes),
        )


def needs(
    choice: Choice, inventory: Inventory, text: str = "", *, may_widen: bool = False
) -> tuple[MemberNeeds, ...]:
    """Return it for each account that was looked at and starts tasks; ``text`` is the template, by default ours."""
    families = next(one for one in choice.parameters if one.name == "TaskDefinitions")
    if families.source != FOUND:
        inventory = narrowed(inventory, families.value.split(","))
    values, text = choice.values(), text or carried("member.yaml").decode()
    hub = {"HubAccount": inventory.identity.account, "HubName": inventory.stack_name}
    # Its default is the Region that the template is deployed to.
    hub |= {"Regions": values["Regions"] or inventory.region, **{name: values[name] for name in _SAME}}
    return tuple(
        _needs(one, hub, text, may_widen=may_widen)
        for one in inventory.members
        if propose(one).task_definitions
    )


def _needs(member: Inventory, hub: Mapping[str, str], text: str, *, may_widen: bool) -> MemberNeeds:
    proposal, account = propose(member), member.identity.account
    found = {
        "TaskDefinitions": proposal.task_definitions,
        "Clusters": proposal.clusters,
        "PassRoles": tuple(arn.partition(":role/")[2] for arn in proposal.pass_role_arns),
        **reads.named(member, proposal.clusters or ("default",)),
    }
    lists = Lists(
        called=_CALLED,
        everything=lambda name: member.names.get(name, _UNREAD),
        needed={name: set(listed) for name, listed in found.items()},
        options={name: f"{name} of {_FILE}" for name in found},
    )
    sizer = Sizer(text=text, stack="", identity=member.identity, region=member.region, layout=MEMBER)
    given = {name: ",".join(listed) for name, listed in found.items()}
    given |= hub
    sources = defaultdict(str, dict.fromkeys(found, FOUND))
    try:
        fitted, notes = fit_lists(lists, given, sources, sizer, may_widen=may_widen)
    except ConfigError as error:
        return MemberNeeds(
            account=account, problem=str(error).removesuffix(error.hint).rstrip(), hint=error.hint
        )
    usual = {name: str(one.get("Default", "")) for name, one in parse(text)["Parameters"].items()}
    spread = {name: value for name, value in sizer.spread(fitted).items() if value != usual[name]}
    notes += reads.notes(member, fitted, f"ReadRules and ReadSchedules of {_FILE}")
    return MemberNeeds(account=account, parameters=MappingProxyType(spread), notes=tuple(notes))
