"""Each reason that `why` can give for a schedule or one of its moments, brought about by the engine."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rota import Dates, Rota, WeeklyWindows, cron, every
from rota.engine.node import Node
from rota.errors import NotFoundError
from rota.explain.why import Why
from rota.store import fires
from rota.testing import ManualClock, run_due

Start = Callable[..., Node]
Beat = Callable[..., None]
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


def first(why: Why) -> str:
    """The reason that is told in the summary."""
    assert why.facts[0].text in why.summary
    return why.facts[0].kind


def hourly(rota: Rota, **policies: object) -> None:
    @rota.job("hourly", schedule=every("1h"), **policies)
    def job() -> None: ...


# --- as it stands


def test_it_is_due_next_and_tells_the_last_verdicts_and_its_watermark(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    assert "never_due" in rota.why_schedule("hourly").kinds
    clock.advance(hours=1)
    run_due(rota)
    why = rota.why_schedule("hourly")

    assert first(why) == "next"
    assert "2026-03-05 14:00:00 UTC (in 1h)" in why.summary
    assert [fact.text for fact in why.facts[1:]] == [
        "2026-03-05 13:00:00 UTC was fired; run 1 is succeeded",
        "every due moment up to 2026-03-05 13:00:00 UTC (now) is judged",
    ]


def test_a_paused_schedule_tells_who_paused_it_and_why(rota: Rota) -> None:
    hourly(rota)
    rota.prepare()
    rota.schedules.pause("hourly", by="cli:anna", why="migration")
    why = rota.why_schedule("hourly")

    assert (why.state, first(why)) == ("paused", "schedule_paused")
    assert why.summary.endswith("by cli:anna: migration.")


def test_a_job_that_is_off_here_tells_where_it_runs(rota: Rota) -> None:
    hourly(rota, environments=["production", "staging"])
    object.__setattr__(rota.settings, "environment", "laptop")
    rota.prepare()
    why = rota.why_schedule("hourly")

    assert first(why) == "job_off"
    assert "its job hourly is off in the environment laptop; it runs in production, staging" in why.summary


def test_a_removed_schedule_tells_by_whom(rota: Rota) -> None:
    hourly(rota)
    rota.prepare()
    rota.schedules.add("extra", "hourly", every("5m"))
    rota.schedules.remove("extra", by="cli:anna")
    why = rota.why_schedule("extra")

    assert (why.state, first(why)) == ("removed", "removed")
    assert "by cli:anna" in why.summary


def test_a_schedule_without_a_further_moment_says_so(rota: Rota, clock: ManualClock) -> None:
    from rota import at

    @rota.job(schedule=at(NOON + timedelta(minutes=1)))
    def once() -> None: ...

    run_due(rota)
    clock.advance(minutes=2)
    run_due(rota)

    assert first(rota.why_schedule("once")) == "exhausted"


def test_an_overdue_schedule_without_a_node_says_that_none_is_alive(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    rota.prepare()
    clock.advance(hours=1, minutes=1)
    why = rota.why_schedule("hourly")

    assert first(why) == "no_node"
    assert "overdue" in why.kinds


def test_a_scheduler_that_died_while_its_node_lives_names_itself(
    rota: Rota, clock: ManualClock, start: Start, beat: Beat
) -> None:
    hourly(rota)
    node = start()
    clock.advance(hours=1, minutes=1)
    beat(node, broken="scheduler")
    why = rota.why_schedule("hourly")

    assert first(why) == "duty_stale"
    assert f"the scheduler of node {node.identity.id}" in why.summary
    assert "out of paper" in why.summary


def test_an_overdue_schedule_that_living_nodes_pass_over_asks_for_its_job(
    rota: Rota, clock: ManualClock, start: Start
) -> None:
    hourly(rota)
    start()
    clock.advance(hours=1, minutes=1)

    assert first(rota.why_schedule("hourly")) == "not_judged"


def test_what_a_person_changed_is_told(rota: Rota) -> None:
    hourly(rota)
    rota.prepare()
    rota.schedules.edit("hourly", by="cli:anna", trigger=every("2h"))

    assert "edited" in rota.why_schedule("hourly").kinds


def test_a_schedule_that_never_was_is_an_error(rota: Rota) -> None:
    rota.prepare()

    with pytest.raises(NotFoundError, match="there is no schedule 'x'"):
        rota.why_schedule("x")


# --- one moment


def test_a_moment_that_fired_names_its_run(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    clock.advance(hours=1, minutes=30)
    run_due(rota)
    why = rota.why_schedule("hourly", NOON + timedelta(hours=1))

    assert first(why) == "fired"
    assert "was fired, 30m late; run 1 is succeeded" in why.summary


def test_a_moment_within_a_superseded_range_is_found(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    clock.advance(hours=5)
    run_due(rota)
    why = rota.why_schedule("hourly", NOON + timedelta(hours=3))

    assert first(why) == "superseded"
    assert (
        "the 4 due moments from 2026-03-05 13:00:00 UTC through 2026-03-05 16:00:00 UTC were superseded" in why.summary
    )


def test_a_moment_that_was_missed_tells_the_policy(rota: Rota, clock: ManualClock) -> None:
    hourly(rota, catch_up="none")
    run_due(rota)
    clock.advance(hours=5, minutes=10)
    run_due(rota)
    why = rota.why_schedule("hourly", NOON + timedelta(hours=5))

    assert first(why) == "missed"
    assert "catch_up is none" in why.summary


def test_a_moment_that_met_an_earlier_run_was_skipped(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    rota.queues.pause("default", "anna")
    for _ in range(2):
        clock.advance(hours=1)
        run_due(rota)
    why = rota.why_schedule("hourly", NOON + timedelta(hours=2))

    assert first(why) == "skipped"
    assert "overlap: an earlier run is not over" in why.summary


def test_a_moment_in_a_pause_was_skipped_by_whoever_paused(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    rota.schedules.pause("hourly", by="cli:anna", why="migration")
    clock.advance(hours=3)
    paused = rota.why_schedule("hourly", NOON + timedelta(hours=2))
    rota.schedules.resume("hourly", by="cli:anna")
    resumed = rota.why_schedule("hourly", NOON + timedelta(hours=2))

    assert (first(paused), paused.kinds[1]) == ("schedule_paused", "not_judged_yet")
    assert first(resumed) == "skipped"
    assert "paused by cli:anna: migration" in resumed.summary


def test_a_moment_that_was_due_before_a_change_has_a_verdict(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    rota.prepare()
    clock.advance(hours=2)
    rota.schedules.edit("hourly", by="cli:anna", trigger=cron("30 * * * *"))
    why = rota.why_schedule("hourly", NOON + timedelta(hours=1))

    assert first(why) == "skipped"
    assert "changed by cli:anna" in why.summary


def test_a_moment_that_is_not_due_tells_its_neighbours(rota: Rota) -> None:
    hourly(rota)
    rota.prepare()
    why = rota.why_schedule("hourly", NOON + timedelta(minutes=20))

    assert first(why) == "not_a_due_moment"
    assert "the one before is 2026-03-05 12:00:00 UTC, the next one is 2026-03-05 13:00:00 UTC" in why.summary


def test_a_calendar_that_excludes_a_moment_is_named(rota: Rota) -> None:
    trigger = every("1h").excluding(WeeklyWindows("Mon-Fri 09:00-17:00"), Dates("2026-12-25"))

    @rota.job(schedule=trigger)
    def at_night() -> None: ...

    rota.prepare()
    by_day = rota.why_schedule("at_night", NOON)
    at_christmas = rota.why_schedule("at_night", datetime(2026, 12, 25, 3, tzinfo=UTC))

    assert first(by_day) == "excluded"
    assert "WeeklyWindows('Mon-Fri 09:00-17:00')" in by_day.summary
    assert "Dates('2026-12-25')" in at_christmas.summary


def test_a_time_that_the_clock_skips_tells_when_it_is_made_up_for(rota: Rota) -> None:
    @rota.job(schedule=cron("30 2 * * *", tz="Europe/Paris"))
    def nightly() -> None: ...

    rota.prepare()
    why = rota.why_schedule("nightly", datetime(2026, 3, 29, 2, 30))  # noqa: DTZ001 - on the schedule's own clock

    assert first(why) == "future"
    gap = why.fact("clock_gap")
    assert gap is not None
    assert "does not show 02:30 on 2026-03-29: it is put forward to 03:00, and a fire is made up for then" in gap.text


def test_a_time_that_the_clock_shows_twice_tells_which_one_counts(rota: Rota) -> None:
    @rota.job(schedule=cron("30 2 * * *", tz="Europe/Paris"))
    def nightly() -> None: ...

    rota.prepare()
    by_clock = rota.why_schedule("nightly", datetime(2026, 10, 25, 2, 30))  # noqa: DTZ001 - as above
    second_pass = rota.why_schedule("nightly", datetime(2026, 10, 25, 1, 30, tzinfo=UTC))

    assert by_clock.kinds == ("future", "clock_overlap")
    assert first(second_pass) == "clock_overlap"
    assert "shows 02:30 twice then, and it is due the first time only" in second_pass.summary


def test_a_moment_to_come_says_whether_it_will_be_due(rota: Rota) -> None:
    hourly(rota)
    rota.prepare()
    tomorrow = NOON + timedelta(days=1)

    assert first(rota.why_schedule("hourly", tomorrow)) == "future"
    rota.schedules.pause("hourly", by="anna")
    assert rota.why_schedule("hourly", tomorrow).kinds == ("schedule_paused", "future")


def test_a_moment_that_waits_for_its_verdict_tells_why(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    rota.prepare()
    clock.advance(hours=2)

    assert rota.why_schedule("hourly", NOON + timedelta(hours=1)).kinds == ("no_node", "not_judged_yet")


def test_a_moment_before_its_time_says_so(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    long_ago = NOON - timedelta(days=9)
    clock.advance(minutes=90)
    run_due(rota)
    rota.schedules.edit("hourly", by="cli:anna", trigger=every("10m"))

    assert first(rota.why_schedule("hourly", long_ago)) == "before_creation"
    assert first(rota.why_schedule("hourly", NOON + timedelta(minutes=70))) == "before_edit"


def test_a_verdict_that_is_no_longer_kept_is_told_as_such(rota: Rota, clock: ManualClock) -> None:
    hourly(rota)
    run_due(rota)
    clock.advance(hours=1)
    run_due(rota)
    with rota.store.write() as tx:
        fires.prune(tx, rota.store.now_us() + 1, 10)

    assert first(rota.why_schedule("hourly", NOON + timedelta(hours=1))) == "no_record"
