"""A command in a hint leads to where the command that printed it looked."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import retry_run_task
from retry_run_task.commands.shared import hints, options

COMMANDS = Path(retry_run_task.__file__).parent / "commands"
# What asks for no Region and no account.
ANYWHERE = ("aws configure list-profiles",)


@click.command()
@options.one_region
def command(**_given: str) -> None:
    click.echo(hints.aws_line("sns list-topics"))
    click.echo(hints.aws_line("sns list-topics", "us-east-1"))
    click.echo(hints.command_line("status"))


@pytest.mark.parametrize(
    ("arguments", "file", "expected"),
    [
        ("", "", ["", " --region us-east-1", ""]),
        (
            "--region eu-west-1 --profile 'a b'",
            "",
            [
                " --region eu-west-1 --profile 'a b'",
                " --region us-east-1 --profile 'a b'",
                " --region eu-west-1 --profile 'a b'",
            ],
        ),
        # The AWS CLI does not read the file; our own commands do.
        (
            "",
            'region = "eu-west-1"\nprofile = "batch"\n',
            [" --region eu-west-1 --profile batch", " --region us-east-1 --profile batch", ""],
        ),
    ],
)
def test_it_has_the_region_and_the_profile(
    arguments: str, file: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if file:
        Path("retry-run-task.toml").write_text(file)
    done = CliRunner().invoke(command, arguments)
    programs = ("aws sns list-topics", "aws sns list-topics", "retry-run-task status")
    assert done.stdout.splitlines() == [
        program + more for program, more in zip(programs, expected, strict=True)
    ]


def test_without_a_command_line_as_in_lambda_it_has_neither() -> None:
    assert hints.aws_line("sns list-topics") == "aws sns list-topics"


def test_one_of_several_regions_is_the_one_that_is_looked_at() -> None:
    @click.command()
    @options.several_regions
    def several(**_given: str) -> None:
        options.look_at("eu-west-1")
        click.echo(hints.aws_line("sns list-topics"))

    done = CliRunner().invoke(several, "--region us-east-1 --region eu-west-1")
    assert done.stdout == "aws sns list-topics --region eu-west-1\n"


def texts(tree: ast.AST) -> list[str]:
    """Return the texts of a module that are no docstrings."""
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    ]


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [(r"(?<![-\w])aws [a-z0-9-]+ [a-z-]+", ANYWHERE), (r"(?<![-\w])aws (sso )?login\b", ())],
)
def test_no_other_text_of_a_command_names_one_of_the_aws_cli(pattern: str, allowed: tuple[str, ...]) -> None:
    found = [
        f"{path.relative_to(COMMANDS)}: {text}"
        for path in sorted(COMMANDS.rglob("*.py"))
        for text in texts(ast.parse(path.read_text(encoding="utf-8")))
        if re.search(pattern, text) and not any(one in text for one in allowed)
    ]
    # access.py names the profile of a session whose login has expired.
    assert [one for one in found if not re.fullmatch(r"shared/access\.py: aws (sso )?login", one)] == []


def _commands_without_a_colon(text: str) -> list[int]:
    """Return the lines of f-strings in which a command is not introduced by a colon."""
    found = []
    for node in ast.walk(ast.parse(text)):
        for before, value in itertools.pairwise(node.values) if isinstance(node, ast.JoinedStr) else ():
            call = value.value if isinstance(value, ast.FormattedValue) else None
            name = getattr(
                getattr(call, "func", None), "attr", getattr(getattr(call, "func", None), "id", "")
            )
            words = before.value if isinstance(before, ast.Constant) else ""
            if name in ("command_line", "aws_line") and not words.endswith((": ", "&& ", "| ", "\n")):
                found.append(node.lineno)
    return found


def test_a_command_in_a_sentence_is_introduced_by_a_colon() -> None:
    """So that it is seen to be one, and is not broken over lines."""
    folder = COMMANDS
    found = {str(path): _commands_without_a_colon(path.read_text()) for path in folder.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}
    assert _commands_without_a_colon('f"with {aws_line(1)}"') == [1]
    assert _commands_without_a_colon('f"with: {hints.command_line(1)}"') == []
