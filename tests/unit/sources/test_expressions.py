"""When rules and schedules are due, by AWS's own examples.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
"""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retry_run_task.sources.expressions import _Cron, check_expression, next_due, previous_due

# A Monday.
NOW = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dues(expression, number, after=NOW, **options):
    found = []
    while len(found) < number and (after := next_due(expression, after=after, **options)) is not None:
        found.append(f"{after:%Y-%m-%dT%H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # The examples of the page on rules, in its order.
        ("cron(0 10 * * ? *)", ["2026-11-23T10:00", "2026-11-24T10:00"]),
        ("cron(15 12 * * ? *)", ["2026-11-23T12:15", "2026-11-24T12:15"]),
        ("cron(0 18 ? * MON-FRI *)", [f"2026-11-{day}T18:00" for day in (23, 24, 25, 26, 27, 30)]),
        ("cron(0 8 1 * ? *)", ["2026-12-01T08:00", "2027-01-01T08:00"]),
        ("cron(0/15 * * * ? *)", ["2026-11-23T00:15", "2026-11-23T00:30"]),
        ("cron(0/10 * ? * MON-FRI *)", ["2026-11-23T00:10", "2026-11-23T00:20"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", ["2026-11-23T08:00", "2026-11-23T08:05"]),
        ("cron(0/30 20-2 ? * MON-FRI *)", [
            *(f"2026-11-23T{time}" for time in ("00:30", "01:00", "01:30", "02:00", "02:30")),
            "2026-11-23T20:00",
        ]),
        ("cron(0 12 * * ? *)", ["2026-11-23T12:00"]),
        ("cron(5,35 14 * * ? *)", ["2026-11-23T14:05", "2026-11-23T14:35", "2026-11-24T14:05"]),
        ("cron(15 10 ? * 6L 2019-2022)", []),
        ("cron(15 10 ? * 6L 2026-2027)", ["2026-11-27T10:15", "2026-12-25T10:15", "2027-01-29T10:15"]),
        # What the pages say of the wildcards.
        ("cron(1/10 0 * * ? *)", [f"2026-11-23T00:{minute}" for minute in ("01", "11", "21", "31", "41", "51")]),
        ("cron(0 0 ? * 3#2 *)", ["2026-12-08T00:00", "2027-01-12T00:00"]),
        ("cron(0 0 3W * ? *)", ["2026-12-03T00:00", "2027-01-04T00:00", "2027-02-03T00:00"]),
        ("cron(0 0 1W * ? *)", ["2026-12-01T00:00", "2027-01-01T00:00", "2027-02-01T00:00"]),
        ("cron(0 0 L * ? *)", ["2026-11-30T00:00", "2026-12-31T00:00", "2027-01-31T00:00", "2027-02-28T00:00"]),
        ("cron(0 0 ? * L *)", ["2026-11-28T00:00", "2026-12-05T00:00"]),
        ("cron(0 0 ? JAN,FEB,MAR 1 *)", ["2027-01-03T00:00"]),
        ("cron(0 9 7 * ? *)", ["2026-12-07T09:00"]),
        ("cron(0 0 1 1 ? *)", ["2027-01-01T00:00", "2028-01-01T00:00"]),
        ("cron(0 0 1 1 ? 2026/5)", ["2031-01-01T00:00", "2036-01-01T00:00"]),
        ("cron(0 0 1 1 ? */2)", ["2028-01-01T00:00", "2030-01-01T00:00"]),
        ("cron(0 0 1 1 ? 2027,2030-2034/2)", [f"{year}-01-01T00:00" for year in (2027, 2030, 2032, 2034)]),
        ("cron(0 0 1 1 ? 2030-2030/1)", ["2030-01-01T00:00"]),
        ("cron(0 0 1 1 ? 2199/1)", ["2199-01-01T00:00"]),
        ("cron(0 0 31 4 ? *)", []),
        ("cron(0 0 1 1 ? 2026)", []),
        ("cron(0  0\t1 1 ? 2199)", ["2199-01-01T00:00"]),
        ("at(2026-11-24T00:00:01)", ["2026-11-24T00:00"]),
        ("at(2026-11-23T00:00:00)", []),
        # With commas behind its fields, as PutRule takes it.
        ("cron(0, 12, *, *, ?, *)", ["2026-11-23T12:00", "2026-11-24T12:00"]),
        ("cron(0,30 12 * * ? *,)", ["2026-11-23T12:00", "2026-11-23T12:30"]),
        ("rate(1 minute)", ["2026-11-23T00:01", "2026-11-23T00:02"]),
        ("rate(5 minutes)", ["2026-11-23T00:05", "2026-11-23T00:10"]),
        ("rate(1 hour)", ["2026-11-23T01:00"]),
        ("rate(1 days)", ["2026-11-24T00:00"]),
        ("rate(999999999 days)", []),
    ],
)  # fmt: skip
def test_is_due_when_aws_says(expression, expected):
    assert dues(expression, max(1, len(expected))) == expected


def test_hours_that_wrap_around_midnight_belong_to_their_own_day():
    """AWS's example runs on Monday morning too, and so not on Saturday's."""
    assert dues("cron(0/30 20-2 ? * MON-FRI *)", 2, after=utc("2026-11-27T23:00")) == [
        "2026-11-27T23:30",
        "2026-11-30T00:00",
    ]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "is no schedule expression"),
        ("every day", "is no schedule expression"),
        ("Cron(0 10 * * ? *)", "is no schedule expression"),
        ("cron(0 10 * * ? *) ", "is no schedule expression"),
        ("cron(0 10 * * ?)", "has 5 fields"),
        ("cron(0 10 * * ? * *)", "has 7 fields"),
        ("cron()", "has 0 fields"),
        ("cron(0 10 * * * *)", "question mark"),
        ("cron(0 10 ? * ? *)", "question mark"),
        ("cron(0 10 1 * MON *)", "question mark"),
        ("cron(60 10 * * ? *)", "Invalid minute value '60'"),
        ("cron(0 24 * * ? *)", "Invalid hour value '24'"),
        ("cron(0 0 32 * ? *)", "Invalid day-of-month value '32'"),
        ("cron(0 0 0 * ? *)", "Invalid day-of-month value '0'"),
        ("cron(0 0 1 13 ? *)", "Invalid month value '13'"),
        ("cron(0 0 ? * 0 *)", "Invalid day-of-week value '0'"),
        ("cron(0 0 ? * 8 *)", "Invalid day-of-week value '8'"),
        ("cron(0 0 ? * 3#6 *)", "Invalid day-of-week value '3#6'"),
        # "You can define only one expression in the day-of-week field" with a '#'.
        ("cron(0 0 ? * 3#1,6#3 *)", "Invalid day-of-week value"),
        ("cron(0 0 LW * ? *)", "combines L"),
        ("cron(0 0 ? * L-1 *)", "combines L"),
        ("cron(*/0 * * * ? *)", "range or step"),
        ("cron(5-* * * * ? *)", "cron expression of EventBridge: a range or step in it cannot be read$"),
        ("cron(0 0 1 1 ? 1969)", "Invalid year value '1969'"),
        ("cron(0 0 1 1 ? 2200)", "Invalid year value '2200'"),
        (
            "cron(0 0 1 1 ? 2026/0)",
            r"^'cron\(0 0 1 1 ? 2026/0\)' has the years '2026/0'; expected a form like 2026/2 or 2026-2036/2$",
        ),
        ("cron(0 0 1 1 ? 2030-2026/2)", "has the years"),
        ("cron(0 0 1 1 ? 1960/2)", "has the years"),
        ("cron(0 0 1 1 ? x/2)", "has the years"),
        ("rate(0 minutes)", "has a rate of 0"),
        ("rate(-1 minutes)", "is no schedule expression"),
        ("rate(1.5 hours)", "is no schedule expression"),
        ("rate(5 seconds)", "is no schedule expression"),
        ("rate(5)", "is no schedule expression"),
        ("rate( 10 minutes )", "is no schedule expression"),
        ("rate(10minutes)", "is no schedule expression"),
        ("rate(99999999999 days)", "longer than time"),
        ("at(2026-13-01T00:00:00)", "names no date and time"),
        ("at(2026-11-24)", "is no schedule expression"),
        ("at(2026-11-24T00:00:00Z)", "is no schedule expression"),
    ],
)
def test_refuses_what_aws_refuses_in_one_sentence(expression, sentence):
    for ask in (
        lambda: next_due(expression, after=NOW),
        lambda: previous_due(expression, until=NOW),
        lambda: check_expression(expression),
    ):
        with pytest.raises(ValueError, match=sentence.replace("?", r"\?")) as error:
            ask()
        assert type(error.value) is ValueError
        assert not str(error.value).endswith(".")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("zone", ["Asia/Tokio", "", "../etc", "America", "+09:00"])
def test_refuses_an_unknown_time_zone(zone):
    with pytest.raises(ValueError, match="is not a time zone"):
        next_due("rate(1 hour)", after=NOW, timezone=zone)


def test_refuses_times_without_a_zone():
    naive = NOW.replace(tzinfo=None)
    for name in ("after", "start", "end"):
        with pytest.raises(ValueError, match=f"{name} is .* no time zone"):
            next_due("rate(1 hour)", **{"after": NOW, name: naive})
    for name in ("until", "start", "end"):
        with pytest.raises(ValueError, match=f"{name} is .* no time zone"):
            previous_due("rate(1 hour)", **{"until": NOW, name: naive})


def test_the_rarest_days_are_found():
    """There is a fifth Sunday in February every 28 years, and no leap day from 2096 to 2104."""
    assert dues("cron(0 0 ? 2 1#5 *)", 3) == ["2032-02-29T00:00", "2060-02-29T00:00", "2088-02-29T00:00"]
    assert dues("cron(0 0 29 2 ? *)", 1, after=utc("2096-03-01")) == ["2104-02-29T00:00"]
    assert previous_due("cron(0 0 29 2 ? *)", until=utc("2104-02-28")) == utc("2096-02-29")
    assert previous_due("cron(0 0 ? 2 1#5 *)", until=utc("2032-02-28")) == utc("2004-02-29")


def test_an_answer_of_the_library_that_is_no_time_is_not_taken_for_one():
    class Library:
        years, months = (2026,), (11,)

        def get_next(self, *_, **__):
            return ["soon"]

        get_prev = get_next

    for ask in (_Cron(Library()).after, _Cron(Library()).until):
        with pytest.raises(TypeError, match=r"^aws-croniter returned 'soon'; expected a datetime or None$"):
            ask(NOW)


def test_what_never_happens_is_known_soon():
    began = time.process_time()
    assert next_due("cron(0 0 31 2 ? *)", after=NOW) is None
    assert previous_due("cron(0 0 31 2 ? *)", until=NOW) is None
    assert time.process_time() - began < 5


def test_seconds_and_less_are_no_part_of_a_cron():
    late = timedelta(minutes=1) - timedelta(microseconds=1)
    assert next_due("cron(* * * * ? *)", after=NOW + late) == NOW + timedelta(minutes=1)
    assert next_due("cron(* * * * ? *)", after=NOW - timedelta(microseconds=1)) == NOW
    assert previous_due("cron(* * * * ? *)", until=NOW + late) == NOW
    assert previous_due("cron(* * * * ? *)", until=NOW) == NOW
    assert previous_due("cron(* * * * ? *)", until=NOW - timedelta(microseconds=1)) == NOW - timedelta(
        minutes=1
    )


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        # AWS's example: 2:30 in Los Angeles. Forward on 8 March 2026, back on 1 November.
        (
            "America/Los_Angeles",
            "cron(30 2 * * ? *)",
            "2026-03-07",
            ["03-07T10:30", "03-09T09:30", "03-10T09:30"],
        ),
        (
            "America/Los_Angeles",
            "cron(30 1 * * ? *)",
            "2026-11-01",
            ["11-01T08:30", "11-02T09:30", "11-03T09:30"],
        ),
        (
            "America/New_York",
            "cron(30 8 * * ? *)",
            "2026-03-07",
            ["03-07T13:30", "03-08T12:30", "03-09T12:30"],
        ),
        # Read as the page says it: the hour that is repeated has no invocations in its second pass.
        ("America/Los_Angeles", "cron(0/30 * * * ? *)", "2026-11-01T08:00", ["11-01T08:30", "11-01T10:00"]),
        ("America/Los_Angeles", "cron(0/30 * * * ? *)", "2026-11-01T09:10", ["11-01T10:00", "11-01T10:30"]),
        ("America/Los_Angeles", "cron(0/30 * * * ? *)", "2026-03-08T09:30", ["03-08T10:00", "03-08T10:30"]),
        # Half an hour only, and in the south.
        ("Australia/Lord_Howe", "cron(45 1 * * ? *)", "2026-04-04", ["04-04T14:45", "04-05T15:15"]),
        ("Australia/Lord_Howe", "cron(15 2 * * ? *)", "2026-10-03", ["10-04T15:15", "10-05T15:15"]),
        ("Asia/Tokyo", "cron(0 0 * * ? *)", "2026-11-23", ["11-23T15:00", "11-24T15:00"]),
        ("Asia/Tokyo", "cron(0 9 ? * MON *)", "2026-11-23", ["11-30T00:00", "12-07T00:00"]),
        ("Asia/Kolkata", "at(2026-11-23T05:31:00)", "2026-11-23", ["11-23T00:01"]),
        ("America/Los_Angeles", "at(2026-11-01T01:30:00)", "2026-11-01", ["11-01T08:30"]),
        # "days represents a 24-hour duration".
        ("America/Los_Angeles", "rate(1 days)", "2026-03-07T20:00", ["03-08T20:00", "03-09T20:00"]),
    ],
)
def test_follows_daylight_saving_time_as_scheduler_does(zone, expression, after, expected):
    found = dues(expression, len(expected), after=utc(after), timezone=zone)
    assert found == [f"2026-{time}" for time in expected]


def test_a_time_that_no_clock_shows_never_comes():
    gap = {"timezone": "America/Los_Angeles"}
    assert next_due("at(2026-03-08T02:30:00)", after=utc("2026-01-01"), **gap) is None
    assert previous_due("at(2026-03-08T02:30:00)", until=utc("2027-01-01"), **gap) is None
    assert previous_due("cron(30 2 * * ? *)", until=utc("2026-03-08T23:00"), **gap) == utc("2026-03-07T10:30")


def test_looks_back_over_a_repeated_hour():
    los_angeles = {"timezone": "America/Los_Angeles"}
    # 1:10 for the second time; 1:45 has been, before 1:10.
    until = utc("2026-11-01T09:10")
    assert previous_due("cron(45 1 * * ? *)", until=until, **los_angeles) == utc("2026-11-01T08:45")
    assert previous_due("cron(0 1 * * ? *)", until=until, **los_angeles) == utc("2026-11-01T08:00")


def test_start_and_end_bound_what_recurs():
    start, end = NOW + timedelta(hours=1), NOW + timedelta(hours=3)
    bounds = {"start": start, "end": end}
    assert dues("rate(1 hour)", 9, **bounds) == [f"2026-11-23T0{hour}:00" for hour in (1, 2, 3)]
    assert dues("cron(0 * * * ? *)", 9, **bounds) == [f"2026-11-23T0{hour}:00" for hour in (1, 2, 3)]
    assert dues("rate(25 minutes)", 2, after=start + timedelta(minutes=30), start=start) == [
        "2026-11-23T01:50", "2026-11-23T02:15",
    ]  # fmt: skip
    for expression in ("rate(1 hour)", "cron(0 * * * ? *)"):
        assert previous_due(expression, until=NOW + timedelta(days=1), **bounds) == end
        assert previous_due(expression, until=start, **bounds) == start
        assert previous_due(expression, until=start - timedelta(seconds=1), **bounds) is None


def test_what_is_due_a_moment_before_the_start_is_not_due():
    for expression in ("rate(1 hour)", "cron(0 * * * ? *)"):
        for late in (timedelta(microseconds=1), timedelta(seconds=1), timedelta(minutes=59)):
            start = NOW + late
            first = start if "rate" in expression else NOW + timedelta(hours=1)
            assert next_due(expression, after=NOW - timedelta(days=1), start=start) == first
            assert previous_due(expression, until=NOW + timedelta(hours=1), start=start) == first
            assert previous_due(expression, until=start, start=start) == (
                start if "rate" in expression else None
            )


def test_start_and_end_are_nothing_to_what_happens_once():
    bounds = {"start": NOW + timedelta(days=2), "end": NOW - timedelta(days=2)}
    once = utc("2026-11-24")
    assert next_due("at(2026-11-24T00:00:00)", after=NOW, **bounds) == once
    assert previous_due("at(2026-11-24T00:00:00)", until=once, **bounds) == once
    assert previous_due("at(2026-11-24T00:00:00)", until=NOW, **bounds) is None


def test_answers_are_in_utc():
    local = NOW.astimezone(ZoneInfo("Asia/Tokyo"))
    for found in (
        next_due("rate(1 hour)", after=local, start=local),
        previous_due("rate(1 hour)", until=local),
        next_due("cron(0 * * * ? *)", after=local, timezone="Asia/Tokyo"),
    ):
        assert found.tzinfo is UTC


def field(low, high, *, names=()):
    value = st.integers(low, high).map(str) | st.sampled_from([str(low), *names])
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda two: f"{min(two)}-{max(two)}")
    step = st.tuples(st.integers(low, high), st.integers(max(low, 1), high)).map(
        lambda two: f"{two[0]}/{two[1]}"
    )
    return st.just("*") | value | span | step | st.lists(value | span, min_size=1, max_size=3).map(",".join)


DAYS = st.tuples(field(1, 31), st.just("?")) | st.tuples(
    st.just("?"), st.sampled_from(["*", "1", "2-6", "MON-FRI", "SAT,SUN", "L"])
)
CRONS = st.builds(
    lambda minute, hour, days, month: f"cron({minute} {hour} {days[0]} {month} {days[1]} *)",
    field(0, 59),
    field(0, 23),
    DAYS,
    field(1, 12),
)
ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe", "Pacific/Apia"])
TIMES = st.integers(1_293_840_000, 2_208_988_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
RATES = st.tuples(st.integers(1, 10_000), st.sampled_from(["minutes", "hours", "days"]))
INTERVALS = RATES.map(lambda rate: timedelta(**{rate[1]: rate[0]}))


@given(CRONS, ZONES, TIMES)
def test_the_next_is_after_the_previous_is_not_and_they_agree(expression, zone, moment):
    due = next_due(expression, after=moment, timezone=zone)
    before = previous_due(expression, until=moment, timezone=zone)
    assert due is None or due > moment
    assert before is None or before <= moment
    if due is not None:
        assert previous_due(expression, until=due, timezone=zone) == due
        assert previous_due(expression, until=due - timedelta(microseconds=1), timezone=zone) == before
    if before is not None:
        assert next_due(expression, after=before, timezone=zone) == due


def matches(field, value, low, high):
    """Say whether a value is in a field, by the words of AWS's page and nothing else."""
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = low if span == "*" else int(first)
        stop = high if span == "*" or step else int(last or first)
        if begin <= value <= stop and (value - begin) % int(step or 1) == 0:
            return True
    return False


@settings(max_examples=60)
@given(field(0, 59), field(0, 23), field(1, 31), TIMES)
def test_finds_what_a_search_minute_by_minute_finds(minute, hour, day, moment):
    found = next_due(f"cron({minute} {hour} {day} * ? *)", after=moment)
    wall = moment.replace(second=0, microsecond=0)
    for _ in range(2 * 24 * 60):
        wall += timedelta(minutes=1)
        if (
            matches(minute, wall.minute, 0, 59)
            and matches(hour, wall.hour, 0, 23)
            and matches(day, wall.day, 1, 31)
        ):
            assert found == wall
            return
    assert found is None or found > wall


@given(INTERVALS, TIMES, TIMES)
def test_dues_of_a_rate_are_one_interval_apart(interval, start, moment):
    minutes = interval // timedelta(minutes=1)
    rate = f"rate({minutes} minutes)"
    first = next_due(rate, after=moment, start=start)
    assert next_due(rate, after=first, start=start) - first == interval
    assert (first - start) % interval == timedelta(0)
    assert first == start if moment < start else first - interval <= moment < first
    assert next_due(rate, after=moment) == moment + interval
    before = previous_due(rate, until=moment, start=start)
    assert before == (None if moment < start else first - interval)


@pytest.mark.parametrize(
    "expression", ["rate(1 minute)", "rate(1 hour)", "rate(2 days)", "rate(10 minutes)", "cron(0 12 * * ? *)"]
)
def test_a_rate_that_put_rule_takes(expression: str) -> None:
    check_expression(expression, is_rules=True)


@pytest.mark.parametrize(
    "expression", ["rate(1 minutes)", "rate(10 hour)", "rate(5 day)", "rate( 10 minutes )", "rate(0 minute)"]
)
def test_a_rate_that_put_rule_refuses(expression: str) -> None:
    """https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rate-expressions.html, and AWS-validated tests."""
    with pytest.raises(ValueError, match="rate"):
        check_expression(expression, is_rules=True)


def test_schedulers_rate_takes_both_forms() -> None:
    check_expression("rate(1 hours)")
    check_expression("rate(1 hour)")
