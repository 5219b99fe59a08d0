"""Links lead into the console of the right partition, and what stands in them cannot break out of its place."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retry_run_task.messages.console import Place, execution_url, log_url, place, task_url


def at(partition: str = "aws", region: str = "ap-northeast-1", **changes: str) -> Place:
    values = {"function": "retry-run-task-recover", "log_group": "/aws/lambda/x", "execution_arn": "arn"}
    return Place(partition=partition, region=region, **(values | changes))


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        ("arn:aws:lambda:eu-west-1:123456789012:function:a-recover:live", ("aws", "eu-west-1", "a-recover")),
        ("arn:aws-cn:lambda:cn-north-1:123456789012:function:r", ("aws-cn", "cn-north-1", "r")),
        ("arn:aws:ecs:eu-west-1:123456789012:task/a/b", None),
        ("arn:aws:states:eu-west-1:123456789012:function:r", None),
        ("recover", None),
        ("", None),
    ],
)
def test_where_a_function_runs(arn: str, expected: tuple[str, str, str] | None) -> None:
    found = place(arn, log_group="g", execution_arn="e")
    assert (found and (found.partition, found.region, found.function)) == expected


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "us-east-1", "us-east-1.console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "cn-north-1.console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "us-gov-west-1.console.amazonaws-us-gov.com"),
        ("aws-eusc", "eusc-de-east-1", "eusc-de-east-1.console.amazonaws-eusc.eu"),
    ],
)
def test_every_partition_has_its_console(partition: str, region: str, host: str) -> None:
    task = f"arn:{partition}:ecs:{region}:123456789012:task/batch/1"
    for url in execution_url(at(partition, region)), log_url(at(partition, region), "x"), task_url(task):
        assert urlsplit(url or "").netloc == host


def test_there_is_no_link_into_a_console_that_is_not_known() -> None:
    secret = at("aws-iso", "us-iso-east-1")
    assert execution_url(secret) is log_url(secret, "x") is None
    assert task_url("arn:aws-iso:ecs:us-iso-east-1:123456789012:task/batch/1") is None


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "t1",
        "arn:aws:ecs:eu-west-1:123456789012:task/1",
        "arn:aws:ecs:eu-west-1:123456789012:cluster/batch/1",
        "arn:aws:ecs:evil.example.com/:123456789012:task/batch/1",
        "arn:aws:ecs::123456789012:task/batch/1",
        "arn:aws:ecs:eu-west-1:123456789012:task/batch/1:x",
    ],
)
def test_what_is_no_task_with_its_cluster_has_no_link(arn: str) -> None:
    assert task_url(arn) is None


def test_the_log_lines_are_those_that_hold_the_text() -> None:
    """The part after # is encoded twice, with $ for %, as it is in public use.

    https://github.com/remotion-dev/remotion
    """
    url = log_url(at(log_group="/aws/lambda/a b"), "r-1", start_ms=1, end_ms=2)
    assert url == (
        "https://ap-northeast-1.console.aws.amazon.com/cloudwatch/home?region=ap-northeast-1"
        "#logsV2:log-groups/log-group/$252Faws$252Flambda$252Fa$2520b"
        "/log-events$3FfilterPattern$3D$2522r-1$2522$26start$3D1$26end$3D2"
    )
    _, _, fragment = url.partition("#")
    group, query = unquote(fragment.replace("$", "%")).split("/log-events?")
    assert unquote(group) == "logsV2:log-groups/log-group//aws/lambda/a b"
    assert unquote(query) == 'filterPattern="r-1"&start=1&end=2'


@given(cluster=st.text(min_size=1).filter(lambda t: not re.search("[:/]", t)), task=st.text(min_size=1))
def test_nothing_in_a_link_ends_it(cluster: str, task: str) -> None:
    url = task_url(f"arn:aws:ecs:eu-west-1:123456789012:task/{cluster}/{task}")
    assert url is None or re.fullmatch(r"https://[\w.-]+/[\w.%~/-]+\?region=eu-west-1", url)
