"""CN-1: what a sync makes of the platforms' answers, over several syncs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.codenotify import sync
from apps.codenotify.contest import Contest
from apps.codenotify.services import Services
from apps.codenotify.tables import contests, sync_state
from apps.demo.contest_server import ContestServer
from rota import JobResult
from rota.errors import RunLostError
from rota.recipes import audit
from rota.testing import FakeHome, make_run
from tests.codenotify.helpers import (
    DAY,
    HOUR,
    NOW,
    WallClock,
    announce,
    change_contest,
    contest_of,
    count,
    dump,
    rows,
)

EVERY_PLATFORM = (
    announce("2261"),
    announce("weekly-contest-515", platform="leetcode"),
    announce("START251", platform="codechef"),
    announce("abc473", platform="atcoder"),
)


def run_sync(services: Services, wall: WallClock, **arguments: object) -> JobResult:
    arguments.setdefault("force", True)
    return sync.sync_contests(make_run(as_of=wall()), services, **arguments)


def test_contests_of_all_platforms_are_stored_with_their_phase(services, platforms, wall):
    platforms.show(*EVERY_PLATFORM)

    result = run_sync(services, wall)

    assert result.status == "success"
    assert result.counts["new"] == 4
    assert {row.contest_key: row.phase for row in rows(services, contests)} == {
        contest.key: "BEFORE" for contest in EVERY_PLATFORM
    }


def test_identical_answers_twice_change_nothing(services, platforms, wall):
    platforms.show(*EVERY_PLATFORM)
    run_sync(services, wall)

    result = run_sync(services, wall)

    assert (result.counts["new"], result.counts["updated"]) == (0, 0)
    assert result.counts["unchanged"] == 4


def test_one_platform_down_leaves_the_others_synchronised(services, platforms, wall):
    platforms.show(*EVERY_PLATFORM)
    platforms.scenario("codechef", "unavailable")

    result = run_sync(services, wall)

    assert result.status == "partial"
    assert result.counts["new"] == 3
    codechef = result.details["platforms"]["codechef"]
    assert (codechef["status"], codechef["error_kind"], codechef["attempts"]) == ("failed", "http_503", 3)
    assert result.errors[0]["item"] == "codechef"


def test_all_platforms_down_is_a_failure_that_may_be_tried_again_at_once(services, platforms, wall):
    for site in ("codeforces", "leetcode", "codechef", "atcoder"):
        platforms.scenario(site, "unavailable")

    assert run_sync(services, wall, force=False).status == "failed"
    platforms.show(*EVERY_PLATFORM)
    for site in ("codeforces", "leetcode", "codechef", "atcoder"):
        platforms.scenario(site, "ok")
    assert run_sync(services, wall, force=False).counts["new"] == 4


@pytest.mark.parametrize(("minutes", "version"), [(10, 2), (-10, 2), (4, 1), (5, 1)])
def test_only_a_start_moved_by_more_than_five_minutes_is_a_new_version(services, platforms, wall, minutes, version):
    platforms.show(announce("2261"))
    run_sync(services, wall)

    platforms.show(announce("2261", NOW + DAY + timedelta(minutes=minutes)))
    result = run_sync(services, wall)

    row = contest_of(services, "2261")
    assert (row.schedule_version, row.start_time) == (version, NOW + DAY + timedelta(minutes=minutes))
    assert result.counts["rescheduled"] == version - 1
    assert [entry.action for entry in rows(services, audit)] == ["contest.rescheduled"] * (version - 1)


def test_a_contest_that_has_started_never_gets_a_new_version(services, platforms, wall):
    platforms.show(announce("2261", NOW - HOUR))
    run_sync(services, wall)

    platforms.show(announce("2261", NOW - timedelta(minutes=30)))
    result = run_sync(services, wall)

    assert result.counts["updated"] == 1
    assert contest_of(services, "2261").schedule_version == 1


def test_a_contest_absent_once_stays_and_absent_twice_is_cancelled(services, platforms, wall):
    platforms.show(announce("2261"), announce("2262"))
    run_sync(services, wall)
    platforms.show(announce("2262"))

    run_sync(services, wall)
    assert contest_of(services, "2261").is_active
    result = run_sync(services, wall)

    gone = contest_of(services, "2261")
    assert (gone.is_active, gone.cancelled_at) == (False, NOW)
    assert result.counts["cancelled"] == 1
    assert [entry.action for entry in rows(services, audit)] == ["contest.cancelled"]
    assert contest_of(services, "2262").is_active


def test_a_contest_that_comes_back_is_no_new_version(services, platforms, wall):
    platforms.show(announce("2261"))
    run_sync(services, wall)
    platforms.show()
    run_sync(services, wall)
    run_sync(services, wall)
    platforms.show(announce("2261"))

    run_sync(services, wall)

    row = contest_of(services, "2261")
    assert (row.is_active, row.cancelled_at, row.missing_syncs, row.schedule_version) == (True, None, 0, 1)


def test_a_contest_missing_from_an_unchanged_answer_is_missing_again(services, platforms, wall):
    platforms.show(announce("START1", platform="codechef"), announce("START2", platform="codechef"))
    run_sync(services, wall, platforms=["codechef"])
    platforms.show(announce("START2", platform="codechef"))
    run_sync(services, wall, platforms=["codechef"])
    wall.advance(hours=1)

    result = run_sync(services, wall, platforms=["codechef"], force=False)

    assert result.counts["fetched"] == 0
    assert contest_of(services, "START1").cancelled_at == wall()
    assert contest_of(services, "START2").is_active


def test_a_contest_that_somebody_hid_stays_hidden(services, platforms, wall):
    platforms.show(announce("2261"))
    run_sync(services, wall)
    change_contest(services, contest_of(services, "2261").id, is_active=False)
    platforms.show(announce("2261", NOW + 2 * DAY))

    run_sync(services, wall)

    assert not contest_of(services, "2261").is_active


def test_an_answer_with_items_that_cannot_be_read_cancels_nothing(services, platforms, wall):
    ten = [announce(str(2261 + number), NOW + DAY + number * HOUR) for number in range(10)]
    platforms.show(*ten)
    run_sync(services, wall, platforms=["codeforces"])
    platforms.scenario("codeforces", "one-bad")

    for _ in range(3):
        result = run_sync(services, wall, platforms=["codeforces"])

    assert result.counts["invalid"] == 1
    assert all(row.is_active for row in rows(services, contests))


def test_a_failed_fetch_cancels_nothing(services, platforms, wall):
    platforms.show(announce("2261"))
    run_sync(services, wall)
    platforms.scenario("codeforces", "unavailable")

    for _ in range(3):
        run_sync(services, wall)

    assert contest_of(services, "2261").is_active


def test_judging_is_believed_for_a_day_after_the_end(services, platforms, wall):
    judged = replace(announce("2261", NOW - 3 * HOUR), phase="SYSTEM_TEST")
    platforms.show(judged)
    run_sync(services, wall)
    assert contest_of(services, "2261").phase == "SYSTEM_TEST"

    wall.advance(hours=22)
    run_sync(services, wall)
    assert contest_of(services, "2261").phase == "SYSTEM_TEST"

    wall.advance(hours=2)
    platforms.show()
    run_sync(services, wall)
    assert contest_of(services, "2261").phase == "FINISHED"


def test_judging_ends_when_the_platform_says_so(services, platforms, wall):
    contest = announce("2261", NOW - 3 * HOUR)
    platforms.show(replace(contest, phase="PENDING_SYSTEM_TEST"))
    run_sync(services, wall)

    platforms.show(replace(contest, phase="FINISHED"))
    run_sync(services, wall)

    assert contest_of(services, "2261").phase == "FINISHED"


def test_old_contests_are_dropped_to_the_second(services, platforms, wall):
    ends_at_cutoff = announce("1", NOW - 30 * DAY - 2 * HOUR)
    ends_before = announce("2", NOW - 30 * DAY - 2 * HOUR - timedelta(seconds=1))
    platforms.show(ends_at_cutoff, ends_before)

    result = run_sync(services, wall)

    assert result.counts["too_old"] == 1
    assert [row.platform_id for row in rows(services, contests)] == ["1"]


def test_many_contests_go_in_by_batches(services, platforms, wall):
    many = [announce(str(1 + number), NOW + DAY + number * HOUR) for number in range(1_100)]
    platforms.show(*many)

    assert run_sync(services, wall).counts["new"] == 1_100
    assert count(services, contests) == 1_100


def test_a_platform_in_its_cool_down_is_skipped_and_not_asked(services, platforms, wall):
    platforms.show(*EVERY_PLATFORM)
    run_sync(services, wall, platforms=["codeforces"])
    wall.advance(minutes=6)

    result = run_sync(services, wall, force=False)

    assert result.details["platforms"]["codeforces"]["skipped"] == "cooldown"
    assert platforms.asked("codeforces") == 1
    assert platforms.asked("leetcode") == 1


def test_within_the_global_cool_down_nobody_is_asked(services, platforms, wall):
    platforms.show(*EVERY_PLATFORM)
    run_sync(services, wall, platforms=["codeforces"])
    wall.advance(minutes=4, seconds=59)

    result = run_sync(services, wall, force=False)

    assert result.status == "skipped"
    assert len(platforms.requests) == 1


def test_an_unknown_platform_is_named_with_those_there_are(services, wall):
    with pytest.raises(ValueError, match=r"spoj.*codeforces, leetcode"):
        run_sync(services, wall, platforms=["spoj"])


def test_a_dry_run_counts_and_leaves_the_database_as_it_was(services, platforms, wall):
    platforms.show(announce("2261"))
    run_sync(services, wall)
    platforms.show(announce("2261", NOW + 2 * DAY), announce("2262"))
    platforms.scenario("leetcode", "unavailable")
    before = dump(services.engine)

    result = sync.sync_contests(make_run(as_of=wall(), dry_run=True), services, force=True)

    assert (result.status, result.counts["new"], result.counts["rescheduled"]) == ("dry_run", 1, 1)
    assert dump(services.engine) == before


def test_validators_are_kept_only_when_the_answer_is_stored(services, platforms, wall):
    home = FakeHome()
    run = make_run(as_of=wall(), home=home)

    def answer_and_stop(_: object) -> list[Contest]:
        home.stop(RunLostError())
        return [announce("2261")]

    platforms.listing = answer_and_stop
    with pytest.raises(RunLostError):
        sync.sync_contests(run, services, force=True)

    assert not any(row.validators for row in rows(services, sync_state))
    platforms.show(announce("2261"))
    assert run_sync(services, wall, force=False).counts["new"] == 1


def test_the_sync_says_whether_there_is_news(services, platforms: ContestServer, wall):
    platforms.show(announce("2261"))
    assert sync.news(run_sync(services, wall))
    assert not sync.news(run_sync(services, wall))
