"""The zip that runs in Lambda: what is in it, that it is the same every time, and that it works by itself."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import install, install_audit
from support.records import HAND_MADE
from support.release import built_from
from support.site import REGION, Site

ROOT = Path(__file__).parents[2]
OWN = "retry_run_task"
# What the runtime brings, and what only the commands, the local AWS or the tests need.
NOT_IN_IT = frozenset(
    {
        *("boto3", "botocore", "s3transfer", "urllib3"),
        *("click", "rich", "lark", "aws_durable_execution_sdk_python_testing", "pytest", "bin"),
    }
)
# Intake is started for every burst of failures: what only recover or a person needs must not slow it.
NOT_FOR_INTAKE = (
    *("aws_durable_execution_sdk_python", "aws_durable_execution_sdk_python_testing"),
    *("click", "rich", "lark", f"{OWN}.commands", f"{OWN}.local", f"{OWN}.simulate"),
    # It decides nothing, tells no person, and its one client needs no resources, managers or transfers.
    *(f"{OWN}.{part}" for part in ("failures", "messages", "recovery", "handlers._recover")),
    *(f"{OWN}.policy.{part}" for part in ("decision", "file", "keys", "ladder", "rules")),
    *("boto3", "s3transfer", "multiprocessing.managers", "asyncio", "tomllib"),
)

# What the Lambda runtime brings along, and the zip therefore does not.
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html#python-sdk-included
RUNTIMES_OWN = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six.py", "urllib3")


def build(out: Path, sources: Path = ROOT, **options: Any) -> Path:
    """Build the zip as ``make bundle`` does, in a process of its own."""
    command = [sys.executable, sources / "tools" / "bundle.py", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
    return out


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip as make built it; where nobody has built one, it is built now."""
    made = ROOT / "build" / "lambda.zip"
    return made if made.exists() else build(tmp_path_factory.mktemp("bundle") / "lambda.zip")


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what the runtime brings, and nothing else that is installed here."""
    folder = tmp_path_factory.mktemp("runtime")
    installed = Path(boto3.__file__).parents[1]
    for name in RUNTIMES_OWN:
        (folder / name).symlink_to(installed / name)
    return folder


@pytest.fixture
def unpacked(bundle: Path, tmp_path: Path) -> Path:
    """The zip's content as Lambda puts it under ``/var/task``."""
    folder = tmp_path / "task"
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def names(bundle: Path) -> list[str]:
    with zipfile.ZipFile(bundle) as archive:
        return archive.namelist()


@pytest.fixture(scope="session")
def tool() -> Any:
    """``tools/bundle.py`` as a module."""
    spec = importlib.util.spec_from_file_location("bundle_tool", ROOT / "tools" / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PARTS = ("aws", "failures", "handlers", "launch", "messages", "policy", "recovery", "sources")


def own_modules(folder: Path) -> set[str]:
    """Return the files of the package that belong into the zip."""
    parts = [
        folder / name
        for name in (
            "__init__.py",
            "py.typed",
            "policy.toml",
            "intake.py",
            "config.py",
            "documentation.py",
            "errors.py",
            "text.py",
        )
    ]
    parts += [path for part in PARTS for path in (folder / part).rglob("*.py")]
    return {path.relative_to(folder.parent).as_posix() for path in parts} | audits_modules(folder)


def audits_modules(folder: Path) -> set[str]:
    """Return the files of the commands that the daily audit imports, with the packages that they are in."""
    found, waiting = set(), [folder / "commands" / "audit" / "function.py"]
    while waiting:
        path = waiting.pop()
        if path in found or "commands" not in path.relative_to(folder).parts[:1]:
            continue
        found.add(path)
        waiting += [parent / "__init__.py" for parent in path.parents if parent.is_relative_to(folder)]
        for module, names in imports(ast.parse(path.read_text(encoding="utf-8"))):
            base = folder.parent.joinpath(*module.split("."))
            waiting += [
                p for p in (base.with_suffix(".py"), *(base / f"{n}.py" for n in names)) if p.exists()
            ]
    return {path.relative_to(folder.parent).as_posix() for path in found}


def test_all_of_our_own_that_runs_in_lambda_is_in_it_and_nothing_else_of_ours(names: list[str]) -> None:
    ours = {name for name in names if name.startswith(f"{OWN}/")}
    assert ours == own_modules(ROOT / "src" / OWN) | {f"{OWN}/LICENSE"}


def test_what_the_runtime_brings_and_what_stays_at_home_is_not_in_it(names: list[str]) -> None:
    top = {name.split("/")[0].removesuffix(".py") for name in names}
    assert top & NOT_IN_IT == set()
    assert not [name for name in names if "/tests/" in name or "event_handler" in name.split("/")]


def test_the_packages_are_the_pinned_ones_with_their_metadata(names: list[str]) -> None:
    pinned = {
        line.split()[0].replace("==", "-").replace("-", "_")
        for line in (ROOT / "requirements" / "lambda.txt").read_text().splitlines()
        if "==" in line
    }
    found = {name.split(".dist-info/")[0].replace("-", "_") for name in names if ".dist-info/" in name}
    assert found == pinned
    assert sum(name.endswith(".dist-info/METADATA") for name in names) == len(pinned)
    # Each has its licence's text with it: tests/infra/test_licences.py.


def test_nothing_in_it_depends_on_who_built_it_when_and_on_what_machine(bundle: Path) -> None:
    """No bytecode, no machine code, none of pip's notes; one time, one mode, sorted names."""
    with zipfile.ZipFile(bundle) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names == sorted(set(names))
    assert not [n for n in names if n.endswith((".pyc", ".so", ".pyd")) or "__pycache__" in n or "/." in n]
    assert not [n for n in names if n.endswith(("/RECORD", "/INSTALLER", "/REQUESTED", "/direct_url.json"))]
    assert len({entry.date_time for entry in entries}) == 1
    assert {oct(entry.external_attr >> 16) for entry in entries} == {"0o100644"}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_DEFLATED}


def test_building_again_gives_the_same_bytes(bundle: Path, tmp_path: Path) -> None:
    """Also in another place, with another umask, another hash seed, and a home that writes bytecode."""
    environment = {**os.environ, "PYTHONHASHSEED": "1", "TMPDIR": str(tmp_path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with zipfile.ZipFile(bundle) as archive:
        module = archive.read(f"{OWN}/documentation.py").decode()
    sources = built_from(module.split('\nREPOSITORY = "')[1].split('"')[0], tmp_path / "tree")
    again = build(tmp_path / "elsewhere" / "again.zip", sources, env=environment, umask=0o077)
    assert again.read_bytes() == bundle.read_bytes(), "it differs from this build/lambda.zip: run make bundle"
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["again.zip"]


def test_the_order_in_which_files_are_found_does_not_matter(tool: Any) -> None:
    assert tool.zipped({"b": b"2", "a": b"1"}) == tool.zipped({"a": b"1", "b": b"2"})


def test_times_follow_the_convention_of_reproducible_builds(
    tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795478703")
    assert tool._time() == (2026, 11, 24, 0, 5, 3)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert tool._time() == (1980, 1, 1, 0, 0, 0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(tool.BundleError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        tool._time()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a-1.dist-info/WHEEL", b"Root-Is-Purelib: false\nTag: py3-none-any\n"),
        ("a-1.dist-info/WHEEL", b"Root-Is-Purelib: true\nTag: cp313-cp313-manylinux_2_28_x86_64\n"),
        ("a-1.dist-info/WHEEL", b"Root-Is-Purelib: true\nTag: py3-none-any\nTag: py3-none-linux_armv7l\n"),
        ("a-1.dist-info/WHEEL", b"Root-Is-Purelib: true\n"),
        ("a/speed.so", b""),
        ("a/tool", b"\x7fELF\x02"),
    ],
)
def test_what_may_not_run_on_arm64_is_refused(tool: Any, name: str, content: bytes) -> None:
    pure = {
        "b-1.dist-info/WHEEL": b"Root-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
        "b.py": b"",
    }
    tool._check_pure(pure)
    with pytest.raises(tool.BundleError, match="may not run on arm64"):
        tool._check_pure(pure | {name: content})


def test_a_build_that_fails_says_why_and_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out" / "lambda.zip"
    out.parent.mkdir()
    out.write_bytes(b"the last good one")
    nothing = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "bundle.py", out],
        env={**os.environ, **nothing},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: pip could not install requirements/lambda.txt:\n")
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == b"the last good one"
    assert [path.name for path in out.parent.iterdir()] == ["lambda.zip"]


def test_a_new_zip_takes_the_place_of_the_old_one_at_once(tool: Any, tmp_path: Path) -> None:
    """Whoever reads the old one, reads it to the end; nobody sees a part of the new one."""
    out = tmp_path / "lambda.zip"
    out.write_bytes(b"old")
    with out.open("rb") as reader:
        tool.write(b"new", out)
        assert reader.read() == b"old"
    assert out.read_bytes() == b"new"


def test_intake_imports_nothing_that_it_does_not_need(unpacked: Path, runtime: Path) -> None:
    loaded = imported(unpacked, runtime, {f"{OWN}.handlers": ["intake"]})
    assert f"{OWN}.handlers._intake" in loaded
    assert {
        n for n in loaded if n in NOT_FOR_INTAKE or n.startswith(tuple(f"{p}." for p in NOT_FOR_INTAKE))
    } == set()


def test_handlers_import_what_recover_needs_only_for_recover(unpacked: Path, runtime: Path) -> None:
    loaded = imported(unpacked, runtime, {f"{OWN}.handlers": ["recover"]})
    assert f"{OWN}.recovery.loop" in loaded
    assert f"{OWN}.handlers._intake" not in loaded


def test_everything_that_is_imported_is_in_the_zip_or_in_the_runtime(unpacked: Path, runtime: Path) -> None:
    """Also what is imported only when a function is called; the subprocess finds nothing that is installed here."""
    wanted: dict[str, list[str]] = {}
    for path in (unpacked / OWN).rglob("*.py"):
        for module, names in imports(ast.parse(path.read_text(encoding="utf-8"))):
            wanted.setdefault(module, []).extend(names)
    assert "recover" in wanted[f"{OWN}.recovery.loop"]
    assert "RetryDecision" in wanted["aws_durable_execution_sdk_python.retries"]
    loaded = imported(unpacked, runtime, wanted)
    assert wanted.keys() <= loaded.keys()
    ours = [Path(file) for name, file in loaded.items() if name.split(".")[0] == OWN]
    assert all(file.is_relative_to(unpacked) for file in ours)


def imports(tree: ast.AST) -> Iterator[tuple[str, list[str]]]:
    """Yield the modules that are imported when a module or one of its functions runs, and what is taken from them."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.Import(names=names):
                yield from ((alias.name, []) for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield module, [alias.name for alias in names]
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from (found for one in node.orelse for found in imports(one))
            case _:
                yield from imports(node)


def imported(unpacked: Path, runtime: Path, wanted: Mapping[str, list[str]]) -> dict[str, str]:
    """Import modules as Lambda would find them, and return the files of all that came with them."""
    script = """\
import importlib, json, sys
sys.path[:0] = sys.argv[1:3]
for module, names in json.loads(sys.argv[3]).items():
    for name in names or [""]:
        if not hasattr(importlib.import_module(module), name or "__name__"):
            importlib.import_module(f"{module}.{name}")
print(json.dumps({name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}))
"""
    # -I and -S: neither the environment nor site-packages; what is left is the standard library.
    command = [
        sys.executable,
        "-I",
        "-S",
        "-B",
        "-c",
        script,
        str(unpacked),
        str(runtime),
        json.dumps(wanted),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded: dict[str, str] = json.loads(done.stdout)
    return loaded


def test_the_audit_imports_nothing_that_only_a_person_needs(unpacked: Path, runtime: Path) -> None:
    loaded = imported(unpacked, runtime, {f"{OWN}.commands.audit.function": ["audit"]})
    assert f"{OWN}.commands.audit.auditing" in loaded
    left_out = (
        "click",
        "rich",
        "lark",
        f"{OWN}.local",
        f"{OWN}.simulate",
        "aws_durable_execution_sdk_python",
    )
    assert [n for n in loaded if n in left_out or n.startswith(tuple(f"{p}." for p in left_out))] == []


def test_the_zip_audits_a_day(unpacked: Path, runtime: Path) -> None:
    with LocalAws(trail_delay=(0, 0), event_sources=()) as aws:
        site = Site(aws)
        aws.schedules.put_rule("silent", expression="cron(0 0 * * ? *)")
        cluster = aws.ecs.describe_clusters({"clusters": ["batch"]})["clusters"][0]["clusterArn"]
        ecs = {"TaskDefinitionArn": f"arn:aws:ecs:{REGION}:123456789012:task-definition/nightly:7"}
        target = {
            "Id": "1",
            "Arn": cluster,
            "RoleArn": "arn:aws:iam::123456789012:role/r",
            "EcsParameters": ecs,
        }
        aws.schedules.put_targets("silent", [target])
        name = install_audit(aws, install(aws), python_path=[unpacked, runtime])
        result = aws.functions.invoke(name, b"{}")
        assert json.loads(result.payload) == {"missing": 1, "unsure": 0, "overtaken": 0, "unseen": 0}
        (message,) = site.aws.topics.published
        assert message.subject == f"RUN MISSING: silent in {REGION}"


def test_the_zip_recovers_a_launch(unpacked: Path, runtime: Path) -> None:
    """A record put into the log group by hand, capacity that is gone and comes back, and the handlers of the zip."""
    # Marks what this code writes, so that nobody can take another copy of it for this one.
    start = unpacked / OWN / "__init__.py"
    start.write_text(start.read_text(encoding="utf-8") + '__version__ += "+zip"\n', encoding="utf-8")
    with LocalAws(speed=600, trail_delay=(2, 1)) as aws:
        site = Site(aws)
        installed = install(aws, python_path=[unpacked, runtime])
        aws.functions.warm()
        site.capacity(0)
        site.put(HAND_MADE)
        site.wait_for(lambda: len(site.events("recovery.waiting")) >= 2)
        assert site.tasks() == []
        site.capacity(None)
        (ending,) = site.wait_for(lambda: site.events("recovery.recovered"))
        assert ending["task_arns"] == site.tasks()
        assert len(site.tasks()) == 1
        *refused, placed = site.recoveries()
        assert len(refused) >= 2
        ours = {"clientToken", "startedBy"}
        # Which attempt found the capacity is the clock's affair, and so is its rung: the subnets are its business.
        ours |= {"networkConfiguration"}
        expected = {k: v for k, v in HAND_MADE["requestParameters"].items() if k not in ours}
        assert {k: v for k, v in placed.body.items() if k not in ours} == expected
        assert {function for function, _ in site.log} == {installed.intake, installed.recover}
        decisions = [record for _, record in site.log if "version" in record]
        assert all(record["version"].endswith("+zip") for record in decisions)
        assert {record["message"] for record in decisions} >= {"intake.started", "recovery.recovered"}
