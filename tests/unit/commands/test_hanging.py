"""A policy that stops tasks that hang comes with the permission, or the plan says that it has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retry_run_task.commands.deploy.choices import Choice, Chosen
from retry_run_task.commands.deploy.hanging import allowed
from retry_run_task.commands.deploy.own_policy import OwnPolicy
from retry_run_task.config import read_policy
from retry_run_task.policy.rules import Policy, Rule

PLAIN = read_policy()


def stops(value: bool) -> Policy:
    return replace(PLAIN, rules=(Rule(name="mine", sets={"stop_hanging": value}), *PLAIN.rules))


def result(
    policy: Policy, value: str = "false", source: str = "default", policys: str = "flag"
) -> tuple[str, str, str]:
    other = Chosen(name="Clusters", value="batch", source="found")
    one = Chosen(name="StopHangingTasks", value=value, source=source)
    choice = Choice(parameters=(other, one), notes=("known",))
    found = allowed(choice, policy, OwnPolicy(source=policys))
    assert found.parameters[0] == other
    assert found.notes[0] == "known"
    return found.parameters[1].value, found.parameters[1].source, "".join(found.notes[1:])


@pytest.mark.parametrize(
    ("source", "policys"),
    [("default", "flag"), ("default", "file"), ("installed", "flag"), ("default", "default")],
)
def test_the_permission_comes_with_a_policy_that_needs_it(source: str, policys: str) -> None:
    assert result(stops(True), source=source, policys=policys) == ("true", "policy", "")


@pytest.mark.parametrize(
    ("source", "policys"), [("flag", "flag"), ("file", "flag"), ("installed", "installed")]
)
def test_it_is_not_given_against_a_word_of_yours_nor_by_an_update_of_something_else(
    source: str, policys: str
) -> None:
    value, still, note = result(stops(True), source=source, policys=policys)
    assert (value, still) == ("false", source)
    assert note == (
        f"the policy has stop-hanging, and recover may not stop tasks ({source}), so a task that hangs is only "
        "reported; --stop-hanging-tasks true allows it"
    )


@pytest.mark.parametrize("policy", [PLAIN, stops(False)])
def test_what_no_policy_needs_is_not_given_and_what_is_there_without_need_is_told(policy: Policy) -> None:
    assert result(policy) == ("false", "default", "")
    value, source, note = result(policy, value="true", source="installed")
    assert (value, source) == ("true", "installed")
    assert note.endswith("the policy has no stop-hanging; --stop-hanging-tasks false takes that back")


def test_where_both_are_there_nothing_is_told() -> None:
    assert result(stops(True), value="true", source="installed") == ("true", "installed", "")
