"""The policy file: the shipped one is the default, and of a bad one every problem is named with its line."""

from __future__ import annotations

import contextlib
import re
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from retry_run_task.launch.values import CallerKind, Category
from retry_run_task.policy.backoff import Backoff
from retry_run_task.policy.checks import _glob_covers
from retry_run_task.policy.file import Problem, parse
from retry_run_task.policy.keys import MATCH, SETTINGS, TOP, BadValueError
from retry_run_task.policy.ladder import RungKind
from retry_run_task.policy.rules import Facts, Notify, Policy
from support.policies import BASE

SHIPPED = files("retry_run_task").joinpath("policy.toml").read_text(encoding="utf-8")


def with_first(rule: str, base: str = BASE) -> str:
    """Return a policy with a rule before all others; its first line, [[rules]], is line 3."""
    return base.replace("[[rules]]", f"{rule.strip()}\n[[rules]]", 1)


def problems(text: str) -> list[Problem]:
    found = parse(text)
    return list(found) if isinstance(found, tuple) else []


def policy(text: str) -> Policy:
    found = parse(text)
    assert isinstance(found, Policy), found
    return found


def test_the_examples_in_the_shipped_file_are_right_too() -> None:
    """Whoever takes the # away has a policy."""
    uncommented = re.sub(
        r"^# (\[\[rules\]\]|name = |match = |deadline = |wait = |ignore = |rungs = )",
        r"\1",
        SHIPPED,
        flags=re.MULTILINE,
    )
    found = policy(uncommented)
    assert [rule.name for rule in found.rules][:3] == ["month-end", "development", "may cost more"]
    assert found.handling(Facts(cluster=("dev-7",)), Category.PERMISSION).ignore
    assert not found.handling(Facts(cluster=("prod",)), Category.CAPACITY).ignore


def test_every_key_is_read() -> None:
    text = with_first(
        """
[[rules]]
name = "all of it"
match = { schedule = ["a-*", "b"], cluster = "c", task-definition = "d*", caller = "rule", policy = "p" }
attempts = 7
wait = { first = "1 s", longest = "1 h 30 min" }
deadline = "90 min"
interval-share = 0.5
early-message = "never"
stop-hanging = true
overlap = "skip"
rungs = ["as-asked", "sizes", "extra-subnets", "capacity-providers", "platform-versions"]
sizes = "2 vCPU, 8 GB"
extra-subnets = ["subnet-0123456789abcdef0"]
capacity-providers = ["spare"]
platform-versions = ["1.4.0"]
notify = "always"
retry = true
ignore = false
""".replace('"p" }', '"p", category = "capacity" }')
    )
    first = policy(text).rules[0]
    assert first.match.schedule == ("a-*", "b")
    assert first.match.caller == frozenset({CallerKind.RULE})
    assert dict(first.sets) == {
        "attempts": 7,
        "wait": Backoff(base_s=1, cap_s=5400),
        "deadline_s": 5400,
        "interval_share": 0.5,
        "early_s": None,
        "stop_hanging": True,
        "overlap": "skip",
        "rungs": (
            RungKind.AS_ASKED,
            RungKind.SIZES,
            RungKind.EXTRA_SUBNETS,
            RungKind.CAPACITY_PROVIDERS,
            RungKind.PLATFORM_VERSIONS,
        ),
        "sizes": ((2048, 8192),),
        "extra_subnets": ("subnet-0123456789abcdef0",),
        "capacity_providers": ("spare",),
        "platform_versions": ("1.4.0",),
        "notify": Notify.ALWAYS,
        "retry": True,
        "ignore": False,
    }
    assert {one.attribute for one in SETTINGS.values()} == set(first.sets), "a key without a row here"


NO_SUCH_KEY = """
[[rules]]
name = "x"
match = { schedule = "x" }
"""


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        ('name = "x', 1, "not TOML", "toml.io"),
        ("", 1, "no rules", "[[rules]]"),
        ("rules = 3", 1, "no rules", "[[rules]]"),
        ("rules = []", 1, "no rules", "[[rules]]"),
        (BASE.replace("spread", "spred"), 2, "spred is not a key at the top", "Did you mean spread?"),
        (BASE.replace('"10 s"', "10"), 2, "spread is 10", "with a unit"),
        (BASE.replace('"10 s"', '"10 m"'), 2, "spread is '10 m'", "such as '90 s'"),
        (BASE.replace('"10 s"', '"1 h"'), 2, "spread is 1 h", "at most 5 min"),
        (BASE.replace("spread", "watch").replace('"10 s"', '"1 d"'), 2, "watch is 1 d", "at most 2 h"),
        (BASE.replace('name = "others"\n', ""), 8, "no name", "Give it one"),
        (BASE.replace('"others"', '"capacity"'), 9, "2 rules have the name 'capacity'", "its own"),
        (BASE.replace("rungs", "rung"), 7, "rung is not a key of rule 'capacity'", "Did you mean rungs?"),
        (BASE + 'watch = "1 h"', 19, "watch is not a key of rule 'everything'", "above the first [[rules]]"),
        (BASE.replace("wait = { f", "wait = { fi", 1), 6, "wait of rule 'capacity'", "{ first = '15 s'"),
        (BASE.replace('"15 s"', '"2 min"'), 6, "wait of rule 'capacity'", "no shorter than the first"),
        (BASE.replace('"15 s"', '"0 s"'), 6, "wait of rule 'capacity'", "at least a second"),
        (BASE.replace('"15 s"', "15"), 6, "wait of rule 'capacity'", "with a unit"),
        (
            BASE.replace('"6 h"', '"6 hours"'),
            18,
            "deadline of rule 'everything' is '6 hours'",
            "such as '90 s'",
        ),
        (BASE.replace('"6 h"', '"0 s"'), 18, "deadline of rule 'everything' is '0 s'", "more than that"),
        (BASE + "interval-share = 2", 19, "interval-share of rule 'everything' is 2", "up to 1"),
        (BASE + "interval-share = true", 19, "interval-share of rule 'everything' is True", "up to 1"),
        (BASE.replace("retry = false", "attempts = 0"), 15, "attempts of rule 'persons' is 0", "or 'any'"),
        (
            BASE.replace("retry = false", 'retry = "no"'),
            15,
            "retry of rule 'persons' is 'no'",
            "true or false",
        ),
        (BASE + 'notify = "mail"', 19, "notify of rule 'everything' is 'mail'", "always, failure, never"),
        (
            BASE.replace('"each-subnet"', '"each-subnets"'),
            7,
            "rungs of rule 'capacity'",
            "perhaps each-subnet",
        ),
        (BASE.replace('"as-asked", ', ""), 7, "rungs of rule 'capacity'", "'as-asked' first"),
        (BASE.replace('"each-subnet"', '"as-asked"'), 7, "rungs of rule 'capacity'", "each rung once"),
        (BASE.replace('["as-asked", "each-subnet"]', '"as-asked"'), 7, "rungs of rule 'capacity'", "a list"),
        (
            BASE.replace('category = "capacity"', 'category = "capasity"'),
            5,
            "category of rule 'capacity' is 'capasity'",
            "perhaps capacity",
        ),
        (
            with_first(NO_SUCH_KEY.replace("schedule", "schedul") + "retry = true"),
            5,
            "schedul is not a key of match",
            "schedule?",
        ),
        (
            with_first('[[rules]]\nname = "x"\nmatch = "y"\nretry = true'),
            5,
            "match of rule 'x' is 'y'",
            "{ schedule",
        ),
        (with_first(NO_SUCH_KEY + 'sizes = ["1 vCPU, 1 GB"]'), 6, "sizes of rule 'x'", "it has 2, 3, 4"),
        (with_first(NO_SUCH_KEY + 'extra-subnets = ["a"]'), 6, "extra-subnets of rule 'x'", "'a' is none"),
        (with_first(NO_SUCH_KEY + 'platform-versions = "1.4"'), 6, "platform-versions of rule 'x'", "1.4.0"),
        (
            with_first(NO_SUCH_KEY + "capacity-providers = []"),
            6,
            "capacity-providers of rule 'x'",
            "at least one",
        ),
        (with_first(NO_SUCH_KEY), 4, "rule 'x' sets nothing", "take it out"),
        # What does not make sense together.
        (
            BASE.replace('"transient", ', ""),
            3,
            "category transient has no handling",
            "retry = false",
        ),
        (
            BASE.replace(
                'match = { category = "capacity" }', 'match = { category = "capacity", caller = "rule" }'
            ),
            3,
            "category capacity has no handling",
            "retry = false",
        ),
        (
            with_first(NO_SUCH_KEY + "retry = true"),
            4,
            "rule 'x' retries failures of category configuration, and nothing says how long to wait",
            "Add wait to it",
        ),
        (
            with_first(NO_SUCH_KEY.replace('schedule = "x"', 'category = "permission"') + "retry = true"),
            6,
            "retries failures of category permission",
            "never sent again",
        ),
        (
            with_first(NO_SUCH_KEY + 'rungs = ["as-asked", "sizes"]'),
            6,
            "rung sizes of rule 'x' needs a list",
            "Add sizes = [...]",
        ),
        (
            with_first(NO_SUCH_KEY + 'sizes = ["1 vCPU, 2 GB"]'),
            6,
            "sizes of rule 'x' is not used",
            "Add 'sizes' to the rule's rungs",
        ),
        (
            with_first(NO_SUCH_KEY + 'deadline = "8 d"'),
            6,
            "rule 'x' has a deadline of 8 d, and an execution may live 7 d",
            "at most 6 d 22 h",
        ),
        (
            with_first(NO_SUCH_KEY + 'deadline = "2 d"'),
            6,
            "rule 'x' makes up to 5762 attempts at failures of category capacity",
            "longer longest wait",
        ),
        # What nothing ever gets.
        (
            BASE + '[[rules]]\nname = "late"\nmatch = { schedule = "m-*" }\ndeadline = "1 h"',
            20,
            "rule 'late' cannot be reached: rule 'everything' above it sets all that it sets",
            "Move it up",
        ),
        (
            BASE + '[[rules]]\nname = "late"\nmatch = { schedule = "m-*" }\ndeadline = "1 h"\nattempts = 2',
            22,
            "deadline of rule 'late' has no effect: rule 'everything' above it sets it",
            "move the rule up",
        ),
        (
            with_first('[[rules]]\nname = "a"\nignore = true').replace('"6 h"', '"5 h"'),
            7,
            "rule 'capacity' cannot be reached",
            "narrow what stands above it",
        ),
    ],
)
def test_a_problem_is_named_with_its_line_and_what_to_do(text: str, line: int, what: str, hint: str) -> None:
    found = problems(text)
    matching = [problem for problem in found if what in problem.what]
    assert matching, found
    assert matching[0].line == line
    assert hint in matching[0].hint


def test_every_problem_is_reported_at_once_in_order_of_lines() -> None:
    text = """
spred = "1 s"
[[rules]]
name = "one"
match = { schedul = "a", category = "capasity" }
wait = "5 s"

[[rules]]
rungs = ["on-demand"]
colour = "red"
"""
    found = problems(text)
    assert [problem.line for problem in found] == [2, 5, 5, 6, 8, 9, 10]
    assert [problem.what.split()[0] for problem in found] == [
        "spred",
        "category",
        "schedul",
        "wait",
        "a",
        "rungs",
        "colour",
    ]
    assert all(problem.hint for problem in found)


def test_a_mistake_in_one_rule_hides_nothing_that_is_wrong_with_the_others() -> None:
    text = with_first(
        """[[rules]]
name = "typo"
match = { schedule = "z", categry = "capacity" }
deadline = "30 d"

[[rules]]
name = "first"
match = { schedule = "x" }
deadline = "1 h"

[[rules]]
name = "second"
match = { schedule = "x" }
deadline = "2 h"

[[rules]]
name = "list"
match = { schedule = "y" }
rungs = ["as-asked", "sizes"]
"""
    )
    found = [problem.what for problem in problems(text)]
    for what in (
        "categry is not a key",
        "rule 'typo' has a deadline of 30 d",
        "rule 'second' cannot be reached: rule 'first'",
    ):
        assert any(one.startswith(what) for one in found), (what, found)
    # The rule with the typo may be the one that has the list, and it is not known which launches it matches.
    assert len(found) == 3
    repaired = [problem.what for problem in problems(text.replace("categry", "category"))]
    assert {*found[1:], "rung sizes of rule 'list' needs a list, and no rule sets sizes"} == set(repaired)


@pytest.mark.parametrize(
    "damage",
    [
        # What is wrong in a rule may be the very thing that another problem would be about.
        ('wait = { first = "15 s"', 'wait = { first = "15 parsecs"'),
        ('match = { category = "capacity" }', 'match = { categry = "capacity" }'),
        ('deadline = "6 h"', 'deadline = "soon"'),
        ("retry = false", 'retry = "never"'),
        ('rungs = ["as-asked", "each-subnet"]', 'rungs = ["as-asked", "sizes"]\nsizes = ["huge"]'),
        ('rungs = ["as-asked", "each-subnet"]', 'rungs = ["sises"]\nsizes = ["1 vCPU, 2 GB"]'),
    ],
)
def test_beside_a_mistake_nothing_is_reported_that_its_repair_would_mend(damage: tuple[str, str]) -> None:
    """Nothing else is wrong with this policy."""
    damaged = BASE.replace(*damage, 1)
    assert damaged != BASE
    assert len(problems(damaged)) == 1


@pytest.mark.parametrize(
    "text",
    [
        # Everything that is sensible, and near to what is not.
        BASE,
        with_first(NO_SUCH_KEY + 'deadline = "1 d"\nwait = { first = "15 s", longest = "5 min" }'),
        with_first(NO_SUCH_KEY + "attempts = 5"),
        with_first(NO_SUCH_KEY + "ignore = true"),
        with_first(NO_SUCH_KEY + 'notify = "never"'),
        with_first(NO_SUCH_KEY + 'rungs = ["as-asked", "on-demand", "spot"]'),
        with_first('[[rules]]\nname = "a"\nmatch = { category = "capacity" }\nattempts = 3'),
        # The list stands in a rule above the one with the rung.
        with_first(
            NO_SUCH_KEY
            + 'sizes = ["1 vCPU, 2 GB"]\n[[rules]]\nname = "y"\nmatch = { cluster = "c" }\n'
            + 'rungs = ["as-asked", "sizes"]\nsizes = ["1 vCPU, 3 GB"]'
        ),
        # One rule covers a part of another only.
        with_first(
            '[[rules]]\nname = "a"\nmatch = { schedule = "m-1*" }\nattempts = 3\n'
            '[[rules]]\nname = "b"\nmatch = { schedule = "m-*" }\nattempts = 4'
        ),
        with_first(
            '[[rules]]\nname = "a"\nmatch = { schedule = "m-*", caller = "rule" }\nattempts = 3\n'
            '[[rules]]\nname = "b"\nmatch = { schedule = "m-*" }\nattempts = 4'
        ),
        # Somebody who writes it otherwise.
        BASE.replace(
            'wait = { first = "15 s", longest = "1 min" }\nrungs = ["as-asked", "each-subnet"]\n',
            'rungs = [\n  "as-asked",\n  "each-subnet",\n]\n[rules.wait]\nfirst = "15 s"\nlongest = "1 min"\n',
        ),
    ],
)
def test_what_makes_sense_has_no_problem(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    "prefix",
    [
        '# deadline = "9 d"\n',
        "note = '''\n[[rules]]\ndeadline = 1\n'''\n",
        'note = "[[rules]] deadline = 1"\n',
    ],
)
def test_lines_are_those_of_the_file_whatever_stands_in_comments_and_texts(prefix: str) -> None:
    text = prefix + BASE.replace('"6 h"', '"6 hours"')
    (found,) = (problem for problem in problems(text) if "deadline" in problem.what)
    assert text.splitlines()[found.line - 1] == 'deadline = "6 hours"'


@given(text=st.text() | st.lists(st.sampled_from(BASE.splitlines(keepends=True))).map("".join))
def test_no_text_is_an_error_of_ours(text: str) -> None:
    """Half of a policy, or none at all, is a policy or a list of problems with lines that it has."""
    found = parse(text)
    if isinstance(found, tuple):
        assert found
        assert all(1 <= problem.line <= max(1, text.count("\n") + 1) for problem in found)
    else:
        for category in Category:
            assert found.handling(Facts(), category)


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["capacity", "as-asked", "1 h", "x", ""]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["first", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(data=st.data(), value=VALUES)
def test_no_value_is_an_error_of_ours(data: st.DataObject, value: Any) -> None:
    key = data.draw(st.sampled_from([*TOP.values(), *MATCH.values(), *SETTINGS.values()]))
    with contextlib.suppress(BadValueError):
        key.read(value)


GLOBS = st.text(alphabet="ab*?", min_size=1, max_size=4)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(wide=GLOBS, narrow=GLOBS, name=st.text(alphabet="ab", max_size=5))
def test_a_glob_that_covers_another_matches_all_that_it_matches(wide: str, narrow: str, name: str) -> None:
    assume(_glob_covers(wide, narrow))
    assert not fnmatchcase(name, narrow) or fnmatchcase(name, wide)
