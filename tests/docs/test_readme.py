"""The README's commands work, and what it shows is what they print."""

from __future__ import annotations

import re
from pathlib import Path

from docs.markdown_pages import ROOT, Page
from retry_run_task import commands
from retry_run_task.commands.demo.midnight import JOBS, RETIRED, RETURNS
from retry_run_task.launch.values import Outcome

README = Page(ROOT / "README.md")
# Every job of the night fails in one way or another. Those that no waiting can help: a task definition
# that is retired, and overrides that were made from an event.
LOST = [job for job in JOBS if job is RETIRED or job.from_event]


def demo_lines() -> list[str]:
    (block,) = [b for b in README.blocks("text") if b.text.startswith("23:59:10")]
    return block.text.splitlines()


def test_it_fits_on_a_few_screens() -> None:
    assert len(README.text.splitlines()) < 180


def test_the_two_commands_come_first_and_exactly_as_a_person_types_them() -> None:
    assert README.blocks("sh")[0].text == "make demo\nmake test\n"


def test_ci_runs_the_command_that_the_readme_gives_everybody() -> None:
    for path in (".ci/run", ".github/workflows/ci.yml"):
        assert re.search(r"^[\s-]*(run: )?make test\b", (ROOT / path).read_text(), re.MULTILINE), path


def test_each_line_of_the_demo_is_one_that_the_demo_can_print() -> None:
    names = "|".join(job.name for job in JOBS)
    aws = "|".join(re.escape(words) for *_, words in RETURNS)
    rung = r"( \(each-subnet subnet-\w\))?"
    patterns = [
        rf"AWS {{25}}(zones a and c run out of Fargate capacity; zone d has room for 2 tasks|{aws})",
        rf"EventBridge ({names}) +RunTask: \d of \d started\. Capacity is unavailable at this time",
        rf"intake      ({names}) +starts a recovery",
        rf"recover     ({names}) +attempt \d+{rung}: (\d started|Capacity is unavailable at this time)",
        rf"recover     ({names}) +next attempt in \d+ s \(capacity: it may be there at the next attempt\)",
        rf"recover     ({names}) +RECOVERED after (1 attempt|\d+ attempts)",
        rf"recover     ({names}) +GAVE UP \(({'|'.join(Outcome)})\): .+",
        rf"ECS         ({names}) +the task did not start\. .+",
        rf"ECS         ({names}) +the answer is lost on its way back; .+ repeated with its token",
    ]
    timeline = demo_lines()[: demo_lines().index("")]
    for line in timeline:
        clock, _, rest = line.partition("  ")
        assert re.fullmatch(r"(23:59|00:\d\d):\d\d", clock), line
        assert any(re.fullmatch(pattern, rest) for pattern in patterns), line
    for pattern in patterns:
        assert any(re.fullmatch(pattern, line[10:]) for line in timeline), f"nothing shows {pattern}"


def test_the_words_of_the_demo_are_those_of_its_source() -> None:
    source = "".join(
        (Path(commands.__file__).parents[1] / name).read_text()
        for name in ("commands/demo/midnight.py", "commands/demo/command.py")
    )
    for words in (
        "zones a and c run out of Fargate capacity; zone d has room for 2 tasks",
        "starts a recovery",
        "next attempt in ",
        "GAVE UP (",
        "the task did not start. ",
        "the answer is lost on its way back; the call is repeated with its token",
        " launches failed: ",
        " RunTask calls by recoveries, ",
    ):
        assert words in source
        assert words in README.text


def test_the_demo_ends_with_the_numbers_that_its_jobs_give() -> None:
    failed, total, legend = demo_lines()[-3:]
    asked = sum(job.count for job in JOBS)
    assert failed == (
        f"{len(JOBS)} launches failed: {len(JOBS) - len(LOST)} recovered, "
        f"{len(LOST)} given up with a message to a person."
    )
    assert re.fullmatch(
        rf"\d+ RunTask calls by recoveries, {asked - sum(job.count for job in LOST)} of {asked} tasks running, "
        r"duplicates 0\. \(\d+ min( \d+ s)? in \d+\.\d s\)",
        total,
    )
    assert legend == (
        f"{asked} tasks is what the jobs asked for, those given up included; "
        "a duplicate is a task more than its job asked for."
    )
