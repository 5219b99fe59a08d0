"""AWS's size limits, and the sizes of a deployment. AWS is not called: it would answer only after some minutes.

A long list is spread over the parameters, and so over the policies, that the template has for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retry_run_task.commands.deploy.template import Filled, parse
from retry_run_task.commands.shared.chunks import CHUNKS, parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from retry_run_task.commands.shared.inventory import Identity
    from retry_run_task.launch.values import JsonObject

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
POLICY_MAX = 6144
"""Characters of a managed policy; white space does not count."""
ATTACHED_MAX = 10
"""Managed policies of a role, unless AWS has raised an account's quota."""

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
PARAMETER_MAX = 4096
TEMPLATE_MAX = 1_000_000
"""Bytes of a template in a bucket."""

# The measured size is that of all variables as one JSON object:
# https://github.com/github-aws-runners/terraform-aws-github-runner/issues/3594
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ENVIRONMENT_MAX = 4096
"""Bytes of all environment variables of a function."""

_MEASURED = frozenset({"AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::Lambda::Function"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The size of one thing, and its limit. ``because`` names the parameters that it grows with."""

    what: str
    has: int
    unit: str
    most: int
    because: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether it is within the limit."""
        return self.has <= self.most

    def __str__(self) -> str:
        """Return it as text."""
        return f"{self.what} would have {self.has:,} {self.unit}, and {self.most:,} are allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where a template's lists are.

    Attributes:
        lists: The policy that holds the items of a list, and the length of the text around each item there. Of lists
            that share a policy, the first fills it first.
        because: The parameters that each resource grows with.
    """

    lists: Mapping[str, tuple[str, int]]
    because: Mapping[str, tuple[str, ...]]


_FAMILY = len('"arn:*:ecs:*:*:task-definition/:*",')
_RULE, _SCHEDULE = len('"arn:*:events:*:*:rule/",'), len('"arn:*:scheduler:*:*:schedule/",')
HOME = Layout(
    lists={
        "TaskDefinitions": ("RecoverRunPolicy", _FAMILY),
        "PassRoleArns": ("RecoverPassPolicy", len('"",')),
        "ReadRules": ("RecoverReadsPolicy", _RULE),
        "ReadSchedules": ("RecoverReadsPolicy", _SCHEDULE),
    },
    because={
        "RecoverRunPolicy": ("TaskDefinitions", "Clusters", "Regions"),
        "RecoverPassPolicy": ("PassRoleArns",),
        "RecoverPolicy": ("Clusters", "Regions", "MemberAccounts"),
        "RecoverReadsPolicy": ("ReadRules", "ReadSchedules", "Regions"),
        "RecoverKeysPolicy": ("ScheduleKeyArns",),
        "AuditPolicy": ("Regions", "MemberAccounts", "ScheduleKeyArns"),
        "Audit": ("Regions", "MemberAccounts"),
        "Intake": ("TaskDefinitions", "Clusters", "Regions", "MemberAccounts"),
        "RecoverRole": ("PassRoleArns", "TaskDefinitions", "ReadRules", "ReadSchedules"),
    },
)
"""``infra/template.yaml``"""
MEMBER = Layout(
    lists={
        "TaskDefinitions": ("MemberRunPolicy", _FAMILY),
        "PassRoles": ("MemberPassPolicy", len('"arn:*:iam::*:role/",')),
        "ReadRules": ("MemberReadsPolicy", _RULE),
        "ReadSchedules": ("MemberReadsPolicy", _SCHEDULE),
    },
    because={
        "MemberPolicy": ("Clusters", "Regions"),
        "MemberRunPolicy": ("TaskDefinitions", "Clusters", "Regions"),
        "MemberPassPolicy": ("PassRoles",),
        "MemberReadsPolicy": ("ReadRules", "ReadSchedules", "Regions"),
        "MemberKeysPolicy": ("ScheduleKeyArns",),
        "MemberRole": ("PassRoles", "TaskDefinitions", "ReadRules", "ReadSchedules"),
        "MemberAuditPolicy": ("Regions", "ScheduleKeyArns"),
        "MemberLookPolicy": ("Regions",),
    },
)
"""``infra/member.yaml``"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizer:
    """Measures a template with parameters."""

    text: str
    stack: str
    identity: Identity
    region: str
    layout: Layout = HOME

    def spread(self, values: Mapping[str, str], before: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the template's parameters, with long lists spread over the parameters for them.

        An excess stays in the last one, for `sizes` to report.

        Items of ``before``, the installed values, come first, so that few policies change: during an update a policy
        may lose an item before another one has it.
        """
        spread = dict(values)
        taken = {policy: [0] * max(CHUNKS.values()) for policy, _ in self.layout.lists.values()}
        for name, (policy, _) in self.layout.lists.items():
            installed = {item: place for place, item in enumerate((before or {}).get(name, "").split(","))}
            items = sorted(
                values.get(name, "").split(","), key=lambda one: installed.get(one, len(installed))
            )
            spread |= self._chunks(name, items, values, taken[policy])
        return spread

    def sizes(self, spread: Mapping[str, str]) -> tuple[Size, ...]:
        """Return the size of everything that AWS limits, with parameters from `spread`."""
        whole = Size(what="the template", has=len(self.text.encode()), unit="bytes", most=TEMPLATE_MAX)
        return (whole, *_parameters(spread), *self._resources(self._filled(spread).resources))

    def too_large(self, values: Mapping[str, str]) -> tuple[Size, ...]:
        """Return what exceeds a limit, with every list whole."""
        return tuple(one for one in self.sizes(self.spread(values)) if not one.fits)

    def _filled(self, spread: Mapping[str, str]) -> Filled:
        return Filled(
            parse(self.text),
            self.stack,
            self.identity,
            self.region,
            spread,
            only=_MEASURED,
            has_arns=True,
        )

    def _resources(self, resources: Mapping[str, JsonObject]) -> Iterator[Size]:
        for name, resource in resources.items():
            because = self.layout.because.get(name.rstrip("23456789"), ())
            match resource["Type"]:
                case "AWS::IAM::ManagedPolicy":
                    yield Size(
                        what=f"the policy {name}",
                        has=_characters(resource),
                        unit="characters",
                        most=POLICY_MAX,
                        because=because,
                    )
                case "AWS::IAM::Role":
                    yield Size(
                        what=f"the role {name}",
                        has=len(resource["Properties"]["ManagedPolicyArns"]),
                        unit="policies",
                        most=ATTACHED_MAX,
                        because=because,
                    )
                case "AWS::Lambda::Function":
                    variables = resource["Properties"]["Environment"]["Variables"]
                    yield Size(
                        what=f"the environment of {name}",
                        has=len(json.dumps(variables, separators=(",", ":")).encode()),
                        unit="bytes",
                        most=ENVIRONMENT_MAX,
                        because=because,
                    )
                case _:
                    pass

    def _chunks(
        self, name: str, items: Sequence[str], values: Mapping[str, str], taken: list[int]
    ) -> dict[str, str]:
        """Spread a list; ``taken`` are the characters of each policy that lists before it take, and is added to."""
        policy, around = self.layout.lists[name]
        names = parts(name)
        room, place, length = self._room(policy, values), 0, 0
        chunks: list[list[str]] = [[] for _ in names]
        for item in items if items != [""] else ():
            has, size = len(item) + 1, len(item) + around
            while place < len(names) - 1 and (taken[place] + size > room or length + has > PARAMETER_MAX + 1):
                place, length = place + 1, 0
            chunks[place].append(item)
            taken[place], length = taken[place] + size, length + has
        return {one: ",".join(chunk) for one, chunk in zip(names, chunks, strict=True)}

    def _room(self, policy: str, values: Mapping[str, str]) -> int:
        """Return the characters that the lists of a policy have in it, in the first one of theirs."""
        around = {name: size for name, (holder, size) in self.layout.lists.items() if holder == policy}
        first = {one: "" for name in self.layout.lists for one in parts(name)}
        first |= {name: values.get(name, "").partition(",")[0] for name in self.layout.lists}
        found = self._filled({**values, **first}).resources.get(policy)
        if not found:
            return POLICY_MAX
        return (
            POLICY_MAX
            - _characters(found)
            + sum(len(first[n]) + size for n, size in around.items() if first[n])
        )


def _parameters(spread: Mapping[str, str]) -> Iterator[Size]:
    for name, value in spread.items():
        base = name.rstrip("23456789")
        yield Size(
            what=f"the parameter {name}",
            has=len(value),
            unit="characters",
            most=PARAMETER_MAX,
            because=(base if base in CHUNKS else name,),
        )


def _characters(policy: JsonObject) -> int:
    """Return the number of characters that IAM counts."""
    document = json.dumps(policy["Properties"]["PolicyDocument"], separators=(",", ":"), ensure_ascii=False)
    return len(re.sub(r"\s", "", document))


def to_blame(large: Iterable[Size]) -> tuple[str, ...]:
    """Return the parameters that the excess grows with, the most frequent first."""
    return tuple(dict.fromkeys(name for one in large for name in one.because))
