"""Change the code in ways that the tests must notice, and see that they do: ``make mutants``.

The changes are in tests/mutants.toml. Each is made in a copy of the package, which stands before the installed one
on the path of the tests that are expected to fail. Prints a line for each: killed by which test, or survived.
Exit 1 if one survived, could not be made, or was killed by something else than a failing test.

    python tools/mutants.py                  all of them
    python tools/mutants.py token backoff    those with one of these words in their name
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src"
LIST = ROOT / "tests" / "mutants.toml"

# A change may make a loop endless. The tests of one mutant take some seconds on an idle machine.
LONGEST_S = 600
# https://docs.pytest.org/en/stable/reference/exit-codes.html
TESTS_FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change.

    Attributes:
        name: What is wrong then.
        file: In the package.
        old: What stands there, once.
        new: What stands there instead.
        why: Why that must not be.
        tests: Which of them are expected to notice.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...]

    def found(self) -> int:
        """Return how often the old text stands in the file. Once is right."""
        return (SOURCE / self.file).read_text(encoding="utf-8").count(self.old)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of a mutant: ``killed`` is as it should be."""

    mutant: Mutant
    word: str
    detail: str
    seconds: float


def mutants() -> list[Mutant]:
    """Return the list."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["mutants"]
    return [Mutant(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]


def main() -> int:
    """Return the exit code: 0 if every mutant was killed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("words", nargs="*", help="only mutants with one of these words in their name")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time")
    options = parser.parse_args()
    chosen = [one for one in mutants() if not options.words or any(w in one.name for w in options.words)]
    if not chosen:
        print(f"No mutant has one of these words in its name: {', '.join(options.words)}.", file=sys.stderr)
        return 2
    if rotten := [one for one in chosen if one.found() != 1]:
        for one in rotten:
            print(
                f"{one.name}: its old text stands {one.found()} times in src/{one.file}, not once.",
                file=sys.stderr,
            )
        return 2
    every_test = tuple(dict.fromkeys(test for one in chosen for test in one.tests))
    print("without a change ... ", end="", flush=True)
    sound = _try(Mutant(name="", file="", old="", new="", why="", tests=every_test))
    print(f"{'the tests pass' if sound.word == 'survived' else sound.detail} ({sound.seconds:.0f} s)")
    if sound.word != "survived":
        return 1
    began = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        results = []
        for result in pool.map(_try, chosen):
            print(
                f"{result.word:<9} {result.seconds:4.0f} s  {result.mutant.name:<58} {result.detail}",
                flush=True,
            )
            results.append(result)
    left = [result for result in results if result.word != "killed"]
    print(f"{len(results) - len(left)} of {len(results)} killed in {time.monotonic() - began:.0f} s.")
    for result in left:
        print(f"{result.word}: {result.mutant.name}: {result.mutant.why}")
    return 1 if left else 0


def _try(mutant: Mutant) -> Result:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        shutil.copytree(
            SOURCE / "retry_run_task",
            Path(folder) / "retry_run_task",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        if mutant.file:
            path = Path(folder) / mutant.file
            text = path.read_text(encoding="utf-8")
            path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        word, detail = _test(mutant.tests, folder)
    return Result(mutant=mutant, word=word, detail=detail, seconds=time.monotonic() - began)


def _test(tests: tuple[str, ...], folder: str) -> tuple[str, str]:
    """Run tests against the package in a folder; returns a word, and which test failed first or what went wrong."""
    options = ("-q", "-x", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-profile=mutants")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *tests],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
    except subprocess.TimeoutExpired:
        return "endless", f"no end after {LONGEST_S} s"
    if done.returncode == 0:
        return "survived", ""
    failed = re.search(r"^FAILED \S*?([^/\s]+::.*?)(?: - |$)", done.stdout, re.MULTILINE)
    if done.returncode != TESTS_FAILED or failed is None:
        return "broken", f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-300:]}"
    return "killed", failed[1][:110]


if __name__ == "__main__":
    sys.exit(main())
