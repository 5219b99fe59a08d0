"""Every command, asked about every kind of stack that may have the name of an installation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from retry_run_task.commands.main import retry_run_task
from retry_run_task.errors import RetryRunTaskError
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import install
from retry_run_task.local.server import AwsError
from support.canned import Canned, denied
from support.records import record

STACK = "retry-run-task"
REGION = "ap-northeast-1"
DESCRIBE, LIST, CHANGE_SETS = (
    f"cloudformation:{name}" for name in ("DescribeStacks", "ListStackResources", "ListChangeSets")
)
CARRIES_WHAT_IT_DEPLOYS = pytest.mark.skipif(
    not files("retry_run_task.commands.deploy").joinpath("data", "lambda.zip").is_file(),
    reason="a source tree carries nothing to deploy",
)
ASK_NOBODY = ("--all", "--reason", "x", "--yes")
OPERATING = {
    "status": (),
    "stop": ASK_NOBODY,
    "pause": ASK_NOBODY,
    "resume": ASK_NOBODY,
    "replay": ("--yes", "--lookups-per-s", "1000"),
    "verify": ("--task-definition", "nightly", "--cluster", "batch", "--yes", "--poll-s", "0.01"),
}
# They are of use before anything is installed, too.
BEFORE = {
    "report": ("--lookups-per-s", "1000"),
    "report --aws": ("record.json",),
    "explain --aws": ("record.json",),
    "audit": ("--lookups-per-s", "1000"),
}
CHANGING = {"destroy": ("--yes",), "deploy --dry-run": (), "deploy --yes": ()}
COMMANDS = OPERATING | BEFORE | CHANGING
EVERY_COMMAND = [
    pytest.param(name, marks=CARRIES_WHAT_IT_DEPLOYS if name.startswith("deploy") else ())
    for name in COMMANDS
]
LOOKING = [name for name in COMMANDS if name not in CHANGING]

Kind = Callable[[Canned], None]
OURS = {
    "Intake": "AWS::Lambda::Function",
    "Recover": "AWS::Lambda::Function",
    "RecoverVersion": "AWS::Lambda::Version",
    "CodeNumber": "AWS::Lambda::LayerVersion",
}
SHOP = {"Customers": "AWS::DynamoDB::Table", "Orders": "AWS::SQS::Queue"}
DESCRIPTION = "retry-run-task 0.1.0: recovers"


def stack(
    status: str = "CREATE_COMPLETE",
    resources: dict[str, str] = SHOP,
    *,
    state: str = "CREATE_COMPLETE",
    change_set: str = "",
    **more: Any,
) -> Kind:
    def answer(aws: Canned) -> None:
        described = {
            "StackName": STACK,
            "StackId": f"arn:aws:cloudformation:{REGION}:123456789012:stack/{STACK}/1",
            "StackStatus": status,
            "CreationTime": datetime(2026, 11, 24, tzinfo=UTC).isoformat(),
            **more,
        }
        summaries = [
            {
                "LogicalResourceId": name,
                "ResourceType": kind,
                "ResourceStatus": state,
                "LastUpdatedTimestamp": datetime(2026, 11, 24, tzinfo=UTC).isoformat(),
            }
            for name, kind in resources.items()
        ]
        aws.answers[DESCRIBE] = {"Stacks": [described]}
        aws.answers[LIST] = {"StackResourceSummaries": summaries}
        aws.answers[CHANGE_SETS] = {"Summaries": [{"ChangeSetName": change_set}] if change_set else []}

    return answer


def none_there(aws: Canned) -> None:
    aws.answers[DESCRIBE] = AwsError("ValidationError", f"Stack with id {STACK} does not exist")


def unseen(action: str) -> Kind:
    def answer(aws: Canned) -> None:
        stack()(aws)
        aws.answers[action] = denied(action)

    return answer


def unseen_change_sets(aws: Canned) -> None:
    stack("REVIEW_IN_PROGRESS", {})(aws)
    aws.answers[CHANGE_SETS] = denied(CHANGE_SETS)


IN_SHOP = "Customers (AWS::DynamoDB::Table) and Orders (AWS::SQS::Queue)"
FOREIGN: dict[str, tuple[Kind, str]] = {
    **{
        status: (stack(status), IN_SHOP)
        for status in (
            *("CREATE_COMPLETE", "CREATE_IN_PROGRESS", "CREATE_FAILED", "ROLLBACK_FAILED"),
            *("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED"),
        )
    },
    "rolled back": (stack("ROLLBACK_COMPLETE", state="DELETE_COMPLETE"), IN_SHOP),
    "under review": (stack("REVIEW_IN_PROGRESS", {}, change_set="first-try"), "change set first-try"),
    "with our tags": (stack(Tags=[{"Key": "Name", "Value": "retry-run-task"}]), IN_SHOP),
    "with our outputs": (
        stack(
            Outputs=[
                {"OutputKey": "Version", "OutputValue": "0.1.0"},
                {"OutputKey": "RecoverFunction", "OutputValue": "retry-run-task-recover"},
            ]
        ),
        IN_SHOP,
    ),
    "with some of our resources": (
        stack(resources={"Intake": "AWS::Lambda::Function", "Recover": "AWS::Lambda::Function"}),
        "Intake (AWS::Lambda::Function) and Recover (AWS::Lambda::Function)",
    ),
    "with our names for other things": (
        stack(resources=dict.fromkeys(OURS, "AWS::SQS::Queue")),
        "Intake (AWS::SQS::Queue)",
    ),
    "with many resources": (
        stack(
            resources={f"Orders{n}": "AWS::SQS::Queue" for n in range(40)}
            | {"Customers": "AWS::DynamoDB::Table"}
        ),
        "41 resources: 40 AWS::SQS::Queue, 1 AWS::DynamoDB::Table",
    ),
    "with our description": (stack(Description=DESCRIPTION), IN_SHOP),
}
UNSEEN: dict[str, tuple[Kind, str]] = {
    "the stack": (unseen(DESCRIBE), DESCRIBE),
    "what is in it": (unseen(LIST), LIST),
    "its change sets": (unseen_change_sets, CHANGE_SETS),
}
BUILDING = {"Notifications": "AWS::SNS::Topic"}
LATER, AGAIN = "Run the same command again when that is over.", "retry-run-task destroy"
UNFINISHED: dict[str, tuple[Kind, str]] = {
    "CREATE_IN_PROGRESS": (stack("CREATE_IN_PROGRESS", BUILDING, Description=DESCRIPTION), LATER),
    "DELETE_IN_PROGRESS": (stack("DELETE_IN_PROGRESS", OURS), LATER),
    "ROLLBACK_COMPLETE": (
        stack("ROLLBACK_COMPLETE", BUILDING, state="DELETE_COMPLETE", Description=DESCRIPTION),
        AGAIN,
    ),
    "DELETE_FAILED": (stack("DELETE_FAILED", OURS), AGAIN),
}


class Asked:
    """A local AWS, and the commands that are tried in it."""

    def __init__(self, aws: Canned) -> None:
        self.aws = aws

    def run(self, command: str, *more: str) -> Result:
        return CliRunner().invoke(
            retry_run_task,
            [*command.split(), *COMMANDS.get(command, ()), *more],
            env=self.aws.environment(),
            standalone_mode=False,
        )

    def changes(self) -> list[str]:
        reads = ("Get", "List", "Describe", "Lookup", "Head")
        return [one for one in self.aws.calls if not one.partition(":")[2].startswith(reads)]


def code_and_words(result: Result) -> tuple[int, str]:
    """Return the exit code, and everything that was said."""
    if result.exception is not None and not isinstance(result.exception, RetryRunTaskError):
        raise result.exception
    code = 2 if result.exception else result.return_value
    return code, " ".join(f"{result.output} {result.exception or ''}".split())


@pytest.fixture(scope="module")
def bare() -> Iterator[Canned]:
    with Canned(LocalAws(speed=60)) as aws:
        yield aws


@pytest.fixture(scope="module")
def installed() -> Iterator[Canned]:
    with Canned(LocalAws(speed=60)) as aws:
        install(aws.local)
        yield aws


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("record.json").write_text(json.dumps(record()))


def fresh(aws: Canned) -> Asked:
    aws.answers.clear()
    aws.calls.clear()
    return Asked(aws)


@pytest.fixture
def asked(bare: Canned, here: None) -> Asked:
    """Where no function is."""
    return fresh(bare)


@pytest.fixture
def working(installed: Canned, here: None) -> Asked:
    """Where the functions of an installation are."""
    return fresh(installed)


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("kind", FOREIGN)
def test_a_strangers_stack_is_refused_and_what_is_in_it_named(asked: Asked, command: str, kind: str) -> None:
    answer, contents = FOREIGN[kind]
    answer(asked.aws)
    code, words = code_and_words(asked.run(command))
    assert code == 2, words
    assert (
        f"The stack {STACK} in {REGION} is not an installation of retry-run-task: it has {contents}" in words
    )
    assert "Name another stack with --stack." in words
    assert "retry-run-task deploy" not in words
    assert asked.changes() == []


@pytest.mark.parametrize("kind", FOREIGN)
def test_doctor_names_what_is_in_it(asked: Asked, kind: str) -> None:
    answer, contents = FOREIGN[kind]
    answer(asked.aws)
    (region,) = json.loads(asked.run("doctor", "--json").stdout)["regions"]
    (found,) = [one for one in region["checks"] if one["name"] == "stack"]
    assert found["status"] == "FAIL"
    assert f"is not an installation of retry-run-task: it has {contents}" in found["why"]
    # Nothing of a stranger's is judged as if it were ours.
    (alarms,) = [one for one in region["checks"] if one["name"] == "alarms"]
    assert (alarms["status"], alarms["why"]) == ("SKIP", "There is no installation that could have any.")


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize("kind", UNSEEN)
def test_what_cannot_be_seen_is_neither_a_strangers_nor_away(asked: Asked, command: str, kind: str) -> None:
    answer, action = UNSEEN[kind]
    answer(asked.aws)
    code, words = code_and_words(asked.run(command))
    assert "is not an installation" not in words
    assert "retry-run-task deploy" not in words
    if command in BEFORE:
        assert code in {0, 1}, words
    else:
        assert code in {1, 2}, words
        assert action in words
    assert asked.changes() == []


@pytest.mark.parametrize("command", OPERATING)
@pytest.mark.parametrize("kind", UNFINISHED)
def test_an_installation_without_its_functions_says_how_it_is(asked: Asked, command: str, kind: str) -> None:
    answer, next_step = UNFINISHED[kind]
    answer(asked.aws)
    code, words = code_and_words(asked.run(command))
    assert code == 2, words
    assert f"The stack {STACK} in {REGION} is {kind}" in words
    assert next_step in words
    assert "is not an installation" not in words


@pytest.mark.parametrize("command", OPERATING)
def test_where_there_is_nothing_it_can_be_installed(asked: Asked, command: str) -> None:
    none_there(asked.aws)
    code, words = code_and_words(asked.run(command))
    assert code == 2, words
    assert f"There is no installation {STACK} in {REGION}" in words
    assert "install it with: retry-run-task deploy." in words


@pytest.mark.parametrize("command", BEFORE)
def test_before_anything_is_installed_these_work(asked: Asked, command: str) -> None:
    none_there(asked.aws)
    code, words = code_and_words(asked.run(command))
    assert code == 0, words


@pytest.mark.parametrize("command", [name for name in OPERATING if name != "verify"])
@pytest.mark.parametrize(
    "kind",
    [
        stack("UPDATE_IN_PROGRESS", OURS),
        stack("UPDATE_ROLLBACK_FAILED", OURS),
        stack("DELETE_IN_PROGRESS", OURS),
        unseen(DESCRIBE),
        unseen(LIST),
    ],
    ids=["updated", "stuck", "removed", "unseen", "unlisted"],
)
def test_with_its_functions_it_is_worked_with_whatever_its_stack_does(
    working: Asked, command: str, kind: Kind
) -> None:
    kind(working.aws)
    code, words = code_and_words(working.run(command))
    assert code == 0, words


@pytest.mark.parametrize("command", LOOKING)
def test_functions_that_may_not_be_looked_at_are_not_said_to_be_away(working: Asked, command: str) -> None:
    none_there(working.aws)
    working.aws.answers["lambda:GetFunctionConfiguration"] = denied("lambda:GetFunctionConfiguration")
    code, words = code_and_words(working.run(command))
    assert "There is no installation" not in words
    assert "retry-run-task deploy" not in words
    if command in OPERATING:
        assert code == 1, words
        assert "lambda:GetFunctionConfiguration" in words
