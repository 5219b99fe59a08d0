"""An installation that is no stack of CloudFormation, as by Terraform: every command sees it, none takes it apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from click.testing import CliRunner, Result

from functional.test_whose_stack import OURS, stack
from retry_run_task import __version__
from retry_run_task.commands.main import retry_run_task
from retry_run_task.errors import RetryRunTaskError
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import install
from retry_run_task.local.server import AwsError
from support.canned import Canned, denied
from support.site import Site

CARRIES_WHAT_IT_DEPLOYS = pytest.mark.skipif(
    not files("retry_run_task.commands.deploy").joinpath("data", "lambda.zip").is_file(),
    reason="a source tree carries nothing to deploy",
)
ELSEWHERE = "retry-run-task is installed by Terraform in ap-northeast-1, but not as a stack of CloudFormation"
DELETE = "aws cloudformation delete-stack --stack-name retry-run-task --region ap-northeast-1"
OUTPUTS = [
    {"OutputKey": name, "OutputValue": value}
    for name, value in (
        ("Version", __version__),
        ("IntakeFunction", "retry-run-task-intake"),
        ("RecoverFunction", "retry-run-task-recover"),
    )
]


class Place:
    """An account with a trail, a cluster and the product, of which CloudFormation knows nothing."""

    def __init__(self, aws: Canned) -> None:
        self.aws = aws
        self.site = Site(aws.local)
        aws.local.described.has_trail = True
        aws.answers["cloudformation:DescribeStacks"] = AwsError(
            "ValidationError", "Stack with id retry-run-task does not exist"
        )

    def run(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(
            retry_run_task, arguments, env=self.aws.environment(), standalone_mode=False
        )
        if result.exception is not None:
            raise result.exception
        assert result.return_value == code, result.output
        return result

    def checks(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        result = CliRunner().invoke(
            retry_run_task, ["doctor", "--json"], env=self.aws.environment(), standalone_mode=False
        )
        for one in json.loads(result.stdout)["regions"][0]["checks"]:
            found.setdefault(one["name"], []).append(one)
        return found

    def fails(self, *arguments: str) -> str:
        with pytest.raises(RetryRunTaskError) as caught:
            self.run(*arguments)
        return str(caught.value)


@pytest.fixture
def bare() -> Iterator[Place]:
    with Canned(LocalAws(speed=60, trail_delay=(2, 1), event_sources=("logs",))) as aws:
        yield Place(aws)


BY_TERRAFORM = {"RETRY_RUN_TASK_INSTALLED_BY": "terraform"}
MODULE = "terraform destroy -target=module.NAME"


@pytest.fixture
def place(bare: Place) -> Place:
    made = install(bare.aws.local, settings=BY_TERRAFORM)
    bare.aws.local.described.subscriptions[made.topic_arn] = ("on-call@example.com",)
    return bare


def test_doctor_sees_it_and_says_how_to_remove_it(place: Place) -> None:
    found = place.checks()
    (stack,), (durable,), (alarms,) = found["stack"], found["durable functions"], found["alarms"]
    assert (stack["status"], stack["why"]) == ("OK", "retry-run-task is installed by Terraform.")
    assert MODULE in stack["next"]
    assert (durable["status"], alarms["status"]) == ("OK", "OK")


@pytest.mark.parametrize("mark", ["", "cloudformation", "deploy"])
def test_what_has_no_stack_and_no_mark_of_terraform_came_in_an_unknown_way(bare: Place, mark: str) -> None:
    install(bare.aws.local, settings={"RETRY_RUN_TASK_INSTALLED_BY": mark})
    (stack,) = bare.checks()["stack"]
    assert stack["why"] == "retry-run-task is installed, but not by CloudFormation."
    assert "what made it, such as terraform apply or terraform destroy" in stack["next"]


def test_status_says_how_it_was_installed_and_how_to_remove_it(place: Place) -> None:
    words = " ".join(place.run("status").stdout.split())
    assert "retry-run-task is installed by Terraform. Remove it with: terraform destroy" in words
    (region,) = json.loads(place.run("status", "--json").stdout)["regions"]
    assert region["installed_by"] == "terraform"


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("deploy", ""),
        (
            "cloudformation",
            f"installed by CloudFormation without deploy. Remove it with: {DELETE}, or with: retry-run-task",
        ),
    ],
)
def test_a_stack_that_deploy_did_not_make_is_told_from_its_own(bare: Place, way: str, said: str) -> None:
    install(bare.aws.local, settings={"RETRY_RUN_TASK_INSTALLED_BY": way})
    stack(resources=OURS, Outputs=OUTPUTS)(bare.aws)
    words = " ".join(bare.run("status").stdout.split())
    assert said in words
    assert ("installed by" in words) is bool(said)
    (check,) = bare.checks()["stack"]
    by = {"deploy": "by deploy", "cloudformation": "by CloudFormation without deploy"}[way]
    assert check["why"] == f"retry-run-task is installed {by}, version {__version__}."
    assert ("delete-stack" in check["next"]) is bool(said)


def test_what_cannot_be_seen_is_not_said_to_be_away(place: Place) -> None:
    place.aws.answers["lambda:GetFunctionConfiguration"] = denied("lambda:GetFunctionConfiguration")
    (stack,) = place.checks()["stack"]
    assert (stack["status"], "lambda:GetFunctionConfiguration" in stack["why"]) == ("SKIP", True)
    result = place.run("destroy", "--yes", code=1)
    assert "whether its functions are there is not known (lambda:GetFunctionConfiguration)" in result.stderr
    assert "Removed" not in result.output


@pytest.mark.parametrize(
    "command",
    [
        ("destroy", "--yes"),
        pytest.param(("deploy", "--yes"), marks=CARRIES_WHAT_IT_DEPLOYS),
        pytest.param(("deploy", "--dry-run"), marks=CARRIES_WHAT_IT_DEPLOYS),
    ],
)
def test_it_is_neither_replaced_nor_taken_apart(place: Place, command: tuple[str, ...]) -> None:
    place.aws.local.described.buckets.add("retry-run-task-123456789012-ap-northeast-1")
    said = place.fails(*command)
    assert ELSEWHERE in said
    assert "terraform destroy" in said
    assert not [one for one in place.aws.calls if one.startswith("s3:")]


@pytest.mark.parametrize(
    "command",
    [
        ("doctor",),
        ("replay", "--yes"),
        ("verify", "--task-definition", "nightly", "--cluster", "batch", "--yes"),
    ],
)
def test_of_recover_what_is_live_is_read(place: Place, command: tuple[str, ...]) -> None:
    """Without the alias, Lambda tells of $LATEST, which no recovery runs."""
    CliRunner().invoke(retry_run_task, command, env=place.aws.environment(), standalone_mode=False)
    read = [
        path.removesuffix("/configuration").partition("/functions/")[2]
        for action, path in zip(place.aws.calls, place.aws.paths, strict=True)
        if action.startswith("lambda:GetFunction")
    ]
    of_recover = {one.rpartition("function:")[2] for one in read if "-recover" in one}
    assert of_recover == {"retry-run-task-recover:live"}


@pytest.mark.parametrize("variables", [{}, {"RETRY_RUN_TASK_STACK": "other"}])
def test_a_function_of_somebody_else_is_no_installation(bare: Place, variables: dict[str, str]) -> None:
    bare.aws.local.functions.create("retry-run-task-intake", "plain.echo", environment=variables)
    (stack,) = bare.checks()["stack"]
    assert stack["why"] == "retry-run-task is not installed here."
    assert "is not of an installation" in " ".join(bare.run("status", code=2).stdout.split())
    for command in (
        ("verify", "--task-definition", "nightly", "--yes"),
        ("stop", "--all", "--reason", "x", "--yes"),
        ("replay", "--yes"),
    ):
        assert "retry-run-task-intake in ap-northeast-1 is not of an installation" in bare.fails(*command)


def test_verify_finds_the_log_group_by_its_filter(place: Place) -> None:
    result = place.run(
        "verify", "--task-definition", "nightly", "--cluster", "batch", "--subnet", "subnet-a",
        "--yes", "--json", "--poll-s", "0.2",
    )  # fmt: skip
    assert json.loads(result.stdout)["verified"] is True
    assert f"installed by Terraform. Remove it with: terraform destroy, or {MODULE}" in result.stderr


def test_verify_asks_for_the_log_group_that_it_does_not_find(place: Place) -> None:
    place.aws.local.described.has_trail = False
    said = place.fails("verify", "--task-definition", "nightly", "--yes")
    assert "The log group that retry-run-task gets its records from is not known" in said


def test_verify_refuses_what_its_settings_leave_alone(bare: Place) -> None:
    install(bare.aws.local, settings={"RETRY_RUN_TASK_CLUSTERS": "other"})
    said = bare.fails("verify", "--task-definition", "nightly", "--cluster", "batch", "--yes")
    assert "batch is not among other" in said


def test_recoveries_are_listed_and_steered(place: Place) -> None:
    assert "Shown: all in progress" in place.run("status").stdout
    assert "There is no recovery to stop" in place.run("stop", "--all", "--reason", "x", "--yes").stderr
