"""The page on costs is what bench/costs.py makes of the committed result, and its assumptions are measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from infra.test_template import full
from retry_run_task.local.aws import LocalAws
from retry_run_task.local.install import install
from support.records import HAND_MADE
from support.scripts import script
from support.site import Site

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def costs() -> Iterator[ModuleType]:
    with script("costs") as module:
        yield module


def test_the_page_is_what_the_result_says(costs: ModuleType) -> None:
    results = [json.loads((ROOT / name).read_text(encoding="utf-8")) for name in (costs.RESULT, costs.CROWD)]
    assert (ROOT / costs.PAGE).read_text(encoding="utf-8") == costs.page(*results), "run bench/costs.py"


def test_the_readmes_say_what_the_page_says(costs: ModuleType) -> None:
    result = json.loads((ROOT / costs.RESULT).read_text())
    of_one, idle = costs.cents(result) / 100, costs.ALARM_METRICS * costs.USD_PER_ALARM_METRIC
    english = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"at most ${idle:.2f} a month" in english
    assert f"about ${of_one:.4f}" in english
    assert f"a daily audit for missing runs about ${costs.audit_usd():.2f}" in english
    japanese = (ROOT / "README.ja.md").read_text(encoding="utf-8")
    assert f"月額最大 {idle:.2f} ドル" in japanese
    assert f"約 {of_one:.4f} ドル" in japanese
    assert f"毎日の監査の約 {costs.audit_usd():.2f} ドル" in japanese


def test_the_metrics_of_alarms_are_counted(costs: ModuleType) -> None:
    """All but the one that is off unless it is asked for."""
    alarms = full(TrailSilentHours="").of_type("AWS::CloudWatch::Alarm").values()
    watched = [sum("MetricStat" in one for one in alarm.get("Metrics", [])) or 1 for alarm in alarms]
    assert sum(watched) == costs.ALARM_METRICS


def test_a_call_logs_no_more_than_is_counted(costs: ModuleType) -> None:
    both = ("logs", "eventbridge")
    with LocalAws(speed=600, trail_delay=(2, 1), event_delay=(1, 0.5), event_sources=both) as aws:
        site = Site(aws)
        install(aws)
        aws.functions.warm()
        site.capacity(0)
        site.put(HAND_MADE)
        site.wait_for(lambda: len(site.events("recovery.waiting")) >= 8)
        site.capacity(None)
        site.wait_for(lambda: site.events("recovery.recovered"))
        calls = len(site.events("recovery.called"))
        logged = sum(len(line.encode()) for line in site.lines)
    assert 0.5 * costs.LOG_BYTES_PER_CALL < logged / calls <= 1.1 * costs.LOG_BYTES_PER_CALL
