"""Settings are read whole: every problem is named, and no bad value becomes a default."""

from __future__ import annotations

import pytest

from retry_run_task.config import PREFIX, Settings
from retry_run_task.errors import ConfigError
from retry_run_task.launch.values import CallerKind


def test_nothing_set_is_the_default() -> None:
    assert Settings.from_environment({"PATH": "/bin", "AWS_REGION": "x"}) == Settings()


def test_every_setting_is_read() -> None:
    environment = {
        "STACK": "night",
        "RECOVER_FUNCTION": "night-recover:live",
        "TOPIC_ARN": "arn:aws:sns:r:1:t",
        "MESSAGES": "chat, ja,recovered",
        "TIME_ZONE": "Asia/Tokyo",
        "PROFILE": "my own",
        "RUNBOOK_URL": "https://example.com/runbook.md",
        "CALLERS": "rule, other",
        "CLUSTERS": "batch , *-prod",
        "TASK_DEFINITIONS": "nightly*",
        "REGIONS": "us-east-1,eu-west-1",
        "ROLE_ARN": "arn:aws:iam::1:role/r",
        "ACCOUNTS": "210987654321, 333333333333",
        "EXTERNAL_ID": "night-shift",
        "CALLS_PER_SECOND": "0.5",
    }
    assert Settings.from_environment({PREFIX + k: v for k, v in environment.items()}) == Settings(
        stack="night",
        recover_function="night-recover:live",
        topic_arn="arn:aws:sns:r:1:t",
        messages=("chat", "ja", "recovered"),
        time_zone="Asia/Tokyo",
        profile="my own",
        runbook_url="https://example.com/runbook.md",
        callers=frozenset({CallerKind.RULE, CallerKind.OTHER}),
        clusters=("batch", "*-prod"),
        task_definitions=("nightly*",),
        regions=("us-east-1", "eu-west-1"),
        role_arn="arn:aws:iam::1:role/r",
        accounts=("210987654321", "333333333333"),
        external_id="night-shift",
        calls_per_second=0.5,
    )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("RECOVER_ERRORS", "yes", "true or false"),
        ("MESSAGES", "yes", "expected some of text, chat, en, ja, recovered"),
        ("MESSAGES", "text,chat", "expected text or chat, not both"),
        ("MESSAGES", "ja,en", "expected en or ja, not both"),
        ("MESSAGES", "", "expected some of"),
        ("TIME_ZONE", "Asia/Tokio", "a time zone such as Asia/Tokyo"),
        ("TIME_ZONE", "../etc/passwd", "a time zone"),
        ("TIME_ZONE", "Asia", "a time zone"),
        ("PROFILE", "a;b", "the name of a profile"),
        ("PROFILE", "-a", "the name of a profile"),
        ("PROFILE", "x" * 33, "the name of a profile"),
        ("CALLERS", "rule,batch", "some of"),
        ("CALLERS", "own", "some of"),
        ("CALLERS", "step-functions", "some of"),
        ("CALLERS", "", "some of"),
        ("CLUSTERS", "", "patterns"),
        ("CLUSTERS", "a,,b", "patterns"),
        ("STACK", "", "a name"),
        ("ACCOUNTS", "21098765432", "12 digits"),
        ("ACCOUNTS", "210987654321,", "patterns"),
        ("ACCOUNTS", "arn:aws:iam::210987654321:role/x", "12 digits"),
        ("EXTERNAL_ID", "x", "2 to 1224"),
        ("EXTERNAL_ID", "a b", "2 to 1224"),
        ("CALLS_PER_SECOND", "", "a number greater than 0"),
        ("CALLS_PER_SECOND", "two", "a number greater than 0"),
        ("CALLS_PER_SECOND", "0", "a number greater than 0"),
        ("CALLS_PER_SECOND", "-2", "a number greater than 0"),
        ("CALLS_PER_SECOND", "inf", "a number greater than 0"),
        ("CALLS_PER_SECOND", "nan", "a number greater than 0"),
    ],
)
def test_a_value_that_is_not_understood_is_named_with_what_was_expected(
    name: str, value: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        Settings.from_environment({PREFIX + name: value})
    assert f"{PREFIX}{name} is {value!r}" in str(raised.value)
    assert expected in str(raised.value)
    assert raised.value.hint


def test_a_name_that_is_no_setting_is_a_typo_and_every_problem_is_named_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        Settings.from_environment({PREFIX + "CLUSTER": "x", PREFIX + "MESSAGES": "1", PREFIX + "STACK": ""})
    for name in ("CLUSTER is not", "MESSAGES is", "STACK is"):
        assert PREFIX + name in str(raised.value)
