"""What an installation would look after, by cluster, and what it costs while nothing fails."""

from __future__ import annotations

from typing import Any

import pytest

from retry_run_task.commands.deploy.coverage import ClusterJobs, by_cluster, idle_usd
from retry_run_task.commands.shared.inventory import Identity, Inventory, Launcher, Launchers
from retry_run_task.launch.values import CallerKind

IDENTITY = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/me", partition="aws")


def launcher(family: str, cluster: str, **more: Any) -> Launcher:
    values: dict[str, Any] = {"kind": CallerKind.RULE, "name": "a", **more}
    return Launcher(cluster=cluster, task_definition=family, **values)


def test_what_is_switched_on_and_in_scope_is_counted_by_cluster() -> None:
    there = Inventory(
        region="ap-northeast-1",
        identity=IDENTITY,
        launchers=Launchers(
            found=(
                launcher("nightly", "batch"),
                launcher("nightly:3", "arn:aws:ecs:ap-northeast-1:123456789012:cluster/batch"),
                launcher("report-eu", "batch", kind=CallerKind.SCHEDULER),
                launcher("report-eu", "web", kind=CallerKind.SCHEDULER),
                launcher("$.detail.family", "$.detail.cluster"),
                launcher("nightly", "batch", is_enabled=False),
                launcher("payroll", "batch"),
                launcher("nightly", "elsewhere"),
            )
        ),
    )
    assert by_cluster(there, {"TaskDefinitions": "nightly,report-*", "Clusters": "batch,w*"}) == (
        ClusterJobs(name="", rules=1, schedules=0, task_definitions=()),
        ClusterJobs(name="batch", rules=2, schedules=1, task_definitions=("nightly", "report-eu")),
        ClusterJobs(name="web", rules=0, schedules=1, task_definitions=("report-eu",)),
    )


def test_each_metric_of_an_alarm_costs() -> None:
    metric = {"Id": "a", "MetricStat": {}}
    resources = {
        "One": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "a"}},
        "Three": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {"Metrics": [metric, metric, metric, {"Id": "sum", "Expression": "a + b"}]},
        },
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {}},
    }
    assert idle_usd(resources) == pytest.approx(0.4)
    assert idle_usd({}) == 0
