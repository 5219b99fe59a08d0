"""What each problem of a policy file says, to the word, and what is none."""

from __future__ import annotations

import pytest

from retry_run_task.launch.values import Category
from retry_run_task.policy import attempt_times, fargate
from retry_run_task.policy.attempt_times import Attempt
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.checks import _glob_covers
from retry_run_task.policy.durations import duration_text
from retry_run_task.policy.file import parse
from retry_run_task.policy.rules import Handling, Policy
from support.policies import BASE, PLAIN, changed, handling

X = '[[rules]]\nname = "x"\nmatch = { schedule = "x" }\n'
Y = '[[rules]]\nname = "y"\nmatch = { schedule = "x*" }\n'
LATE = '[[rules]]\nname = "late"\n'
HALF = '[[rules]]\nname = "half"\nmatch = { category = "capacity" }\nattempts = 3\n'
REST = (
    '[[rules]]\nname = "rest"\n'
    'match = { category = ["throttle", "transient", "unknown", "configuration", "permission"] }\nattempts = 3\n'
)
LONGER = "Give a longer longest wait, an earlier deadline, or a number of attempts."
KEYS = (
    "name, match, ignore, retry, attempts, wait, deadline, interval-share, rungs, extra-subnets, capacity-providers, "
    "sizes, platform-versions, early-message, stop-hanging, overlap, notify"
)


def with_first(rule: str) -> str:
    """Return a policy with a rule before all others; its first line, [[rules]], is line 3."""
    return BASE.replace("[[rules]]", f"{rule.strip()}\n[[rules]]", 1)


def told(text: str) -> list[str]:
    found = parse(text)
    return [] if isinstance(found, Policy) else [str(problem) for problem in found]


def many(line: int, rule: str, numbers: dict[str, int]) -> list[str]:
    return [
        f"line {line}: rule {rule!r} makes up to {number} attempts at failures of category {kind}, and Lambda lets an "
        f"execution make about 1250. {LONGER}"
        for kind, number in numbers.items()
    ]


SLOW = {"throttle": 2884, "transient": 2884, "unknown": 2884, "capacity": 5762}
FAST = dict.fromkeys(("capacity", "throttle", "transient", "unknown"), 21601)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('name = "x', ["line 1: this is not TOML: Unterminated string. See https://toml.io."]),
        (
            BASE.replace('"others"', '"capacity"'),
            ["line 9: 2 rules have the name 'capacity'. Give each its own."],
        ),
        (
            BASE.replace('"10 s"', '"1 h"'),
            ["line 2: spread is 1 h. It delays every first attempt; give at most 5 min."],
        ),
        (
            BASE.replace("spread", "watch").replace('"10 s"', '"1 d"'),
            ["line 2: watch is 1 d. Give at most 2 h."],
        ),
        # What rules above leave nothing of: one of them, two, and three together.
        (
            BASE + LATE + 'match = { schedule = "m-*" }\ndeadline = "1 h"',
            [
                (
                    "line 20: rule 'late' cannot be reached: rule 'everything' above it sets all that it sets. Move it "
                    "up, or narrow what stands above it."
                )
            ],
        ),
        (
            BASE + LATE + 'match = { schedule = "m-*" }\ndeadline = "1 h"\nattempts = 2',
            [
                (
                    "line 22: deadline of rule 'late' has no effect: rule 'everything' above it sets it. Take it out, "
                    "or move the rule up."
                )
            ],
        ),
        (
            BASE + HALF + REST + LATE + "attempts = 2",
            [
                (
                    "line 28: rule 'late' cannot be reached: rules 'half', 'rest' above it set all that it sets. Move "
                    "it up, or narrow what stands above it."
                )
            ],
        ),
        (
            BASE + HALF + REST + LATE + 'attempts = 2\nnotify = "never"',
            [
                (
                    "line 29: attempts of rule 'late' has no effect: rules 'half', 'rest' above it set it. Take it "
                    "out, or move the rule up."
                )
            ],
        ),
        (
            BASE + HALF + REST + LATE + 'attempts = 2\ndeadline = "1 h"',
            [
                (
                    "line 28: rule 'late' cannot be reached: rules 'everything', 'half', 'rest' above it set all that "
                    "it sets. Move it up, or narrow what stands above it."
                )
            ],
        ),
        (
            BASE + LATE + 'deadline = "1 h"\n' + LATE.replace("late", "later") + 'deadline = "1 h"',
            [
                f"line {line}: rule {name!r} cannot be reached: rule 'everything' above it sets all that it sets. "
                "Move it up, or narrow what stands above it."
                for line, name in ((20, "late"), (23, "later"))
            ],
        ),
        # Rungs count where capacity is short, so that is where they have to be reached.
        (
            BASE + LATE + 'rungs = ["as-asked"]',
            [
                (
                    "line 20: rule 'late' cannot be reached: rule 'capacity' above it sets all that it sets. "
                    "Move it up, or narrow what stands above it."
                )
            ],
        ),
        # What has no handling, and what has no wait.
        (
            BASE.replace('"throttle", "transient", ', ""),
            [
                *(
                    f"line 3: category {kind} has no handling: nothing says how long to wait after it. Add a rule "
                    "that matches it with wait, or with retry = false; the default policy has one."
                    for kind in ("throttle", "transient")
                ),
                *(
                    f"line 17: rule 'everything' retries failures of category {kind}, and nothing says how long to "
                    "wait. Add wait to it, or retry = false, or a category to its match."
                    for kind in ("throttle", "transient")
                ),
            ],
        ),
        (
            with_first(X.replace('schedule = "x"', 'category = "permission"') + "retry = true"),
            [
                (
                    "line 6: rule 'x' retries failures of category permission. Take it out: what was denied is never "
                    "sent again."
                )
            ],
        ),
        # More than an execution can do; named at the key that makes it so.
        (with_first(X + 'deadline = "2 d"'), many(6, "x", SLOW)),
        (with_first(X + 'wait = { first = "1 s", longest = "2 s" }'), many(6, "x", FAST)),
        (
            with_first(f'{Y}deadline = "2 d"\n{X}notify = "never"'),
            [*many(6, "y", SLOW), *many(8, "x", SLOW)],
        ),
        (
            with_first(X + 'deadline = "8 d"'),
            [
                (
                    "line 6: rule 'x' has a deadline of 8 d, and an execution may live 7 d. Give at most 6 d 22 h: "
                    "after the last attempt there is still a task to watch."
                )
            ],
        ),
        (
            with_first(X + 'rungs = ["as-asked", "sizes"]'),
            [
                "line 6: rung sizes of rule 'x' needs a list, and no rule sets sizes. Add sizes = [...] to the rule."
            ],
        ),
        (
            with_first(X + 'sizes = ["1 vCPU, 2 GB"]'),
            [
                (
                    "line 6: sizes of rule 'x' is not used, since no rule's rungs name it. Add 'sizes' to the rule's "
                    "rungs, or take the list out."
                )
            ],
        ),
        # Keys, and where they stand.
        (
            "spred = 1\nwatsh = 2\n" + BASE,
            [
                "line 1: spred is not a key at the top. Did you mean spread?",
                "line 2: watsh is not a key at the top. Did you mean watch?",
            ],
        ),
        (
            BASE.replace('"others"', '" "\ndeadlin = "1 h"\nretri = true'),
            [
                "line 9: a rule has no name. Give it one: logs and messages print it.",
                "line 10: deadlin is not a key of rule 'rule 2'. Did you mean deadline?",
                "line 11: retri is not a key of rule 'rule 2'. Did you mean retry?",
            ],
        ),
        (
            BASE.replace('name = "others"\n', "mach = 1\n"),
            [
                "line 8: a rule has no name. Give it one: logs and messages print it.",
                "line 9: mach is not a key of rule 'rule 2'. Did you mean match?",
            ],
        ),
        (
            '\n\nrules = [\n  { name = "x", colour = 1 },\n  { name = "y", hue = 1 },\n]\nspred = 1\n',
            [
                f"line 4: colour is not a key of rule 'x'. Expected one of {KEYS}.",
                f"line 5: hue is not a key of rule 'y'. Expected one of {KEYS}.",
                "line 7: spred is not a key at the top. Did you mean spread?",
            ],
        ),
        (
            '\n\nrules = [\n  { deadline = "1 h" },\n]\n',
            ["line 3: a rule has no name. Give it one: logs and messages print it."],
        ),
        # Written with an escape, so that its line is not found; not the line of a rule's key of that name.
        (
            f'"\\u0064eadline" = 1\n{BASE}',
            ["line 1: deadline is not a key at the top. Expected one of spread, watch, rules."],
        ),
        (
            with_first(f'{X}notify = "{"n" * 58}"'),
            [
                f"line 6: notify of rule 'x' is '{'n' * 58}'. Expected some of always, failure, never.",
            ],
        ),
        (
            with_first(f'{X}notify = "{"n" * 59}"'),
            [
                f"line 6: notify of rule 'x' is '{'n' * 56}.... Expected some of always, failure, never.",
            ],
        ),
    ],
)
def test_what_each_problem_says(text: str, says: list[str]) -> None:
    assert told(text) == says


@pytest.mark.parametrize(
    "wide",
    [
        'schedule = "a*"',
        'cluster = "a*"',
        'task-definition = "a*"',
        'policy = "a*"',
        'caller = "rule"',
        'category = "capacity"',
    ],
)
def test_a_rule_is_reached_if_one_above_it_is_for_less(wide: str) -> None:
    above = f'[[rules]]\nname = "less"\nmatch = {{ {wide} }}\nattempts = 9\n'
    assert told(f"{BASE}{above}{LATE}attempts = 2") == []
    assert told(f"{BASE}{above}{LATE}match = {{ {wide.replace('a*', 'ab')} }}\nattempts = 2") != []


@pytest.mark.parametrize(
    "for_some", ['schedule = "n"', 'cluster = "n"', 'task-definition = "n"', 'policy = "n"']
)
def test_what_only_some_launches_have_a_rule_for_has_none(for_some: str) -> None:
    text = BASE.replace('"unknown"] }', f'"unknown"], {for_some} }}')
    assert [line.split(":")[1] for line in told(text)][:3] == [
        f" category {kind} has no handling" for kind in ("throttle", "transient", "unknown")
    ]


def test_a_glob_with_a_set_of_characters_is_covered_by_none() -> None:
    assert not _glob_covers("a*", "a[b]")
    assert _glob_covers("a[b]", "a[b]")


def test_a_file_that_waits_slowly_only_after_its_deadline_does_not_say_so() -> None:
    of = Backoff(base_s=10, cap_s=10, slow_after_s=600, slow_s=60)
    for deadline_s, is_said in ((600, False), (601, True)):
        slow = changed(PLAIN, category=Category.CAPACITY, wait=of, deadline_s=deadline_s)
        said = attempt_times.in_words(handling(slow, Category.CAPACITY))
        assert said.endswith(", after 10 min at most 1 min") is is_said


def test_what_a_file_does_not_set_at_the_top() -> None:
    found = parse(BASE.replace('spread = "10 s"', ""))
    assert isinstance(found, Policy)
    assert (found.spread_s, found.watch_s) == (0, 1800)


# --- When attempts are made ---


def waits(base_s: float, cap_s: float, **more: float | None) -> Handling:
    of = changed(
        PLAIN,
        category=Category.CAPACITY,
        wait=Backoff(base_s=base_s, cap_s=cap_s),
        **({"attempts": None} | more),
    )
    return handling(of, Category.CAPACITY)


def test_attempts_are_listed_until_waits_stop_growing() -> None:
    assert list(attempt_times.attempts(waits(10, 40))) == [
        Attempt(nth=1),
        Attempt(nth=2, longest_s=10, earliest_s=5, latest_s=10),
        Attempt(nth=3, longest_s=20, earliest_s=15, latest_s=30),
        Attempt(nth=4, longest_s=40, earliest_s=35, latest_s=70),
    ]
    assert [one.nth for one in attempt_times.attempts(waits(1, 1))] == [1, 2]
    assert [one.nth for one in attempt_times.attempts(waits(10, 10, attempts=4))] == [1, 2, 3, 4]
    assert [one.nth for one in attempt_times.attempts(waits(10, 10, attempts=1))] == [1]
    assert [one.nth for one in attempt_times.attempts(waits(10, 40, deadline_s=15))] == [1, 2, 3]
    assert [one.nth for one in attempt_times.attempts(waits(10, 40, deadline_s=14))] == [1, 2]


def test_a_handling_that_does_not_wait_has_one_attempt_and_no_bounds() -> None:
    assert list(attempt_times.attempts(Handling())) == [Attempt(nth=1)]
    with pytest.raises(ValueError, match=r"^this handling does not wait$"):
        attempt_times.bounds(Handling(), 1)


@pytest.mark.parametrize(
    ("of", "bounds"),
    [
        (waits(10, 600), (300, 600)),
        (waits(10, 600, attempts=4), (20, 40)),
        (waits(10, 600, attempts=1), (5, 10)),
        (waits(1, 1), (1, 1)),
    ],
)
def test_the_longest_wait(of: Handling, bounds: tuple[int, int]) -> None:
    assert attempt_times.longest_bounds(of) == bounds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.4, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3661, "1 h 1 min"), (90_061, "1 d 1 h")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_size_that_fargate_does_not_have_is_said_with_those_it_has() -> None:
    with pytest.raises(ValueError, match=r"^Fargate has no 9 GB with 1 vCPU; it has 2, 3, 4, 5, 6, 7, 8 GB$"):
        fargate.read_size("1 vCPU, 9 GB")


def test_sizes_are_whole_gigabytes_in_steps() -> None:
    assert fargate._gb(1, 4) == (1024, 2048, 3072, 4096)
    assert fargate._gb(16, 24, 4) == (16384, 20480, 24576)
