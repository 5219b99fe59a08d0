"""Every parameter that the installed botocore knows of RunTask has been looked at by somebody.

When AWS adds one, an upgrade of botocore fails here, and not in a recovery that loses what a person asked for.
"""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from retry_run_task.launch.request import MEMBERS, MemberUse, rebuild
from retry_run_task.launch.values import Request

# Seen in real records, and no parameter of the API.
# https://github.com/aws-samples/sample-auto-map-tagger/blob/main/tests/fixtures/runtask-cloudtrail-event.json
NOT_IN_THE_MODEL = {"dryrun"}

MODEL: dict[str, Any] = (
    botocore.session.Session().get_component("data_loader").load_service_model("ecs", "service-2")
)
INPUT = MODEL["shapes"][MODEL["operations"]["RunTask"]["input"]["shape"]]


@pytest.mark.parametrize("member", sorted(INPUT["members"]))
def test_somebody_has_decided_what_becomes_of_it(member: str) -> None:
    assert member in MEMBERS, (
        f"botocore knows the RunTask parameter {member!r} and nobody has decided whether a recovery sends it again: "
        "read what it does, and give it a row in core.request.MEMBERS"
    )


@pytest.mark.parametrize("member", sorted(MEMBERS))
def test_no_decision_is_about_what_is_gone(member: str) -> None:
    assert (member in INPUT["members"]) is (member not in NOT_IN_THE_MODEL), (
        f"core.request.MEMBERS has a row for {member!r}, which is no RunTask parameter any more: remove the row, or "
        "say in this test where records still have it"
    )


def test_what_is_required_is_kept() -> None:
    assert INPUT["required"] == ["taskDefinition"]
    assert MEMBERS["taskDefinition"][0] is MemberUse.KEPT


def test_every_decision_has_its_reason() -> None:
    assert [name for name, (_, why) in MEMBERS.items() if not why] == []


@pytest.mark.parametrize("member", sorted(MEMBERS))
def test_a_recorded_member_is_treated_as_was_decided(member: str) -> None:
    """Kept is kept; dropped is dropped; the token of the failed call is never sent again."""
    value: Any = {"tags": [{"key": "team", "value": "night"}], "count": 2}.get(member, "value")
    rebuilt = rebuild({"taskDefinition": "nightly:7"} | {member: value})
    assert isinstance(rebuilt, Request)
    is_there = member in rebuilt.parameters
    assert is_there is (MEMBERS[member][0] is not MemberUse.DROPPED and member != "clientToken")
    assert not is_there or rebuilt.parameters[member] == value


def test_a_member_that_nobody_knows_is_kept() -> None:
    rebuilt = rebuild({"taskDefinition": "nightly:7", "memberOfNextYear": {"nested": [1, None]}})
    assert rebuilt.parameters["memberOfNextYear"] == {"nested": [1, None]}
