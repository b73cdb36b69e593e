"""Each reason that `why` can give for a run once it is over, brought about by the engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rota import Cancelled, Failed, Retry, Rota, Run, Snoozed, every
from rota.errors import NotFoundError
from rota.testing import ManualClock, run_due
from tests.explain.helpers import first, sentence


def test_a_run_that_succeeded_in_time_says_so(rota: Rota) -> None:
    @rota.job
    def quick() -> None: ...

    rota.prepare()
    handle = quick.enqueue()
    run_due(rota)
    why = rota.why_run(handle.id)

    assert first(why) == "succeeded"
    assert why.fact("on_time") is not None


def test_the_lateness_of_a_caught_up_run_is_that_nobody_judged_it(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    run_due(rota)
    clock.advance(hours=1, minutes=20)
    [record] = run_due(rota)

    late = rota.why_run(record.id).fact("late")
    assert late is not None
    assert late.text == "it started 20m late: 20m until a node judged the due moment"
    assert late.data == {"late": 1200.0, "scheduling": 1200.0}


def test_the_lateness_of_a_run_for_later_is_split_into_staging_and_queue(rota: Rota, clock: ManualClock) -> None:
    @rota.job
    def later() -> None: ...

    run_due(rota)
    rota.queues.pause("default", "anna")
    handle = later.options(delay="1m").enqueue()
    clock.advance(minutes=2)
    run_due(rota)
    clock.advance(minutes=5)
    rota.queues.resume("default", "anna")
    run_due(rota)

    late = rota.why_run(handle.id).fact("late")
    assert late is not None
    assert late.data == {"late": 360.0, "staging": 60.0, "queue": 300.0}


def test_the_lateness_over_retries_counts_the_back_off(rota: Rota, clock: ManualClock) -> None:
    @rota.job(retry=Retry(attempts=2, delays=[60]), schedule=every("1h"))
    def second_time_lucky(run: Run) -> None:
        if run.attempt == 1:
            raise ValueError("not yet")

    run_due(rota)
    clock.advance(hours=1)
    run_due(rota)
    clock.advance(seconds=90)
    [record] = run_due(rota)

    late = rota.why_run(record.id).fact("late")
    assert late is not None
    assert late.data == {"late": 90.0, "back_off": 60.0, "queue": 30.0}


def test_a_run_that_used_up_its_attempts_tells_them_and_the_last_error(rota: Rota) -> None:
    @rota.job(retry=1)
    def breaks() -> None:
        raise ValueError("no paper")

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    why = rota.why_run(handle.id)

    assert first(why) == "attempts_used_up"
    assert "1 of 1" in why.summary
    assert "ValueError: no paper" in why.summary


def test_an_error_that_is_never_tried_again_says_so(rota: Rota) -> None:
    @rota.job(retry=Retry(attempts=5))
    def hopeless() -> Failed:
        return Failed("no such user", permanent=True)

    rota.prepare()
    handle = hopeless.enqueue()
    run_due(rota)

    assert first(rota.why_run(handle.id)) == "permanent"


def test_who_cancelled_it_is_told(rota: Rota) -> None:
    @rota.job
    def mail() -> None: ...

    rota.prepare()
    handle = mail.options(delay=60).enqueue()
    rota.runs.cancel(handle.id, "cli:anna")
    why = rota.why_run(handle.id)

    assert first(why) == "cancelled"
    assert "cli:anna cancelled it" in why.summary


def test_a_body_that_gave_up_tells_its_reason(rota: Rota) -> None:
    @rota.job
    def careful() -> Cancelled:
        return Cancelled("nothing to send")

    rota.prepare()
    handle = careful.enqueue()
    run_due(rota)

    assert "nothing to send" in rota.why_run(handle.id).summary


def test_a_dismissed_dead_letter_tells_who_closed_it(rota: Rota) -> None:
    @rota.job(retry=1)
    def breaks() -> None:
        raise ValueError

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    rota.runs.dismiss(handle.id, "cli:anna")
    why = rota.why_run(handle.id)

    assert first(why) == "dismissed"
    assert "cli:anna" in why.summary


def test_an_overlap_that_cancelled_it_is_told(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"), overlap="cancel_running")
    def newest_only() -> None: ...

    run_due(rota)
    rota.queues.pause("default", "anna")
    clock.advance(hours=1)
    run_due(rota)
    [old] = rota.runs.page()
    clock.advance(hours=1)
    run_due(rota)

    assert "schedule newest_only (overlap)" in rota.why_run(old.id).summary


def test_a_retry_by_hand_and_a_forced_run_name_the_person(rota: Rota) -> None:
    @rota.job(retry=1, environments=["production"])
    def nightly() -> None:
        raise ValueError

    object.__setattr__(rota.settings, "environment", "laptop")
    rota.prepare()
    handle = rota.options(force_disabled=True, by="cli:anna").trigger("nightly")
    run_due(rota)
    rota.runs.retry(handle.id, "cli:bob")
    why = rota.why_run(handle.id)

    assert "off in the environment laptop; cli:anna ran it all the same" in sentence(why, "forced")
    assert sentence(why, "retried_by_hand").startswith("cli:bob sent it back")


def test_the_time_of_a_run_that_was_sent_back_counts_from_then(rota: Rota, clock: ManualClock) -> None:
    @rota.job(retry=1)
    def breaks() -> None:
        raise ValueError

    rota.prepare()
    handle = breaks.enqueue()
    run_due(rota)
    clock.advance(hours=5)
    rota.runs.retry(handle.id, "cli:bob")
    at_once = rota.why_run(handle.id)
    clock.advance(seconds=40)
    waiting = rota.why_run(handle.id)
    run_due(rota)
    started = rota.why_run(handle.id)

    assert set(at_once.kinds).isdisjoint({"on_time", "late"})
    assert sentence(waiting, "late") == "it has waited for 40s: 40s in the queue"
    assert sentence(started, "late") == "it started 40s late: 40s in the queue"


@pytest.mark.parametrize("outcome", [Failed("not yet"), Snoozed(timedelta(hours=1))])
def test_a_run_that_waits_to_go_on_is_not_told_as_started_before_it_was_due(rota: Rota, outcome: object) -> None:
    @rota.job(retry=Retry(delays=[3600]))
    def later() -> object:
        return outcome

    rota.prepare()
    handle = later.enqueue()
    run_due(rota)

    assert set(rota.why_run(handle.id).kinds).isdisjoint({"on_time", "late"})


def test_runs_by_hand_and_backfills_tell_which_moment_they_stand_for(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    run_due(rota)
    [by_hand] = rota.schedules.run_now("hourly", by="cli:anna")
    [past] = rota.schedules.backfill("hourly", clock.now(), clock.now(), by="cli:anna")

    assert sentence(rota.why_run(by_hand), "manual") == "schedule hourly was run by hand, asked for by cli:anna"
    assert "2026-03-05 12:00:00 UTC" in sentence(rota.why_run(past), "backfill")


def test_an_old_moment_that_is_backfilled_counts_as_late_nowhere(rota: Rota, clock: ManualClock) -> None:
    @rota.job(schedule=every("1h"))
    def hourly() -> None: ...

    run_due(rota)
    long_ago = clock.now() - timedelta(days=30)
    [run_id] = rota.schedules.backfill("hourly", long_ago, long_ago, by="cli:anna")
    run_due(rota)

    assert rota.why_run(run_id).fact("on_time") is not None
    assert rota.counters.figures().late_p95 == pytest.approx(0)


def test_a_run_that_is_not_there_is_an_error(rota: Rota) -> None:
    rota.prepare()

    with pytest.raises(NotFoundError, match="there is no run 7"):
        rota.why_run(7)
