"""What fits into AWS's limits of size: as it is, as patterns that match nothing else, or not at all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from retry_run_task.commands.deploy import patterns, sizes
from retry_run_task.commands.deploy.choices import Choice, choose
from retry_run_task.commands.deploy.fitting import fit
from retry_run_task.commands.deploy.members import MemberNeeds, needs
from retry_run_task.commands.deploy.sizes import Sizer
from retry_run_task.commands.deploy.template import Filled
from retry_run_task.commands.doctor.checks_sizes import check_sizes
from retry_run_task.commands.shared import chunks
from retry_run_task.commands.shared.inventory import (
    Concurrency,
    Identity,
    InstalledStack,
    Inventory,
    Launcher,
    Launchers,
    LogGroup,
    TaskDefinition,
    Trail,
    Unknown,
)
from retry_run_task.errors import ConfigError
from retry_run_task.launch.values import CallerKind

REGION = "ap-northeast-1"
IDENTITY = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/me", partition="aws")
TEXT = (Path(__file__).parents[3] / "infra" / "template.yaml").read_text(encoding="utf-8")
ROLE = f"arn:aws:iam::{IDENTITY.account}:role"
GROUP = f"arn:aws:logs:{REGION}:{IDENTITY.account}:log-group:trail"
NO = Unknown(action="iam:ListRoles", why="AccessDenied: no", is_denied=True)


class There:
    """A reader of an account in which there is also something else."""

    region = REGION

    def __init__(
        self, families: Any = (), roles: Any = (), clusters: Any = (), rules: Any = (), schedules: Any = ()
    ) -> None:
        self.families, self.roles, self.clusters = families, roles, clusters
        self.rules, self.schedules = rules, schedules
        self.asked: list[str] = []

    def elsewhere(self, _region: str) -> There:
        return self

    def read_all(self, action: str, _member: str, /, **_call: Any) -> Any:
        self.asked.append(action)
        ecs = f"arn:aws:ecs:{REGION}:{IDENTITY.account}:cluster"
        found, item = {
            "ecs:ListTaskDefinitionFamilies": (self.families, str),
            "ecs:ListClusters": (self.clusters, lambda name: f"{ecs}/{name}"),
            "iam:ListRoles": (self.roles, lambda arn: {"RoleName": arn.rpartition("/")[2], "Arn": arn}),
            "events:ListEventBuses": (["default"], lambda name: {"Name": name}),
            "events:ListRules": (self.rules, lambda name: {"Name": name}),
            "scheduler:ListSchedules": (self.schedules, lambda name: {"Name": name, "GroupName": "default"}),
        }[action]
        return found if isinstance(found, Unknown) else [item(one) for one in found]

    def read(self, action: str, /, **call: Any) -> Any:
        assert action == "ecs:DescribeTaskDefinition"
        name = call["taskDefinition"]
        return {"taskDefinition": {"family": name, "taskDefinitionArn": name}}


def named(number: int) -> str:
    """Return a name of 25 characters."""
    return f"shop-{('daily', 'night', 'month')[number % 3]}-report-job-{number:03}"


def account(jobs: int, *, shares: bool = False, clusters: int = 2) -> Inventory:
    """Return an account with jobs, each with two roles, of which all may share the one."""
    names = [named(number) for number in range(jobs)]
    trail = Trail(name="main", arn="arn", home_region=REGION, log_group_arn=GROUP)
    return Inventory(
        region=REGION,
        identity=IDENTITY,
        trails=(trail,),
        log_groups=MappingProxyType({GROUP: LogGroup(name="trail")}),
        launchers=Launchers(
            found=tuple(
                Launcher(
                    kind=CallerKind.RULE,
                    name=name,
                    cluster=f"shop-cluster-{number % clusters}",
                    task_definition=name,
                )
                for number, name in enumerate(names)
            )
        ),
        task_definitions={
            name: TaskDefinition(
                family=name,
                arn=name,
                task_role_arn=f"{ROLE}/{name}-task",
                execution_role_arn=f"{ROLE}/shared" if shares else f"{ROLE}/{name}-exec",
            )
            for name in names
        },
        concurrency=Concurrency(limit=1000, unreserved=1000),
    )


def sizer(stack: str = "retry-run-task") -> Sizer:
    return Sizer(text=TEXT, stack=stack, identity=IDENTITY, region=REGION)


def fitted(of: Inventory, there: There, *, may_widen: bool = False, **flags: str) -> Choice:
    reader: Any = there
    choice = choose(of, reader, flags=flags, file={}, installed={})
    return fit(choice, sizer(), reader, of, may_widen=may_widen)


def all_of(of: Inventory) -> There:
    """Return an account in which there is nothing but what the jobs need."""
    roles = {
        role
        for one in of.task_definitions.values()
        if isinstance(one, TaskDefinition)
        for role in (one.task_role_arn, one.execution_role_arn)
    }
    clusters = {one.cluster for one in of.launchers.found}
    rules, schedules = (
        [one.name for one in of.launchers.found if one.kind is kind]
        for kind in (CallerKind.RULE, CallerKind.SCHEDULER)
    )
    return There(list(of.task_definitions), sorted(map(str, roles)), sorted(clusters), rules, schedules)


def covered(names: Any, globs: str) -> bool:
    return all(any(fnmatchcase(name, glob) for glob in globs.split(",")) for name in names)


# IAM's 6,144 characters, CloudFormation's 4,096, and the 4 KB of an environment.


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize(
    ("jobs", "is_exact"),
    [(1, True), (18, True), (19, True), (31, True), (60, True), (120, True), (400, False)],
)
def test_however_many_jobs_there_are_they_fit_and_nothing_else_is_allowed(
    jobs: int, is_exact: bool, shares: bool
) -> None:
    of = account(jobs, shares=shares)
    there = all_of(of)
    there.families = [*there.families, "shop", "shop-admin", "payroll"]
    there.roles = [*there.roles, f"{ROLE}/Admin", f"{ROLE}/shop-admin", f"{ROLE}/batch/shop-daily"]
    values = fitted(of, there).values()
    assert sizer().too_large(values) == ()
    for name, needed in (("TaskDefinitions", all_of(of).families), ("PassRoleArns", all_of(of).roles)):
        assert covered(needed, values[name])
        assert (values[name] == ",".join(sorted(needed))) is is_exact
    for other in ("shop", "shop-admin", "payroll"):
        assert not covered([other], values["TaskDefinitions"])
        assert not covered([f"{ROLE}/{other}"], values["PassRoleArns"])
    assert bool(there.asked) is not is_exact


def test_what_is_put_in_the_place_of_names_is_told() -> None:
    of = account(400)
    notes = " ".join(fitted(of, all_of(of)).notes)
    assert "the 400 task definitions do not fit into AWS's limits as they are" in notes
    assert "the 800 roles do not fit" in notes
    assert "also match" not in notes


# Where every pattern that fits matches something else.

# Each of them lies between two jobs, so that no pattern is free of them.
BETWEEN = [f"{named(number)}-" for number in range(400)]


def test_patterns_that_match_something_else_have_to_be_allowed() -> None:
    of = account(400)
    there = all_of(of)
    there.families = [*there.families, *BETWEEN]
    with pytest.raises(ConfigError) as raised:
        fitted(of, there)
    said = str(raised.value)
    assert "In TaskDefinitions, shop-" in said
    assert "also match 400 task definitions that no rule or schedule here needs" in said
    assert f"{BETWEEN[0]}, {BETWEEN[3]}" in said
    assert "--allow-patterns" in said
    choice = fitted(of, there, may_widen=True)
    assert any(all(name in note for name in BETWEEN) for note in choice.notes)
    assert sizer().too_large(choice.values()) == ()


def test_what_cannot_be_seen_may_be_matched() -> None:
    of = account(400)
    there = all_of(of)
    there.roles = NO
    with pytest.raises(ConfigError, match=r"iam:ListRoles\): AccessDenied: no.*--allow-patterns") as raised:
        fitted(of, there)
    assert "PassRoleArns" in str(raised.value)
    choice = fitted(of, there, may_widen=True)
    assert any("iam:ListRoles" in note for note in choice.notes)


def test_nothing_is_asked_where_everything_fits() -> None:
    of = account(60)
    there = There(NO, NO)
    assert sizer().too_large(fitted(of, there).values()) == ()
    assert there.asked == []


# What recover may read, which is a list like the others.


@pytest.mark.parametrize(
    ("rules", "schedules", "is_exact"),
    [(60, 0, True), (60, 60, True), (120, 0, True), (0, 120, True), (150, 50, True), (400, 400, False)],
)
def test_rules_and_schedules_are_spread_over_policies_and_only_then_condensed(
    rules: int, schedules: int, is_exact: bool
) -> None:
    of = reading(rules, schedules)
    there = all_of(of)
    there.rules, there.schedules = [*there.rules, "shop-admin"], [*there.schedules, "shop-admin"]
    choice = fitted(of, there)
    values = choice.values()
    assert sizer().too_large(values) == ()
    spread = sizer().spread(values)
    assert chunks.join(spread) == values
    # One policy of what may be read, unless it is full.
    assert bool(spread["ReadRules2"] or spread["ReadSchedules2"]) is ((rules, schedules) != (60, 0))
    for name, needed in (
        ("ReadRules", [named(n) for n in range(rules)]),
        ("ReadSchedules", [f"default/{named(n)}" for n in range(schedules)]),
    ):
        assert covered(needed, values[name])
        assert (values[name] == ",".join(sorted(needed))) is is_exact
        assert not covered(["shop-admin"], values[name]), values[name]
        assert not covered(["default/shop-admin"], values[name])
    assert (
        any("rules do not fit into AWS's limits as they are" in note for note in choice.notes) is not is_exact
    )


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"rules": BETWEEN}, "also match 400 rules that recover need not read"),
        ({"rules": NO}, "In ReadRules, what else"),
        ({"schedules": BETWEEN}, "also match 400 schedules that recover need not read"),
    ],
)
def test_what_else_could_be_read_has_to_be_allowed_too(there: dict[str, Any], said: str) -> None:
    of = reading(400, 400)
    has = all_of(of)
    has.rules = NO if there.get("rules") is NO else [*has.rules, *there.get("rules", ())]
    has.schedules = [*has.schedules, *there.get("schedules", ())]
    with pytest.raises(ConfigError) as raised:
        fitted(of, has)
    assert "--allow-patterns" in str(raised.value)
    assert "--read-" in str(raised.value)
    choice = fitted(of, has, may_widen=True)
    assert sizer().too_large(choice.values()) == ()
    told = " ".join(choice.notes)
    if "also" in said:
        assert said in str(raised.value)
        assert said in told
        # Each of them, not only some.
        assert all(name in told for name in BETWEEN)
    else:
        assert "what else in ReadRules" in told


def test_patterns_for_reads_that_a_person_gave_are_kept_and_what_they_match_is_told() -> None:
    of = reading(2, 0)
    there = all_of(of)
    there.rules = [*there.rules, "payroll"]
    choice = fitted(of, there, ReadRules="*", ReadSchedules="*")
    assert choice.values()["ReadRules"] == "*"
    assert "in ReadRules, * also matches 1 rule that recover need not read: payroll" in choice.notes


def test_the_names_of_all_regions_count() -> None:
    of = replace(account(400), elsewhere=("eu-west-1",))
    there, far = all_of(of), There(families=BETWEEN, rules=BETWEEN)
    there.elsewhere = lambda _region: far  # type: ignore[method-assign] # the account's other Region
    with pytest.raises(ConfigError, match="also match 400 task definitions"):
        fitted(of, there)


def reading(rules: int, schedules: int) -> Inventory:
    """Return an account where rules and schedules start the same task."""
    of = account(1)
    (one,) = of.launchers.found
    found = (
        *(replace(one, name=named(n)) for n in range(rules)),
        *(replace(one, name=named(n), kind=CallerKind.SCHEDULER) for n in range(schedules)),
    )
    return replace(of, launchers=Launchers(found=found))


# doctor says what deploy says.


@pytest.mark.parametrize(
    ("jobs", "status", "words"),
    [
        (60, "OK", "fits into AWS's limits."),
        (400, "OK", "with patterns in TaskDefinitions and PassRoleArns"),
        (0, "SKIP", "nothing is known that may be started"),
    ],
)
def test_doctor_knows_whether_it_fits(jobs: int, status: str, words: str) -> None:
    of = account(jobs)
    reader: Any = all_of(of)
    check = check_sizes(of, reader, TEXT)
    assert (check.status, check.name) == (status, "sizes")
    assert words in check.why


def test_doctor_does_not_say_ok_where_deploy_refuses() -> None:
    of = account(400)
    there: Any = all_of(of)
    there.families = [*there.families, *BETWEEN]
    check = check_sizes(of, there, TEXT)
    assert check.status == "FAIL"
    assert check.why.startswith("deploy refuses: In TaskDefinitions, shop-")
    assert "--allow-patterns" in check.next


# A member account's own template.

MEMBER_TEXT = (Path(__file__).parents[3] / "infra" / "member.yaml").read_text(encoding="utf-8")
HUB = {"HubAccount": "999999999999", "Regions": REGION}


def with_member(of: Inventory, there: There) -> Inventory:
    """Return the home of an account that was looked at, in which there is what a reader reads."""
    roles = (
        there.roles
        if isinstance(there.roles, Unknown)
        else tuple(one.partition(":role/")[2] for one in there.roles)
    )
    names = {
        "Clusters": tuple(there.clusters),
        "TaskDefinitions": tuple(there.families),
        "PassRoles": roles,
        "ReadRules": there.rules if isinstance(there.rules, Unknown) else tuple(there.rules),
        "ReadSchedules": tuple(f"default/{one}" for one in there.schedules),
    }
    return replace(
        account(1), identity=replace(IDENTITY, account="999999999999"), members=(replace(of, names=names),)
    )


def needed_by(home: Inventory, *, may_widen: bool = False) -> MemberNeeds:
    reader: Any = There()
    flags = {"MemberAccounts": IDENTITY.account, "MemberExternalId": "ab"}
    choice = choose(home, reader, flags=flags, file={}, installed={})
    (found,) = needs(choice, home, MEMBER_TEXT, may_widen=may_widen)
    return found


def member_sizes(parameters: Mapping[str, str]) -> dict[str, sizes.Size]:
    made = Sizer(text=MEMBER_TEXT, stack="x", identity=IDENTITY, region=REGION, layout=sizes.MEMBER)
    return {one.what: one for one in made.sizes(parameters)}


@pytest.mark.parametrize("shares", [False, True])
@pytest.mark.parametrize(
    ("jobs", "is_exact"), [(1, True), (18, True), (19, True), (60, True), (120, True), (400, False)]
)
def test_the_jobs_of_a_member_account_fit_into_its_template(jobs: int, is_exact: bool, shares: bool) -> None:
    of = account(jobs, shares=shares)
    there = all_of(of)
    families, roles = there.families, [one.partition(":role/")[2] for one in there.roles]
    there.families = [*families, "shop", "shop-admin", "payroll"]
    there.roles = [*there.roles, f"{ROLE}/Admin", f"{ROLE}/shop-admin", f"{ROLE}/batch/shop-daily"]
    found = needed_by(with_member(of, there))
    assert [one for one in member_sizes(found.parameters).values() if not one.fits] == []
    whole = chunks.join(found.parameters)
    for name, needed in (("TaskDefinitions", families), ("PassRoles", roles)):
        assert covered(needed, whole[name])
        # Names without the ARN are shorter: 401 roles fit as they are.
        is_whole = is_exact or (shares and name == "PassRoles")
        assert (sorted(whole[name].split(",")) == sorted(needed)) is is_whole
    for other in ("shop", "shop-admin", "payroll", "Admin", "batch/shop-daily"):
        assert not covered([other], whole["TaskDefinitions"])
        assert not covered([other], whole["PassRoles"])
    assert bool(found.notes) is not is_exact
    assert found.parameters.items() >= HUB.items()
    shown = " ".join(found.said())
    assert ("do not fit into AWS's limits as they are" in shown) is not is_exact
    # Unless one policy is enough, each list goes on in the next parameter.
    assert ("PassRoles2" in found.parameters) is (jobs >= 60 and not (shares and jobs == 60))


def test_a_member_template_with_too_many_names_is_measured_too_large() -> None:
    names = ",".join(named(number) for number in range(400))
    found = member_sizes({"TaskDefinitions": names, "PassRoles": names, "ExternalId": "ab"})
    large = {what for what, one in found.items() if not one.fits}
    assert large >= {"the policy MemberRunPolicy", "the policy MemberPassPolicy"}
    assert found["the policy MemberPassPolicy"].because == ("PassRoles",)


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"families": BETWEEN}, "also match 400 task definitions that no rule or schedule here needs"),
        ({"roles": NO}, "may match is not known (iam:ListRoles)"),
    ],
)
def test_a_member_whose_patterns_match_more_is_refused_unless_that_is_allowed(
    there: dict[str, Any], said: str
) -> None:
    of = account(400)
    has = all_of(of)
    has.families = [*has.families, *there.get("families", ())]
    has.roles = there.get("roles", has.roles)
    home = with_member(of, has)
    found = needed_by(home)
    assert found.parameters == {}
    assert said in found.problem
    (sentence,) = found.said()
    assert sentence.startswith(f"what account {IDENTITY.account} has does not fit into infra/member.yaml: ")
    assert "--allow-patterns" in sentence
    allowed = needed_by(home, may_widen=True)
    assert allowed.problem == ""
    assert said in " ".join(allowed.notes)
    reader: Any = There()
    stack = InstalledStack(name="retry-run-task", parameters={"MemberAccounts": IDENTITY.account, **KEEP})
    check = check_sizes(replace(home, stack=stack), reader, TEXT)
    assert (check.status, said in check.why, "--allow-patterns" in check.next) == ("FAIL", True, True)


KEEP = {"TaskDefinitions": "shop-*", "Clusters": "shop-*", "MemberExternalId": "ab"}


# What a person gave is kept.


def test_names_that_a_person_gave_are_not_exchanged_for_patterns() -> None:
    of = account(400)
    given = ",".join(named(number) for number in range(400))
    with pytest.raises(ConfigError) as raised:
        fitted(of, all_of(of), TaskDefinitions=given)
    said = str(raised.value)
    assert "400 in TaskDefinitions" in said
    assert "patterns instead of names" in said
    assert "--task-definitions" in said
    assert "--stack" in said
    assert len(said) < 1000


def test_patterns_that_a_person_gave_are_kept_and_what_they_match_is_told() -> None:
    of = account(400)
    there = all_of(of)
    there.families = [*there.families, "shop-admin"]
    there.roles = [*there.roles, f"{ROLE}/shop-admin"]
    choice = fitted(of, there, TaskDefinitions="shop-*", PassRoleArns=f"{ROLE}/shop-*")
    assert choice.values()["TaskDefinitions"] == "shop-*"
    notes = " ".join(choice.notes)
    assert "in TaskDefinitions, shop-* also matches 1 task definition that no rule" in notes
    assert f"in PassRoleArns, {ROLE}/shop-* also matches 1 role that" in notes


def test_many_clusters_are_condensed_too() -> None:
    of = account(120, clusters=120)
    values = fitted(of, all_of(of)).values()
    assert sizer().too_large(values) == ()
    assert covered({one.cluster for one in of.launchers.found}, values["Clusters"])


# Spreading and joining.


@pytest.mark.parametrize("jobs", [1, 60, 120])
def test_a_list_that_is_spread_and_joined_is_the_same(jobs: int) -> None:
    values = fitted(account(jobs), There()).values()
    spread = sizer().spread(values)
    assert chunks.join(spread) == values
    assert bool(spread["PassRoleArns2"]) is (jobs > 1)
    assert bool(spread["TaskDefinitions2"]) is (jobs == 120)


def test_an_update_takes_nothing_from_a_policy_that_another_does_not_have_yet() -> None:
    before = fitted(account(120), There()).values()
    more = {
        **before,
        "TaskDefinitions": ",".join(sorted(["a-new-one", *before["TaskDefinitions"].split(",")])),
    }
    old, new = sizer().spread(before), sizer().spread(more, before)
    assert new["TaskDefinitions"] == old["TaskDefinitions"]
    assert new["TaskDefinitions2"] == f"{old['TaskDefinitions2']},a-new-one"
    assert sorted(chunks.join(new)["TaskDefinitions"].split(",")) == more["TaskDefinitions"].split(",")


@pytest.mark.parametrize(
    ("parameters", "joined"),
    [
        ({}, {}),
        ({"TaskDefinitions": "a"}, {"TaskDefinitions": "a"}),
        ({"TaskDefinitions": "a", "TaskDefinitions2": "", "TaskDefinitions3": ""}, {"TaskDefinitions": "a"}),
        ({"TaskDefinitions": "a,b", "TaskDefinitions2": "c"}, {"TaskDefinitions": "a,b,c"}),
        ({"PassRoleArns": "", "PassRoleArns3": "r"}, {"PassRoleArns": "r"}),
        ({"Clusters": "x", "Regions": ""}, {"Clusters": "x", "Regions": ""}),
    ],
)
def test_whoever_reads_a_stack_sees_whole_lists(parameters: dict[str, str], joined: dict[str, str]) -> None:
    assert chunks.join(parameters) == joined


# What is measured.


ENVIRONMENT = {
    "STACK": "retry-run-task",
    "INSTALLED_BY": "cloudformation",
    "ROLE_PATH": "/",
    "RECOVER_FUNCTION": f"arn:aws:lambda:{REGION}:{IDENTITY.account}:function:retry-run-task-recover:live",
    "ROLE_ARN": f"{ROLE}/retry-run-task-role",
    "CALLERS": "rule,scheduler,hand-made",
    "CLUSTERS": "default",
    "TASK_DEFINITIONS": "",
    "REGIONS": "",
    "ACCOUNTS": "",
    "RECOVER_ERRORS": "false",
    "SPOT_INTERRUPTIONS": "false",
}


def test_the_environment_is_measured_as_it_will_be_in_the_account() -> None:
    variables = {f"RETRY_RUN_TASK_{name}": value for name, value in ENVIRONMENT.items()}
    left = 4096 - len(json.dumps(variables, separators=(",", ":")))
    short = ",".join(["x" * 9] * (left // 10))
    fits, too_long = f"{short}{'x' * (left - len(short))}", f"{short}{'x' * (left - len(short) + 1)}"
    assert sizer().too_large({"TaskDefinitions": fits}) == ()
    (one,) = sizer().too_large({"TaskDefinitions": too_long})
    assert str(one) == "the environment of Intake would have 4,097 bytes, and 4,096 are allowed"


def test_a_policy_may_have_6144_characters_and_not_one_more() -> None:
    (base,) = (
        one.has
        for one in sizer().sizes({"ReadRules": "a", "ReadSchedules": ""})
        if one.what == "the policy RecoverReadsPolicy"
    )
    around = len('"arn:*:events:*:*:rule/",')
    count, left = divmod(6144 - base - 2 * around, 20 + around)
    rules = ["a", *("x" * 20 for _ in range(count)), "y" * (left + around)]
    values = {"TaskDefinitions": "a", "ReadSchedules": "", "ReadRules": ",".join(rules)}
    more = {**values, "ReadRules": ",".join([*rules[:-1], f"{rules[-1]}y"])}
    assert sizer().too_large(values) == ()
    assert (sizer().spread(values)["ReadRules2"], sizer().spread(more)["ReadRules2"]) == ("", f"{rules[-1]}y")
    (one,) = (one for one in sizer().sizes(more) if not one.fits)
    assert str(one) == "the policy RecoverReadsPolicy would have 6,145 characters, and 6,144 are allowed"


def test_an_arn_inside_a_text_is_an_arn_too() -> None:
    texts = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"Resource": {"Fn::Sub": "${Recover.Arn}:*"}}}
    raw = {
        "Resources": {
            "Recover": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "f"}},
            "P": texts,
        }
    }
    filled = Filled(raw, "s", IDENTITY, REGION, {}, has_arns=True)
    arn = f"arn:aws:lambda:{REGION}:{IDENTITY.account}:function:f:*"
    assert filled.resources["P"]["Properties"] == {"Resource": arn}


def test_every_policy_and_function_is_known_to_grow_with_something() -> None:
    """So that what is too large always names the parameters to shorten."""
    everything = {
        "TaskDefinitions": "a",
        "PassRoleArns": f"{ROLE}/a",
        "AuditSchedule": "rate(1 day)",
        "ScheduleKeyArns": f"arn:aws:kms:{REGION}:{IDENTITY.account}:key/1",
    }
    fixed = {
        "the policy IntakePolicy",
        "the role IntakeRole",
        "the role AuditRole",
        "the environment of Recover",
    }
    unknown = {one.what for one in sizer().sizes(everything) if not one.because}
    assert unknown - {"the template"} == fixed


def test_white_space_does_not_count() -> None:
    document = {"Statement": [{"Sid": "With Space", "Action": ["a", "b"]}]}
    assert sizes._characters({"Properties": {"PolicyDocument": document}}) == len(
        re.sub(r"\s", "", '{"Statement":[{"Sid":"With Space","Action":["a","b"]}]}')
    )


def test_more_policies_than_a_role_may_have_are_found() -> None:
    """What takes both a VPC and keys has one list less."""
    values = {
        "TaskDefinitions": ",".join(f"{n:05}" for n in range(320)),
        "PassRoleArns": ",".join(f"{ROLE}/{n:03}{'x' * 28}" for n in range(240)),
        "SubnetIds": "subnet-01234567",
        "SecurityGroupIds": "sg-01234567",
        "TopicKeyArn": f"arn:aws:kms:{REGION}:{IDENTITY.account}:key/1",
    }
    large = sizer().too_large(values)
    assert [str(one) for one in large] == ["the role RecoverRole would have 11 policies, and 10 are allowed"]
    assert sizer().too_large({**values, "TopicKeyArn": ""}) == ()


@pytest.mark.parametrize(
    "given",
    [
        {"MemberAccounts": ",".join(f"{n:012}" for n in range(300))},
        {"Regions": ",".join(f"ap-northeast-{n}" for n in range(1, 100))},
        {"Clusters": ",".join(f"a-cluster-of-mine-{n:03}" for n in range(90))},
        {
            "ScheduleKeyArns": ",".join(
                f"arn:aws:kms:{REGION}:{IDENTITY.account}:key/{n:036}" for n in range(60)
            )
        },
        {"ReadRules": ",".join(f"a-rule-of-mine-{n:03}" for n in range(500))},
        {"RunbookUrl": "x" * 4100},
    ],
)
def test_whatever_is_too_large_is_found(given: dict[str, str]) -> None:
    large = sizer().too_large({"TaskDefinitions": "nightly", **given})
    assert large
    assert set(given) & set(sizes.to_blame(large))


# Patterns.


@pytest.mark.parametrize(
    ("names", "others", "most", "expected"),
    [
        (["a", "b"], [], 2, ["a", "b"]),
        (["job-1", "job-2", "x"], [], 2, ["job-*", "x"]),
        (["job-1", "job-2", "job"], [], 1, ["job*"]),
        (["job-11", "job-12", "job-21"], ["job-13"], 2, None),
        (["job-11", "job-12", "job-21"], ["job-3"], 2, ["job-1*", "job-21"]),
        (["g/a1", "g/a2", "h/a3"], [], 2, ["g/a*", "h/a3"]),
        (["g/a", "h/a"], [], 1, None),
        (["a", "b"], [], 1, None),
        ([], [], 0, []),
    ],
)
def test_patterns_are_as_long_as_can_be_and_never_everything(
    names: list[str], others: list[str], most: int, expected: list[str] | None
) -> None:
    assert patterns.condense(names, lambda listed: len(listed) <= most, others) == expected


def test_only_patterns_match_others() -> None:
    assert patterns.matched(["shop-*", "x", "?y"], ["x", "shop-1", "ay", "aay"]) == ["ay", "shop-1"]
