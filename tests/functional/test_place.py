"""Where each command looks: one order of what is typed, the settings file, the environment and the profile."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from retry_run_task.commands.main import retry_run_task
from retry_run_task.commands.shared import settings
from retry_run_task.errors import ConfigError
from retry_run_task.local.server import HttpRequest, HttpResponse, Server
from support.records import REGION, record

ASK_NOBODY = ("--all", "--reason", "x", "--yes")
READING = {
    "doctor": (),
    "status": (),
    "audit": (),
    "report": (),
    "policy try": (),
}
CHANGING = {
    "deploy": ("--yes",),
    "verify": ("--task-definition", "nightly", "--yes"),
    "destroy": ("--yes",),
    "stop": ASK_NOBODY,
    "pause": ASK_NOBODY,
    "resume": ASK_NOBODY,
    "replay": ("--yes",),
}
COMMANDS = READING | CHANGING
CARRIES_WHAT_IT_DEPLOYS = pytest.mark.skipif(
    not files("retry_run_task.commands.deploy").joinpath("data", "lambda.zip").is_file(),
    reason="a source tree carries nothing to deploy",
)
EVERY_COMMAND = [
    pytest.param(name, marks=CARRIES_WHAT_IT_DEPLOYS if name == "deploy" else ()) for name in COMMANDS
]

IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/x</Arn>"
    b"<UserId>x</UserId><Account>123456789012</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
)
DENIED = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>"

NO_STACK = (
    b"<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id x does not exist</Message></Error>"
    b"</ErrorResponse>"
)


class Guard:
    """An AWS that says who you are, refuses everything else, and remembers where it was asked.

    Attributes:
        asked: Regions and access keys of the requests.
        texts: What was asked for.
        has_anything: Whether it says that there is nothing, instead of refusing.
    """

    def __init__(self) -> None:
        self.asked: set[tuple[str | None, str | None]] = set()
        self.texts: list[str] = []
        self.has_anything = True

    def serve(self, request: HttpRequest) -> HttpResponse:
        key, region, service = request.signed_with
        self.asked.add((region, key))
        self.texts.append(f"{request.path} {request.body.decode()}")
        if b"GetCallerIdentity" in request.body:
            return HttpResponse(body=IDENTITY, headers={"Content-Type": "text/xml"})
        if service == "cloudformation":
            body = DENIED if self.has_anything else NO_STACK
            return HttpResponse(status=400, body=body, headers={"Content-Type": "text/xml"})
        code = "AccessDeniedException" if self.has_anything else "ResourceNotFoundException"
        body = json.dumps({"__type": code, "message": "not you"}).encode()
        return HttpResponse(status=400, body=body, headers={"x-amzn-ErrorType": code})


@pytest.fixture
def guard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    """With two profiles, and nothing else that says where."""
    one = Guard()
    server = Server(one.serve)
    server.start()
    config = tmp_path / "aws.ini"
    config.write_text(
        "".join(
            f"[profile {name}]\nregion = {region}\naws_access_key_id = {name}\naws_secret_access_key = x\n"
            for name, region in (("typed", "eu-north-1"), ("of-file", "eu-south-1"), ("of-env", "eu-west-3"))
        )
        + "[profile empty]\noutput = json\n"
    )
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{server.address}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_PROFILE", "of-env")
    monkeypatch.chdir(tmp_path)
    yield one
    server.stop()


def run(command: str, *arguments: str) -> Result:
    given = [*command.split(), *COMMANDS.get(command, ()), *arguments]
    return CliRunner().invoke(retry_run_task, given, standalone_mode=False)


def context_of(command: str, *given: str) -> click.Context:
    # With the parent's settings, since click remembers the help option that a command was first made with.
    parent = click.Context(retry_run_task, **retry_run_task.context_settings)
    found: Any = retry_run_task
    for word in command.split():
        found = found.commands[word]
    made: click.Context = found.make_context(command, [*(given or COMMANDS[command])], parent)
    return made


FILE = 'stack = "of-file"\nregion = "eu-west-1"\nprofile = "of-file"\n'
TYPED = ("--region", "us-east-2", "--profile", "typed")


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ((TYPED, FILE, "us-west-1"), ("us-east-2", "typed", "typed")),
        ((TYPED, "", "us-west-1"), ("us-east-2", "typed", "typed")),
        (((), FILE, "us-west-1"), ("eu-west-1", "of-file", "of-file")),
        (((), FILE, ""), ("eu-west-1", "of-file", "of-file")),
        (((), 'profile = "of-file"', ""), ("eu-south-1", "of-file", "retry-run-task")),
        (((), 'profile = "of-file"', "us-west-1"), ("us-west-1", "of-file", "retry-run-task")),
        (((), 'stack = "of-file"', "us-west-1"), ("us-west-1", "of-env", "of-file")),
        (((), "", "us-west-1"), ("us-west-1", "of-env", "retry-run-task")),
        (((), "", ""), ("eu-west-3", "of-env", "retry-run-task")),
    ],
    ids=["all", "no file", "file", "file alone", "profile", "profile's Region", "stack", "env", "nothing"],
)
def test_every_command_looks_where_the_same_order_says(
    guard: Guard,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    command: str,
    given: tuple[tuple[str, ...], str, str],
    found: tuple[str, str, str],
) -> None:
    """Given is what is typed, the settings file and AWS_REGION; found are Region, access key and stack."""
    (typed, file, aws_region), (region, key, stack) = given, found
    if file:
        (tmp_path / "retry-run-task.toml").write_text(file)
    monkeypatch.setenv("AWS_REGION", aws_region)
    result = run(command, *typed, *(("--stack", "typed") if typed else ()))
    assert guard.asked == {(region, key)}, result.output
    assert any(stack in text for text in guard.texts), guard.texts
    where = f"Stack {stack} in {region}, account 123456789012"
    # deploy's plan begins with it, and doctor's checks say it.
    assert (where in result.stderr) is (command not in {"deploy", "doctor", "policy try"}), result.output


def test_the_region_of_the_file_is_none_of_the_regions_to_recover_in(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "retry-run-task.toml").write_text(FILE)
    context = context_of("deploy")
    assert (context.params["region"], context.params["regions"]) == ("eu-west-1", None)


# What each setting outside the tables is for; the others say where every command looks.
SETTINGS = {
    "look_with": {"deploy", "doctor", "verify", "audit", "explain", "replay", "report", "policy try"},
    "bucket": {"deploy", "destroy"},
    "policy": {"deploy"},
    "cloudformation_role": {"deploy"},
}
# Without an option, it is the installed policy.
OF_ITS_OWN = {("replay", "policy")}


def test_every_setting_counts_for_every_command_that_has_such_an_option() -> None:
    assert set(SETTINGS) | set(settings.PLACE) == set(settings.OPTIONS)
    for key, commands in SETTINGS.items():
        found = set(having(retry_run_task, key))
        assert found - {name for name, other in OF_ITS_OWN if other == key} == commands


@pytest.mark.parametrize(
    ("typed", "file", "found"), [("typed", "of-file", "typed"), ("", "of-file", "of-file")]
)
@pytest.mark.parametrize(
    ("command", "key"),
    [
        pytest.param(name, key, marks=CARRIES_WHAT_IT_DEPLOYS if name == "deploy" else ())
        for key, names in SETTINGS.items()
        for name in sorted(names)
        if key in settings.EVERYWHERE
    ],
)
def test_what_is_typed_counts_before_the_file(
    guard: Guard, tmp_path: Path, command: str, key: str, typed: str, file: str, found: str
) -> None:
    (tmp_path / "retry-run-task.toml").write_text(f'{key} = "{file}"\n')
    Path("record.json").touch()
    given = ("record.json", "--aws") if command == "explain" else COMMANDS[command]
    more = (f"--{key.replace('_', '-')}", typed) if typed else ()
    assert context_of(command, *given, *more).params[key] == found


def test_destroy_looks_into_the_bucket_of_the_file(guard: Guard, tmp_path: Path) -> None:
    """After the stack is deleted by hand, nothing else says which it was."""
    (tmp_path / "retry-run-task.toml").write_text('bucket = "team-artifacts"\n')
    guard.has_anything = False
    run("destroy")
    assert any("/team-artifacts" in text for text in guard.texts), guard.texts


@pytest.mark.parametrize(
    ("typed", "file", "found"),
    [
        ("typed", "of-file", "typed"),
        ("", "of-file", "of-file"),
        ("typed", "", "typed"),
        ("", "", ""),
    ],
)
def test_destroy_takes_the_trails_log_group_from_the_file(
    guard: Guard, tmp_path: Path, typed: str, file: str, found: str
) -> None:
    """As with the bucket: after the stack is deleted by hand, the record of verify is found there."""
    (tmp_path / "retry-run-task.toml").write_text(f'[parameters]\ntrail_log_group_name = "{file}"\n')
    context = context_of("destroy", "--yes", *(("--log-group", typed) if typed else ()))
    assert context.params["left_log_group"] == found
    # verify asks the installation instead, which may have been deployed with another one.
    assert context_of("verify").params["log_group"] == ""


LOOKING = ("deploy", "doctor", "verify", "audit", "replay", "report", "policy try")
BY_RECORDS = ("explain",)


@pytest.mark.parametrize("command", [one for one in EVERY_COMMAND if one.values[0] in LOOKING])
@pytest.mark.parametrize(
    ("typed", "file", "found"),
    [("typed", "of-file", "typed"), ("", "of-file", "of-file"), ("typed", "", "typed"), ("", "", "")],
)
def test_a_role_to_look_with_may_stand_in_the_file(
    guard: Guard, tmp_path: Path, command: str, typed: str, file: str, found: str
) -> None:
    (tmp_path / "retry-run-task.toml").write_text(f'look_with = "{file}"\n' if file else "")
    guard.has_anything = command != "deploy"
    account = "210987654321"
    more = {
        "verify": ("--in-account", account, "--log-group", "x"),
        "deploy": ("--member-accounts", account),
    }
    result = run(command, *more.get(command, ()), *(("--look-with", typed) if typed else ()))
    context = context_of(command)
    assert context.params["look_with"] == file, result.output
    asked = [text for text in guard.texts if "AssumeRole" in text]
    if command in more:  # which accounts are members the others would learn from the stack
        assert [f"role%2F{found}&" in text for text in asked] == ([True] if found else [])


def test_every_command_that_looks_into_member_accounts_is_in_the_table() -> None:
    assert set(having(retry_run_task, "look_with")) == {*LOOKING, *BY_RECORDS}


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_another_settings_file_can_be_named(guard: Guard, tmp_path: Path, command: str) -> None:
    (tmp_path / "retry-run-task.toml").write_text('region = "us-east-1"')
    (tmp_path / "other.toml").write_text('region = "ap-south-1"')
    run(command, "--settings", "other.toml")
    assert {region for region, _ in guard.asked} == {"ap-south-1"}


@pytest.mark.parametrize("command", EVERY_COMMAND)
@pytest.mark.parametrize(
    ("arguments", "file", "said"),
    [
        (("--settings", "/nix.toml"), "", "There is no file '/nix.toml'"),
        ((), "region = 5\nstack = ''", "region is 5; expected a text; stack is ''; expected a text"),
        ((), "stak = 'prod'", "stak is not a setting; expected one of stack, region, profile"),
        ((), "parameters = 1", "parameters is not a table"),
        ((), "[parameters]\nnix = 1", "parameters.nix is not a parameter; expected one of also_recover"),
        (
            (),
            "[parameters]\ntask_definitions = 'a:7'\nlog_retention_days = 2",
            "no ARN), with commas between them; parameters.log_retention_days is 2; expected one of 1, 3, 5",
        ),
        ((), "[tags]\nTeam = 7", "tags.Team is 7; expected a text"),
        ((), "look_with = ['x']", "look_with is ['x']; expected a text"),
        ((), "region =", "is not TOML"),
    ],
)
def test_a_file_that_does_not_say_where_is_refused(
    guard: Guard, tmp_path: Path, command: str, arguments: tuple[str, ...], file: str, said: str
) -> None:
    (tmp_path / "retry-run-task.toml").write_text(file)
    result = run(command, *arguments)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert guard.asked == set()


def test_deploy_asks_nothing_if_it_carries_nothing_to_deploy(guard: Guard) -> None:
    """As a package that was made from sources without `make bundle`."""
    source = Path(__file__).parents[2] / "src"
    ended = subprocess.run(
        [sys.executable, "-m", "retry_run_task", "deploy", "--yes"],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "carries no lambda.zip, so there is nothing to deploy. In a checkout," in ended.stderr
    assert guard.asked == set()


def having(group: click.Group, option: str, above: str = "") -> Iterator[str]:
    for name, one in group.commands.items():
        if isinstance(one, click.Group):
            yield from having(one, option, f"{name} ")
        elif any(other.name == option for other in one.params):
            yield f"{above}{name}"


def test_every_command_that_asks_aws_is_in_the_table() -> None:
    # The records say where explain looks.
    assert set(having(retry_run_task, "profile")) == {*COMMANDS, *BY_RECORDS}


@pytest.mark.parametrize(
    ("typed", "file", "found"),
    [
        (("--profile", "typed"), FILE, [("eu-west-1", "typed"), (REGION, "typed")]),
        ((), FILE, [("eu-west-1", "of-file"), (REGION, "of-file")]),
        ((), "", [("us-west-1", "of-env"), (REGION, "of-env")]),
    ],
)
def test_explain_asks_with_the_same_credentials_where_the_record_says(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, typed: tuple[str, ...], file: str, found: list[Any]
) -> None:
    """Only who is asking is read in the installation's Region, and recover's settings are for another account."""
    Path("retry-run-task.toml").write_text(file)
    Path("record.json").write_text(json.dumps(record()))
    monkeypatch.setenv("AWS_REGION", "us-west-1")
    arguments = ["explain", "record.json", "--aws", *typed]
    assert CliRunner().invoke(retry_run_task, arguments, standalone_mode=False).return_value == 0
    assert guard.asked == set(found)


HERE = "--region us-east-2 --profile typed --stack typed"


def words_of(result: Result) -> str:
    return " ".join(f"{result.output} {result.exception or ''}".split())


@pytest.mark.parametrize("command", ["stop", "pause", "resume", "replay", "status", "verify", "doctor"])
def test_a_hint_leads_to_where_the_command_looked(guard: Guard, command: str) -> None:
    guard.has_anything = False
    result = run(command, *TYPED, "--stack", "typed")
    assert f"retry-run-task deploy {HERE}" in words_of(result)


@pytest.mark.parametrize("command", [*EVERY_COMMAND, "explain"])
@pytest.mark.parametrize("has_anything", [True, False])
def test_every_command_in_what_is_said_leads_there(guard: Guard, command: str, has_anything: bool) -> None:
    guard.has_anything = has_anything
    Path("record.json").write_text(json.dumps(record(recipientAccountId="210987654321")))
    has_stack = command != "policy try"
    typed = (*TYPED, *(("--stack", "typed") if has_stack else ()))
    if command == "explain":
        # Its --region is about records.
        typed = ("--aws", "record.json", *typed[2:])
    words = words_of(run(command, *typed))
    named = re.findall(r"(?:aws [a-z0-9-]+ [a-z-]+|retry-run-task [a-z]+)(?= )[^.;:,()]*", words)
    for one in named:
        wanted = ["--profile typed"] if command == "explain" else ["--region us-east-2", "--profile typed"]
        if one.startswith("retry-run-task") and has_stack:
            wanted.append("--stack typed")
        assert [option for option in wanted if option not in one] == [], one


@pytest.mark.parametrize("command", [*EVERY_COMMAND, "explain"])
@pytest.mark.parametrize("way", ["typed", "file"])
def test_without_credentials_the_hint_has_region_and_profile(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, command: str, way: str
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    Path("record.json").write_text(json.dumps(record()))
    typed = ("--region", "us-east-2", "--profile", "empty")
    if command == "explain":
        if way == "typed":
            typed = typed[2:]
        typed = ("--aws", "record.json", *typed)
    if way == "file":
        Path("retry-run-task.toml").write_text('region = "us-east-2"\nprofile = "empty"\n')
        typed = typed[:2] if command == "explain" else ()
    here = (
        "--profile empty" if (command, way) == ("explain", "typed") else "--region us-east-2 --profile empty"
    )
    assert f"with: aws sso login {here};" in words_of(run(command, *typed))
    assert guard.asked == set()


def test_a_hint_leads_to_the_one_of_several_regions(guard: Guard) -> None:
    guard.has_anything = False
    result = run("doctor", "--region", "us-east-1", "--region", "us-east-2", "--settings", "my own.toml")
    assert "There is no file 'my own.toml'" in str(result.exception)
    Path("my own.toml").touch()
    result = run("doctor", "--region", "us-east-1", "--region", "us-east-2", "--settings", "my own.toml")
    lines = [line.strip() for line in result.stdout.splitlines() if "Install it with" in line]
    assert lines == [
        f"Install it with: retry-run-task deploy --region {region} --settings 'my own.toml'"
        for region in ("us-east-1", "us-east-2")
    ]


def test_a_hint_says_nothing_that_needs_not_be_typed(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "retry-run-task.toml").write_text(FILE)
    guard.has_anything = False
    assert "with: retry-run-task deploy." in str(run("stop").exception)
