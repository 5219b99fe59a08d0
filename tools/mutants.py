"""Break the code on purpose and see whether a test notices: ``make mutants``.

mutmut makes the mutants. Each is tried in a process of its own, with those tests of its group in tests/mutants.toml
that call the mutated function, the quickest first. The numbers go into docs/reference/mutants.md, for the
modules that were tried. Ends with 1 if a mutant survives that tests/mutants.toml does not name as equivalent, and
prints it.

    python tools/mutants.py                       every group
    python tools/mutants.py --module recovery     one group, or one module of it: recovery/after
    python tools/mutants.py --time 600            ten minutes for each group: a sample, in the same order each time
    python tools/mutants.py --again               only what survived the last time
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import math
import multiprocessing
import os
import random
import re
import shutil
import sys
import time
import tomllib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIST, PAGE, BUILD = (
    ROOT / "tests" / "mutants.toml",
    ROOT / "docs" / "reference" / "mutants.md",
    ROOT / "build" / "mutants",
)
PACKAGE = "src/retry_run_task/"
BEGIN, END = "<!-- mutants: written by `make mutants` -->", "<!-- end of mutants -->"
HEADS = ("module", "mutants", "tried", "killed", "equivalent", "survived", "share killed", "tried on")
ROW = re.compile(r"^\| `([\w/]+)` " + r"\| ([\d,]+) " * 5 + r"\| [\d.]+ % \| ([\d-]+) \|$", re.MULTILINE)

# What the tests read beside the code.
BESIDE = ("tests", "infra", "docs", "README.md", "requirements", "bench", "tools")
SETTINGS = """
[tool.mutmut]
source_paths = ["src"]
only_mutate = {files}
also_copy = {beside}
pytest_add_cli_args = {options}
pytest_add_cli_args_test_selection = {tests}
track_dependencies = false
"""

OPTIONS = ("-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-profile=mutants")

# What has not come to an end when it must have runs for ever; a test would not pass.
KILLED = frozenset({"killed", "timeout", "segfault"})
NO_TESTS = 33


@dataclass(frozen=True, slots=True)
class Row:
    """What happened to the mutants of one module."""

    module: str
    made: int
    tried: int
    killed: int
    equivalent: int
    survived: int
    day: str

    @property
    def share(self) -> float:
        """Percent killed, of those that were tried and are not equivalent; rounded down."""
        return math.floor(1000 * self.killed / max(1, self.killed + self.survived)) / 10

    def __str__(self) -> str:
        name = f"`{self.module}`" if self.day else self.module
        numbers = (self.made, self.tried, self.killed, self.equivalent, self.survived)
        return f"| {name} | {' | '.join(f'{n:,}' for n in numbers)} | {self.share} % | {self.day} |"


def total(name: str, rows: list[Row]) -> Row:
    """Return the sum of some rows."""
    return Row(
        name,
        made=sum(row.made for row in rows),
        tried=sum(row.tried for row in rows),
        killed=sum(row.killed for row in rows),
        equivalent=sum(row.equivalent for row in rows),
        survived=sum(row.survived for row in rows),
        day="",
    )


def read_table(page: str) -> list[Row]:
    """Return the rows that a page has."""
    found = ROW.finditer(page.partition(BEGIN)[2].partition(END)[0])
    return [Row(row[1], *(int(row[nth].replace(",", "")) for nth in range(2, 7)), row[7]) for row in found]


def write_table(page: str, rows: list[Row]) -> str:
    """Return a page with new rows, each replacing an older one of the same module."""
    before, _, rest = page.partition(BEGIN)
    behind = rest.partition(END)[2]
    merged = {row.module: row for row in (*read_table(page), *rows)}
    ordered = [merged[module] for module in sorted(merged)]
    engine = total("all of `recovery`", [row for row in ordered if row.module.startswith("recovery/")])
    lines = [
        f"| {' | '.join(HEADS)} |",
        "|---|" + "--:|" * 6 + "---|",
        *ordered,
        engine,
        total("all", ordered),
    ]
    return "\n".join([f"{before}{BEGIN}\n", *map(str, lines), f"\n{END}{behind}"])


def modules(group: dict[str, Any]) -> list[str]:
    """Return the modules of a group, such as ``recovery/after``."""
    package = ROOT / PACKAGE
    found = (path for pattern in group["files"] for path in package.glob(pattern))
    return sorted(str(path.relative_to(package).with_suffix("")) for path in found)


def prepare(folder: Path, group: dict[str, Any], *, again: bool) -> None:
    """Make a folder in which mutmut finds the project, with settings for one group."""
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("src", *BESIDE):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(ROOT / name)
    settings = SETTINGS.format(
        files=json.dumps([f"{PACKAGE}{name}.py" for name in modules(group)]),
        beside=json.dumps(BESIDE),
        options=json.dumps([*OPTIONS, *(f"--deselect={test}" for test in group.get("slow", ()))]),
        tests=json.dumps(group["tests"]),
    )
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(project + settings, encoding="utf-8")


def attempt(folder: Path, wanted: str, longest_s: float, processes: int, *, again: bool) -> None:
    """Try the mutants of a group, in a process of its own: mutmut imports the mutated code.

    mutmut keeps the result of each beside the mutated module. What it and the tests print goes into a file.
    """
    os.chdir(folder)
    with Path("log.txt").open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
    # From where it is imported, mutmut reads its settings.
    from mutmut import __main__ as mutmut  # noqa: PLC0415
    from mutmut.mutation.trampoline import set_mutant_under_test  # noqa: PLC0415
    from mutmut.state import state  # noqa: PLC0415
    from mutmut.utils import file_utils, format_utils  # noqa: PLC0415
    from mutmut.workers.isolation import get_mutant_runner, run_in_fork  # noqa: PLC0415

    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    file_utils.copy_src_dir()
    file_utils.copy_also_copy_files()
    file_utils.setup_source_paths()
    mutmut.create_mutants(processes)
    runner = get_mutant_runner(processes)
    mutmut.run_stats_collection(runner)
    mutmut.run_forced_fail_test(runner)
    # What the code has remembered by now would stand in for what a mutant does.
    for remembered in [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]:  # noqa: SLF001
        remembered.cache_clear()
    make_findable(state().tests_by_mangled_function_name, state().duration_by_test)
    # As a mutant is tried: after all of them have run here once. A test that fails so would kill every mutant.
    calling = set[str]().union(*state().tests_by_mangled_function_name.values())
    set_mutant_under_test("")
    if run_in_fork(runner.test_runner.run_tests, mutant_name=None, tests=sorted(calling)):
        sys.exit(f"A test fails where nothing is changed; see {folder / 'log.txt'}.")

    mutants = [
        (name, data)
        for data, name, code in mutmut.collect_source_file_mutation_data(mutant_names=())[0]
        if str(data.path).startswith(PACKAGE + wanted)
        and not (again and (code is None or mutmut.status_by_exit_code[code] in KILLED))
    ]
    # The same sample each time.
    random.Random(0).shuffle(mutants)  # noqa: S311
    took_s, under_way = state().duration_by_test, dict(mutants)
    begun = time.monotonic()
    runner.startup()
    for nth, (name, data) in enumerate(mutants, 1):
        if time.monotonic() - begun > longest_s:
            break
        function = format_utils.mangled_name_from_mutant_name(name)
        calling = state().tests_by_mangled_function_name.get(function, set())
        if not calling:
            data.exit_code_by_key[name] = NO_TESTS
            data.save()
            continue
        while not runner.has_capacity():
            mutmut._register_mutant_result(runner.wait_for_result(), under_way)  # noqa: SLF001
        whole_s = sum(took_s[test] for test in calling)
        tests = sorted(calling, key=lambda test: (took_s[test], test))
        runner.submit(name, tests, math.ceil(10 + 2 * whole_s), whole_s)
        if nth % 100 == 0:
            print(f"{nth:,} of {len(mutants):,} mutants", file=sys.stderr, flush=True)
    runner.signal_work_complete()
    while runner.pending_count():
        mutmut._register_mutant_result(runner.wait_for_result(), under_way)  # noqa: SLF001
    runner.shutdown()


def make_findable(tests_of: dict[str, set[str]], took_s: dict[str, float]) -> None:
    """Replace tests that pytest does not find by their id, which has a backslash, by all of their function."""
    whole = {test: test.partition("[")[0] for test in took_s if "\\" in test}
    for test, function in whole.items():
        took_s[function] = took_s.get(function, 0.0) + took_s[test]
    for function, tests in tests_of.items():
        tests_of[function] = {whole.get(test, test) for test in tests}


def change(diff: str) -> tuple[str, str]:
    """Return what a mutant changes, from its diff: the lines as they were, and as they are, without indentation."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    was, now = ("\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return was, now


def judge(folder: Path, wanted: str, named: set[tuple[str, str, str]]) -> tuple[list[Row], list[str]]:
    """Count the results of the mutants of a group; return a row for each module, and the survivors.

    Args:
        folder: Where they were tried.
        wanted: The start of the modules' paths.
        named: The equivalent mutants: function, lines as they were, lines as they are.
    """
    os.chdir(folder)
    from mutmut.mutation.diff_apply import get_diff_for_mutant  # noqa: PLC0415
    from mutmut.stats import status_by_exit_code  # noqa: PLC0415

    rows: list[Row] = []
    survivors: list[str] = []
    for meta in sorted(Path("mutants").rglob("*.meta")):
        path = str(meta.relative_to("mutants")).removesuffix(".meta")
        codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not codes or not path.startswith(PACKAGE + wanted):
            continue
        count = Counter[str]()
        for name, code in codes.items():
            status = status_by_exit_code[code]
            if status == "not checked":
                continue
            fate = "killed" if status in KILLED else "survived"
            if fate == "survived":
                diff = get_diff_for_mutant(name, path=path)
                function = readable(name)
                if (function, *change(diff)) in named:
                    fate = "equivalent"
                else:
                    survivors.append(f"{status}: {function}\n{diff}")
            count[fate] += 1
        if not count:
            # None was tried: what was found the last time stays.
            continue
        rows.append(
            Row(
                path.removeprefix(PACKAGE).removesuffix(".py"),
                made=len(codes),
                tried=count.total(),
                killed=count["killed"],
                equivalent=count["equivalent"],
                survived=count["survived"],
                day=datetime.now(tz=UTC).date().isoformat(),
            )
        )
    return rows, survivors


def readable(name: str) -> str:
    """Return the function of a mutant: ``recovery.state.identity``, ``aws.rate_limiter.RateLimiter.wait``."""
    module, _, function = name.removeprefix("retry_run_task.").rpartition(".")
    function = function.rpartition("__mutmut_")[0]
    return f"{module}.{function.removeprefix('xǁ').replace('ǁ', '.').removeprefix('x_')}"


def main() -> None:
    """Try the groups one after the other."""
    parser = argparse.ArgumentParser(description="Break the code on purpose and see whether a test notices.")
    parser.add_argument("--module", default="", help="a group, or a module of it: recovery/after")
    parser.add_argument("--time", type=float, default=math.inf, help="seconds for each group")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at once")
    parser.add_argument("--again", action="store_true", help="try only what survived the last time")
    options = parser.parse_args()
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    named = {
        (entry["in"], entry["was"].strip(), entry["now"].strip()) for entry in listed.get("equivalent", [])
    }
    groups = [
        group
        for group in listed["group"]
        if options.module == group["name"] or any(name.startswith(options.module) for name in modules(group))
    ]
    if not groups:
        parser.error(f"no group in tests/mutants.toml has a module that begins with {options.module}")
    survivors: list[str] = []
    for group in groups:
        folder = BUILD / group["name"]
        wanted = "" if options.module == group["name"] else options.module
        prepare(folder, group, again=options.again)
        process = multiprocessing.get_context("fork").Process(
            target=attempt,
            args=(folder, wanted, options.time, options.processes),
            kwargs={"again": options.again},
        )
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"The mutants of {group['name']} could not be tried; see {folder / 'log.txt'}.")
        rows, left = judge(folder, wanted, named)
        print("\n".join(map(str, [*rows, total(group["name"], rows)])), flush=True)
        survivors += left
        PAGE.write_text(write_table(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    if survivors:
        sys.exit("\n".join(survivors))


if __name__ == "__main__":
    main()
