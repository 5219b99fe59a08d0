"""The page: whole in itself, well-formed, escaped, and readable in a real browser."""

from __future__ import annotations

import functools
import html
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from retry_run_task.simulate import charts, report
from retry_run_task.simulate.charts import Curve
from retry_run_task.simulate.competitors import Oracle, Ours, Theirs
from retry_run_task.simulate.contest import Contest, ContestResult, run
from retry_run_task.simulate.incident import ZoneSearch
from retry_run_task.simulate.launches import ScenarioSettings
from retry_run_task.simulate.page import HEADINGS, render
from retry_run_task.simulate.peers import PEERS, Way
from retry_run_task.simulate.scenarios import SCENARIOS
from support.html_pages import inspect, read
from support.policies import DEFAULT

OURS = (Ours(name="ours, EventBridge", policy=DEFAULT), Ours(name="ours, Logs", policy=DEFAULT, way=Way.LOGS))
EVERYBODY = (*OURS, *map(Theirs, PEERS), Oracle())
SETTINGS = ScenarioSettings(schedules=2, seed=2)


@functools.cache
def result() -> ContestResult:
    return run(Contest(scenarios=SCENARIOS, competitors=EVERYBODY, settings=SETTINGS, incidents=1))


@functools.cache
def page() -> str:
    return render(result(), notes=("A note with <angles> & so on.",))


def test_every_tag_is_closed_and_ids_are_unique() -> None:
    ids = [attributes["id"] for _, attributes in read(page()).tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {scenario.name for scenario in SCENARIOS} <= set(ids)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    reader = read(page())
    assert {tag for tag, _ in reader.tags}.isdisjoint(
        {"script", "link", "img", "iframe", "object", "base", "form"}
    )
    for tag, attributes in reader.tags:
        assert not any(name.startswith("on") or name in ("src", "srcset") for name in attributes), tag
        if "href" in attributes:
            assert tag == "a"
    assert "url(" not in page()
    assert "@import" not in page()


@pytest.mark.parametrize(
    ("placement", "said"), [(ZoneSearch.ANY, "all zones of its subnets"), (ZoneSearch.ONE, "one zone")]
)
def test_it_says_where_a_call_was_taken_to_look(placement: ZoneSearch, said: str) -> None:
    settings = replace(SETTINGS, schedules=1, placement=placement)
    contest = Contest(scenarios=SCENARIOS[:1], competitors=EVERYBODY[:1], settings=settings, incidents=1)
    assert f"One call looks for room in {said}" in render(run(contest))


def test_it_is_small() -> None:
    assert len(page()) < 100_000 * len(SCENARIOS)


def test_it_says_what_was_found_and_on_what_assumptions() -> None:
    text = "".join(read(page()).text)
    for scenario in SCENARIOS:
        assert f"{scenario.title}{report.verdict(scenario, result())}." in text
        assert scenario.model in text
    for competitor in EVERYBODY:
        assert competitor.reading in text
    assert "A note with <angles> & so on." in text
    assert "the spread is assumed" in text
    assert all(heading in text for heading in HEADINGS)


def test_names_are_escaped_wherever_they_stand() -> None:
    name = "<script>alert(1)</script>\"'&"
    policies = (Ours(name=name, policy=DEFAULT),)
    scenario = replace(SCENARIOS[5], title=name, model=name)
    shown = render(
        run(Contest(scenarios=(scenario,), competitors=policies, settings=SETTINGS, incidents=1)),
        notes=(name,),
    )
    assert "<script" not in shown
    assert "".join(read(shown).text).count(name) > 5


def test_each_picture_is_well_formed_and_says_what_it_shows() -> None:
    pictures = re.findall(r"<svg.*?</svg>", page(), re.DOTALL)
    # Each for a screen and for a phone; nobody recovers anything of what is misconfigured.
    assert len(pictures) == 2 * (2 * len(SCENARIOS) - 1)
    for picture in pictures:
        assert ET.fromstring(picture).get("aria-label")


@pytest.mark.parametrize("missing", ["light", "dark"])
def test_colours_are_there_for_light_and_dark(missing: str) -> None:
    light, dark = charts.STYLE.split("@media")
    used = set(re.findall(r"var\(--(\w+)\)", page()))
    assert used <= set(re.findall(r"--(\w+):", light if missing == "light" else dark))


def test_who_recovered_nothing_stands_in_a_list_and_not_in_a_chain_of_commas() -> None:
    none = [name for name, tally in result().tallies["rush"].items() if not tally.recovered]
    assert len(none) > 1
    assert f'<ul class="names">{"".join(f"<li>{name}</li>" for name in none)}</ul>' in html.unescape(page())


@pytest.mark.parametrize("words", ["peak calls/s", "throttled", "expired", "unseen", "duplicates"])
def test_columns_that_do_not_speak_for_themselves_are_explained(words: str) -> None:
    assert words in HEADINGS
    assert f"<em>{words.capitalize()}</em>: " in page()


def test_a_heading_is_a_name() -> None:
    assert max(map(len, re.findall(r"<h[23]>(.*?)</h[23]>", page()))) < 60


def test_the_axis_says_what_it_is() -> None:
    drawn = [part for part in re.findall(r"<svg.*?</svg>", page(), re.DOTALL) if "Share of launches" in part]
    assert drawn
    assert all("logarithmic beyond 10 s" in part for part in drawn)


def test_a_curve_without_any_recovery_is_not_drawn_and_names_do_not_lie_on_each_other() -> None:
    drawn = charts.curves(
        [
            *(
                Curve(name=f"policy {n}", points=[(1.0, 0.5), (60.0 + n, 1.0)], kind="other")
                for n in range(12)
            ),
            Curve(name="nobody", points=[], kind="other"),
        ]
    )
    assert "nobody" not in drawn
    heights = [float(y) for y in re.findall(r'y="([\d.]+)"[^>]*>policy', drawn)]
    assert len(heights) == 12
    assert all(b - a >= 14 for a, b in zip(sorted(heights), sorted(heights)[1:], strict=False))


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0, "0"),
        (0.00001, "0.1"),
        (0.005, "0.5"),
        (0.25, "25"),
        (0.994, "99.4"),
        (0.99999, "99.9"),
        (1, "100"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, expected: str) -> None:
    assert charts.percent(share) == f"{expected}\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize("size", ["1280,2000", "1100,2000", "700,2000", "390,2000", "1920,1080"])
def test_in_a_browser_no_label_lies_on_another_or_leaves_its_picture(tmp_path: Path, size: str) -> None:
    seen = inspect(page(), tmp_path, size=size)
    assert f'"pictures":{2 * len(SCENARIOS) - 1},"blank":0,"found":[]' in seen
    assert '"dark":false,"ground":"rgb(255, 255, 255)"' in seen


def test_in_a_browser_it_is_dark_for_those_who_like_it_dark(tmp_path: Path) -> None:
    seen = inspect(page(), tmp_path, "--blink-settings=preferredColorScheme=0")
    assert '"dark":true,"ground":"rgb(20, 23, 28)"' in seen
