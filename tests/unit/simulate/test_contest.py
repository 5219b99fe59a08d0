"""What must hold of any policy in any outage, and that a seed gives the same numbers anywhere."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace

import pytest

from retry_run_task.launch.values import Placed
from retry_run_task.simulate.capacity_timeline import CapacityTimeline, Gap
from retry_run_task.simulate.cloud import Cloud
from retry_run_task.simulate.competitors import Competitor, IncidentResult, Oracle, Ours, Theirs
from retry_run_task.simulate.contest import Contest, ContestResult, run
from retry_run_task.simulate.incident import HORIZON_S, START, Incident, Track, ZoneSearch, request
from retry_run_task.simulate.launches import LATENESS, ScenarioSettings
from retry_run_task.simulate.peers import ORIGINAL, PEERS, Way
from retry_run_task.simulate.scenarios import SCENARIOS, Scenario
from retry_run_task.simulate.tally import Tally
from retry_run_task.simulate.virtual import Timeline
from support.policies import DEFAULT, changed

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
PEERS_BY_NAME = {peer.name: peer for peer in PEERS}
OURS = Ours(name="ours", policy=DEFAULT)
LOGS = Ours(name="ours, Logs", policy=DEFAULT, way=Way.LOGS)
EVERYBODY: tuple[Competitor, ...] = (OURS, LOGS, *map(Theirs, PEERS), Oracle())
LAUNCHES = 5
SETTINGS = ScenarioSettings(schedules=LAUNCHES, seed=11)
EACH = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)


@functools.cache
def result() -> ContestResult:
    """Everybody in every scenario, once for all tests."""
    return run(Contest(scenarios=SCENARIOS, competitors=EVERYBODY, settings=SETTINGS, incidents=1))


@functools.cache
def met(scenario: Scenario, competitor: Competitor) -> tuple[Incident, IncidentResult]:
    incident = scenario.incident(SETTINGS, 0)
    return incident, competitor.meet(incident, keeps_log=True)


def tallies(scenario: Scenario) -> dict[str, Tally]:
    return result().tallies[scenario.name]


@EACH
def test_the_oracle_is_never_beaten(scenario: Scenario) -> None:
    oracle = tallies(scenario)["the oracle"]
    for name, tally in tallies(scenario).items():
        assert tally.recovered <= oracle.recovered, name
        for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1):
            theirs, best = tally.quantile(share), oracle.quantile(share)
            assert theirs is None or (best is not None and best <= theirs), (name, share)


@EACH
def test_nobody_starts_a_task_before_there_is_room(scenario: Scenario) -> None:
    """So a time that counts from the return of capacity is never negative if the request stays as it was."""
    for name, tally in tallies(scenario).items():
        assert min(tally.tenths, default=0) >= 0, name


@EACH
def test_ours_never_starts_a_task_too_many(scenario: Scenario) -> None:
    assert tallies(scenario)["ours"].duplicates == tallies(scenario)["ours, Logs"].duplicates == 0


@EACH
def test_every_launch_is_recovered_expired_or_unseen(scenario: Scenario) -> None:
    for tally in tallies(scenario).values():
        assert tally.launches == LAUNCHES == tally.recovered + tally.expired + tally.unseen
        assert sum(tally.tenths.values()) == tally.recovered


# Some end after the deadline of the policy, or after the next run is due.
GIVEN_UP = {"misconfigured", "slots", "long", "every-five-minutes"}


@pytest.mark.parametrize("name", sorted(set(BY_NAME) - GIVEN_UP))
def test_ours_recovers_every_launch_of_an_outage_that_ends(name: str) -> None:
    assert tallies(BY_NAME[name])["ours"].recovered == LAUNCHES


@EACH
@pytest.mark.parametrize(
    "peer", [peer for peer in PEERS if peer.waits.limit is not None], ids=lambda p: p.name
)
def test_a_policy_with_a_limit_makes_no_more_calls(scenario: Scenario, peer: object) -> None:
    limit = peer.waits.limit + (peer.slow_waits.limit if peer.slow_waits else 0)
    # One that is told by an event makes a first call without a wait.
    limit += peer.way is not Way.IN_BAND
    # What its SDK repeats is no attempt of the policy.
    assert max(track.calls - track.repeats for track in met(scenario, Theirs(peer))[1].tracks) <= limit


def test_the_original_way_calls_for_ever_about_every_five_minutes() -> None:
    incident, done = met(BY_NAME["misconfigured"], Theirs(ORIGINAL))
    calls = [track.calls for track in done.tracks if track.calls]
    laps = HORIZON_S / LATENESS[Way.LOGS].mean_s
    assert len(calls) == len(incident.launches)
    assert all(0.5 * laps < n < 2 * laps for n in calls)
    last = max(track.log[-1][0] for track in done.tracks if track.log)
    assert last > 0.95 * HORIZON_S


def test_ours_makes_no_call_where_no_waiting_helps() -> None:
    tally = tallies(BY_NAME["misconfigured"])["ours"]
    assert (tally.calls, tally.expired) == (0, LAUNCHES)


def test_an_sdk_that_repeats_a_lost_answer_with_its_token_starts_no_task_twice() -> None:
    lost = tallies(BY_NAME["lost-answers"])
    assert {name: tally.duplicates for name, tally in lost.items() if tally.duplicates} == {}
    _, done = met(BY_NAME["lost-answers"], Theirs(PEERS_BY_NAME["cdk-github-runners"]))
    assert sum(track.repeats for track in done.tracks) > 0


def test_who_asks_for_all_tasks_again_after_a_partial_answer_starts_tasks_too_many() -> None:
    several = tallies(BY_NAME["several"])
    assert several["Step Functions, yours to write"].duplicates > 0
    # It asks for what is missing, as ours does.
    assert several["Sleeper"].duplicates == 0
    # Nobody is charged for what its users cannot have asked for.
    for peer in PEERS:
        if not peer.counts:
            assert (several[peer.name].unseen, several[peer.name].duplicates) == (LAUNCHES, 0)


def test_with_one_task_a_launch_nobody_starts_one_too_many_unless_answers_are_lost() -> None:
    for scenario in SCENARIOS:
        if scenario.name not in {"several", "lost-answers"}:
            assert not any(tally.duplicates for tally in tallies(scenario).values()), scenario.name


def test_who_cannot_see_partial_answers_leaves_them() -> None:
    _, done = met(BY_NAME["several"], Theirs(ORIGINAL))
    partial = [track for track in done.tracks if 0 < track.good < 3]
    assert partial
    assert all(track.recovered_at is None for track in partial)


def test_a_run_that_is_overtaken_is_dropped_by_ours_and_started_late_by_the_others() -> None:
    found = tallies(BY_NAME["every-five-minutes"])
    assert found["ours"].stale == found["ours, Logs"].stale == 0
    assert found["ours"].recovered < LAUNCHES
    for name in ("the original way", "Step Functions, yours to write"):
        assert found[name].stale > LAUNCHES / 2


def test_a_launch_alone_meets_a_shortage_of_its_own() -> None:
    incident = BY_NAME["short"].incident(ScenarioSettings(schedules=100, seed=11), 0)
    assert len({spec.place for spec in incident.launches}) == 100
    for spec in incident.launches:
        assert incident.places(spec) == [spec.place]
        assert 14.9 <= incident.returned_at(spec) - spec.time <= 300.1
    found = tallies(BY_NAME["short"])
    # What the log group tells comes when everything is over.
    assert found["ours"].quantile(0.5) < found["ours, Logs"].quantile(0.5)


def test_a_policy_with_less_patience_gives_up_and_that_is_counted_as_expired() -> None:
    hasty = Ours(name="hasty", policy=changed(DEFAULT, deadline_s=300))
    done = run(
        Contest(
            scenarios=(BY_NAME["zone-outage"],),
            competitors=(hasty,),
            settings=ScenarioSettings(schedules=10),
            incidents=1,
        )
    )
    tally = done.tallies["zone-outage"]["hasty"]
    assert (tally.recovered, tally.expired, tally.unseen) == (0, 10, 0)
    assert tally.quantile(0.5) is None
    assert tally.calls_per_recovery is None


def test_ours_stays_within_the_reserved_concurrency() -> None:
    slow = Ours(name="slow", policy=DEFAULT, concurrency=1, invocation_s=2.0)
    incident = BY_NAME["rush"].incident(ScenarioSettings(schedules=30), 0)
    # As it was asked, and one subnet at once.
    assert max(slow.meet(incident).calls_in.values()) == 2
    assert max(Ours(name="free", policy=DEFAULT, concurrency=None).meet(incident).calls_in.values()) > 2


def test_where_a_call_looks_is_an_option_of_the_night() -> None:
    """With one zone of two short, a call into any zone always finds room, and one into one zone every other time."""
    outage = BY_NAME["zone-outage"]
    found = {}
    for placement in ZoneSearch:
        incident = outage.incident(ScenarioSettings(schedules=400, placement=placement), 0)
        assert incident.placement is placement
        short = {("zone-1", "FARGATE"): CapacityTimeline(gaps=(Gap(-60, 7200),))}
        cloud = Cloud(replace(incident, capacities=short), Timeline(START))
        answers = []
        for spec in incident.launches:
            cloud._timeline.now += 1
            answers.append(cloud.run_task(request(incident, spec) | {"count": 1}, Track(spec)))
        found[placement] = sum(isinstance(a, Placed) and bool(a.task_arns) for a in answers)
    assert found[ZoneSearch.ANY] == 400
    assert 160 < found[ZoneSearch.ONE] < 240
    # The launches, their times and the outage are the same.
    one, any_ = (
        outage.incident(ScenarioSettings(placement=placement), 3)
        for placement in (ZoneSearch.ONE, ZoneSearch.ANY)
    )
    assert replace(one, placement=ZoneSearch.ANY) == any_


def test_with_one_zone_a_call_everything_is_recovered_and_the_oracle_is_not_beaten() -> None:
    settings = ScenarioSettings(schedules=15, seed=11, placement=ZoneSearch.ONE)
    done = run(
        Contest(
            scenarios=(BY_NAME["zone-outage"],), competitors=(OURS, Oracle()), settings=settings, incidents=2
        )
    )
    tally = done.tallies["zone-outage"]
    assert tally["the oracle"].quantile(1) == 0
    assert tally["ours"].recovered == tally["ours"].launches == 30
    assert tally["ours"].duplicates == 0


def test_the_log_way_is_later_by_about_four_minutes_where_that_shows() -> None:
    incident = BY_NAME["zone-outage"].incident(SETTINGS, 0)
    early, late = (
        sum(track.log[0][0] for track in each.meet(incident, keeps_log=True).tracks if track.log) / LAUNCHES
        for each in (OURS, LOGS)
    )
    assert 60 < late - early < 400


def test_blocks_of_nights_add_up_and_are_told_one_by_one() -> None:
    """That the number of processes changes nothing is for tests/functional, where no thread is in the way of a fork."""
    contest = Contest(
        scenarios=(BY_NAME["agent"], BY_NAME["eni"]),
        competitors=(OURS, Theirs(ORIGINAL), Oracle()),
        settings=ScenarioSettings(schedules=100),
        incidents=5,
    )
    told: list[int] = []
    done = run(contest, progress=told.append)
    assert (sum(told), len(told)) == (contest.launches, 6)
    for tallies_ in done.tallies.values():
        assert {tally.launches for tally in tallies_.values()} == {500}
        # Incidents differ from each other, and none is counted twice.
    one = run(
        Contest(
            scenarios=contest.scenarios,
            competitors=contest.competitors,
            settings=contest.settings,
            incidents=1,
        )
    )
    assert done.tallies["agent"]["ours"].calls != 5 * one.tallies["agent"]["ours"].calls


def test_another_seed_is_another_night() -> None:
    scenario = BY_NAME["rush"]
    assert scenario.incident(SETTINGS, 0) == scenario.incident(SETTINGS, 0)
    assert scenario.incident(SETTINGS, 0) != scenario.incident(SETTINGS, 1)
    assert scenario.incident(SETTINGS, 0) != scenario.incident(ScenarioSettings(schedules=15, seed=12), 0)


def test_launches_of_a_night_have_call_ids_of_their_own() -> None:
    ids = [spec.call_id for n in range(3) for spec in BY_NAME["rush"].incident(SETTINGS, n).launches]
    assert len(set(ids)) == 3 * LAUNCHES
    assert all(len(each) == 32 for each in ids)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.01, 1.0), (0.5, 2.0), (0.6, 3.0), (0.75, 3.0), (0.76, None), (1, None)],
)
def test_quantiles_are_of_all_launches_also_of_those_that_were_not_recovered(
    share: float, expected: float | None
) -> None:
    tally = Tally(launches=4, recovered=3)
    tally.tenths.update({10: 1, 20: 1, 30: 1})
    assert tally.quantile(share) == expected


def test_tallies_add_up_in_any_order() -> None:
    one, two = Tally(launches=1, calls=3, peak_calls_per_s=4), Tally(launches=2, calls=5, peak_calls_per_s=2)
    one.tenths[7] = two.tenths[7] = 1
    first, second = Tally(), Tally()
    for each in (one, two):
        first.merge(each)
    for each in (two, one):
        second.merge(each)
    assert first == second
    assert (first.launches, first.calls, first.peak_calls_per_s, first.tenths[7]) == (3, 8, 4, 2)


def test_the_most_within_ten_seconds_is_counted_over_any_ten_that_follow_each_other() -> None:
    incident = BY_NAME["misconfigured"].incident(SETTINGS, 0)
    done = replace(
        OURS.meet(incident),
        calls_in=Counter({-3: 1, 0: 5, 9: 7, 10: 4, 19: 2}),
        reads_in=Counter({5: 2, 15: 3}),
    )
    tally = Tally()
    tally.add(incident, done)
    assert (tally.peak_calls_per_s, tally.peak_calls_in_10_s) == (7, 12)
    assert (tally.reads, tally.peak_reads_in_10_s) == (5, 3)
    more = Tally(peak_calls_in_10_s=13, throttled_invocations=2)
    more.merge(tally)
    assert (more.peak_calls_in_10_s, more.peak_reads_in_10_s, more.throttled_invocations) == (13, 3, 2)
