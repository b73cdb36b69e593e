"""Every way in which a platform can answer, asked over real HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apps.codenotify.adapters import FETCH
from apps.codenotify.adapters.codechef import canonical
from apps.codenotify.adapters.fetched import Fetched
from apps.codenotify.adapters.http import Http, Spacing
from apps.codenotify.clients import http_client
from apps.codenotify.contest import PLATFORMS
from apps.codenotify.errors import PermanentError, TransientError
from apps.codenotify.settings import Settings
from apps.demo.contest_server import ContestServer
from tests.codenotify.helpers import DAY, HOUR, NOW, announce

IDS = {
    "codeforces": lambda number: str(2261 + number),
    "leetcode": lambda number: f"weekly-contest-{515 + number}",
    "codechef": lambda number: f"START{251 + number}",
    "atcoder": lambda number: f"abc{473 + number}",
}
every_platform = pytest.mark.parametrize("platform", PLATFORMS)


def ten(platform: str) -> list:
    return [announce(IDS[platform](n), NOW + DAY + n * HOUR, platform=platform) for n in range(10)]


class Asker:
    """Fetches as a sync does, and remembers what it waited and how often it asked."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.slept: list[float] = []
        self.http: Http | None = None
        self.client = http_client(follow_redirects=True)

    def __call__(self, platform: str, validators: dict | None = None, since: datetime = NOW - 30 * DAY) -> Fetched:
        self.http = Http(self.client, self.settings, Spacing(), self.slept.append, validators)
        return FETCH[platform](self.http, since)


@pytest.fixture
def asker_with():
    """An asker with settings of its own."""
    made: list[Asker] = []

    def make(settings: Settings) -> Asker:
        made.append(Asker(settings))
        return made[-1]

    yield make
    for asker in made:
        asker.client.close()


@pytest.fixture
def ask(platforms, settings, asker_with):
    return asker_with(settings)


def only(fetched: Fetched):
    (contest,) = fetched.contests
    return contest


@every_platform
def test_ok(platform, platforms: ContestServer, ask: Callable[..., Fetched]):
    platforms.show(*ten(platform))

    fetched = ask(platform)

    expected = {contest.platform_id: contest for contest in ten(platform)}
    assert fetched.complete
    assert not fetched.skipped["invalid"]
    for contest in fetched.contests:
        planned = expected.pop(contest.platform_id)
        assert (contest.name, contest.type) == (planned.name, planned.type)
        assert (contest.start_time, contest.end_time) == (planned.start_time, planned.end_time)
        assert contest.start_time.utcoffset() == timedelta(0)
        assert contest.website_url == planned.website_url
    assert not expected


@every_platform
def test_an_empty_list_is_complete(platform, platforms, ask):
    platforms.scenario(platform, "empty")

    fetched = ask(platform)

    assert (fetched.contests, fetched.complete) == ([], True)


@every_platform
def test_one_bad_item_of_ten_is_left_out_counted_and_named(platform, platforms, ask):
    platforms.show(*ten(platform))
    platforms.scenario(platform, "one-bad")

    fetched = ask(platform)

    assert len(fetched.contests) == 9
    assert fetched.skipped["invalid"] == 1
    assert "cannot read" in fetched.warnings[0]
    assert not fetched.complete


@every_platform
def test_six_bad_items_of_ten_are_a_changed_format(platform, platforms, ask):
    platforms.show(*ten(platform))
    platforms.scenario(platform, "mostly-bad")

    with pytest.raises(PermanentError) as error:
        ask(platform)

    assert error.value.kind == "schema"
    assert ask.http.attempts == 1


@every_platform
def test_unavailable_twice_then_ok_is_ok(platform, platforms, ask):
    platforms.show(*ten(platform))
    platforms.scenario(platform, "unavailable-twice")

    assert len(ask(platform).contests) == 10


@every_platform
def test_unavailable_is_given_up_after_three_tries(platform, platforms, ask):
    platforms.scenario(platform, "unavailable")

    with pytest.raises(TransientError) as error:
        ask(platform)

    assert (error.value.kind, ask.http.attempts) == ("http_503", 3)


@every_platform
def test_retry_after_is_obeyed(platform, platforms, ask):
    platforms.show(*ten(platform))
    platforms.scenario(platform, "rate-limited")

    assert len(ask(platform).contests) == 10
    assert ask.slept == [2.0]


def test_retry_after_is_obeyed_up_to_the_cap_only(platforms, settings, asker_with):
    ask = asker_with(replace(settings, retry_after_cap_s=1.5))
    platforms.scenario("codeforces", "rate-limited")

    ask("codeforces")

    assert ask.slept == [1.5]


def test_waits_grow_and_are_spread(platforms, settings, asker_with):
    ask = asker_with(replace(settings, retry_delays_s=(1.0, 2.0), retry_jitter=0.2))
    platforms.scenario("codeforces", "unavailable")

    with pytest.raises(TransientError):
        ask("codeforces")

    first, second = ask.slept
    assert 1.0 <= first <= 1.2
    assert 2.0 <= second <= 2.4


@every_platform
def test_a_page_instead_of_the_answer_is_an_error(platform, platforms, ask):
    platforms.show(*ten(platform))
    platforms.scenario(platform, "html")

    with pytest.raises((TransientError, PermanentError)) as error:
        ask(platform)

    assert error.value.kind == ("schema" if platform == "atcoder" else "not_json")


@every_platform
def test_an_answer_that_does_not_come_is_a_timeout(platform, platforms, settings, asker_with):
    endpoint = replace(settings.endpoints[platform], timeout_s=0.05)
    ask = asker_with(replace(settings, endpoints={**settings.endpoints, platform: endpoint}))
    platforms.scenario(platform, "hang")

    with pytest.raises(TransientError) as error:
        ask(platform)

    assert (error.value.kind, ask.http.attempts) == ("timeout", 3)


@every_platform
def test_a_lost_connection_is_tried_again(platform, platforms, ask):
    platforms.scenario(platform, "drop")

    with pytest.raises(TransientError) as error:
        ask(platform)

    assert (error.value.kind, ask.http.attempts) == ("connection", 3)


@every_platform
def test_a_refused_connection_is_tried_again(platform, settings, asker_with):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        endpoint = replace(settings.endpoints[platform], url=url, min_interval_s=0.0)
        ask = asker_with(replace(settings, endpoints={**settings.endpoints, platform: endpoint}))

        with pytest.raises(TransientError) as error:
            ask(platform)

    assert (error.value.kind, ask.http.attempts) == ("connection", 3)


@every_platform
@pytest.mark.parametrize(("scenario", "kind"), [("forbidden", "forbidden"), ("not-found", "http_404")])
def test_a_refusal_is_not_tried_again(platform, scenario, kind, platforms, ask):
    platforms.scenario(platform, scenario)

    with pytest.raises(PermanentError) as error:
        ask(platform)

    assert (error.value.kind, ask.http.attempts) == (kind, 1)
    assert error.value.opens_breaker == (scenario == "forbidden")


@pytest.mark.parametrize("platform", ["codeforces", "codechef", "atcoder"])
def test_an_unchanged_list_is_not_sent_again(platform, platforms, ask):
    platforms.show(*ten(platform))
    ask(platform)
    validators = ask.http.new_validators

    fetched = ask(platform, validators)

    assert (fetched.unchanged, fetched.complete, fetched.contests) == (True, True, [])


def test_requests_to_one_host_are_kept_apart(platforms, settings, asker_with):
    endpoint = replace(settings.endpoints["codeforces"], min_interval_s=2.0)
    ask = asker_with(replace(settings, endpoints={**settings.endpoints, "codeforces": endpoint}))
    platforms.scenario("codeforces", "unavailable-twice")

    ask("codeforces")

    waits = [wait for wait in ask.slept if wait]
    assert len(waits) == 2
    assert all(1.5 < wait <= 4.0 for wait in waits)


def test_every_request_says_who_asks(platforms, ask):
    for platform in PLATFORMS:
        ask(platform)

    agents = {request.site: request.headers["user-agent"] for request in platforms.requests}
    assert all("CodeNotify/1.0" in agent for agent in agents.values())
    assert agents["codechef"].startswith("Mozilla")


def test_codeforces_call_limit_then_ok(platforms, ask):
    platforms.show(*ten("codeforces"))
    platforms.scenario("codeforces", "call-limit")

    assert len(ask("codeforces").contests) == 10
    assert ask.http.attempts == 2


def test_codeforces_failed_for_a_bad_argument_is_final(platforms, ask):
    platforms.scenario("codeforces", "bad-argument")

    with pytest.raises(PermanentError, match="boolean"):
        ask("codeforces")

    assert ask.http.attempts == 1


def test_codeforces_contest_without_a_start_is_skipped_and_never_given_one(platforms, ask):
    platforms.show(*ten("codeforces"))
    platforms.scenario("codeforces", "no-start")

    fetched = ask("codeforces")

    assert fetched.skipped == {"no_start_time": 1}
    assert len(fetched.contests) == 9
    assert all(contest.start_time > NOW for contest in fetched.contests)


def test_leetcode_refuses_a_request_without_referer(platforms, settings):
    with http_client() as client:
        response = client.post(f"{platforms.url('leetcode')}/graphql", json={"operationName": "allContests"})
    assert response.status_code == 403


def test_leetcode_errors_without_data_fail_after_all_three_queries(platforms, ask):
    platforms.scenario("leetcode", "graphql-errors")

    with pytest.raises(PermanentError) as error:
        ask("leetcode")

    assert error.value.kind == "graphql"
    assert platforms.asked("leetcode") == 3


def test_leetcode_falls_back_to_a_query_that_is_not_complete(platforms, ask):
    platforms.show(*ten("leetcode"))
    platforms.scenario("leetcode", "graphql-fallback")

    fetched = ask("leetcode")

    assert len(fetched.contests) == 10
    assert not fetched.complete
    assert "allContests" in fetched.warnings[0]


def test_leetcode_biweekly_is_told_from_weekly(platforms, ask):
    platforms.show(
        announce("biweekly-contest-189", platform="leetcode", name="Biweekly Contest 189"),
        announce("weekly-contest-515", platform="leetcode", name="Weekly Contest 515"),
    )

    assert [contest.type for contest in ask("leetcode").contests] == ["BIWEEKLY", "WEEKLY"]


def test_leetcode_biweekly_of_15_august_2026_starts_at_1430_utc():
    from apps.codenotify.world import World

    day = datetime(2026, 8, 15, tzinfo=UTC)
    starts = {each.platform_id: each.start_time for each in World().between(day, day + 2 * DAY)}
    assert starts["biweekly-contest-189"] == datetime.fromtimestamp(1786804200, UTC)
    assert starts["weekly-contest-515"] == datetime.fromtimestamp(1786847400, UTC)


def test_codechef_rate_limit_in_the_body_waits_a_minute(platforms, settings, asker_with):
    endpoint = replace(settings.endpoints["codechef"], quiet_after_429_s=60.0)
    ask = asker_with(replace(settings, endpoints={**settings.endpoints, "codechef": endpoint}))
    platforms.show(*ten("codechef"))
    platforms.scenario("codechef", "rate-limit-exceeded")

    assert len(ask("codechef").contests) == 10
    assert ask.slept == [60.0]


def test_codechef_text_dates_are_indian_time(platforms, ask):
    platforms.show(announce("START251", NOW + DAY, platform="codechef"))
    platforms.scenario("codechef", "text-dates")

    assert only(ask("codechef")).start_time == NOW + DAY


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("START251B", "START251"),
        ("START251", "START251"),
        ("START251E", "START251E"),
        ("START1A2", "START1A2"),
        ("COOK12A", "COOK12A"),
        ("XSTART251A", "XSTART251A"),
    ],
)
def test_codechef_divisions_of_one_round_are_one_contest(code, expected):
    assert canonical(code) == expected


def test_codechef_keeps_the_raw_code(platforms, ask):
    platforms.show(announce("START251B", platform="codechef"))

    contest = only(ask("codechef"))

    assert (contest.platform_id, contest.metadata["contest_code"]) == ("START251", "START251B")


def test_codechef_window_may_be_longer_than_the_contest(platforms, ask):
    contest = announce("PLACEPREP02", NOW + DAY, platform="codechef", name="Placement Prep Weekends", minutes=180)
    platforms.show(replace(contest, end_time=contest.start_time + 2 * DAY))

    read = only(ask("codechef"))

    assert (read.duration_minutes, read.end_time - read.start_time, read.type) == (180, 2 * DAY, "OTHER")


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        ("START251", "Starters 251", "STARTERS"),
        ("COOK150", "July Cook-Off", "COOK_OFF"),
        ("LTIME110", "June Lunchtime", "LUNCH_TIME"),
        ("JAN26", "January Long Challenge", "LONG"),
        ("PLACEPREP02", "Placement Prep", "OTHER"),
    ],
)
def test_codechef_types(code, name, kind, platforms, ask):
    platforms.show(announce(code, platform="codechef", name=name))

    assert only(ask("codechef")).type == kind


def test_atcoder_without_the_upcoming_table_is_an_error_not_no_contests(platforms, ask):
    platforms.show(*ten("atcoder"))
    platforms.scenario("atcoder", "missing-table")

    with pytest.raises(PermanentError) as error:
        ask("atcoder")

    assert error.value.kind == "schema"


def test_atcoder_hours_may_exceed_a_day(platforms, ask):
    platforms.show(announce("ahc050", platform="atcoder"))
    platforms.scenario("atcoder", "ten-days")

    assert only(ask("atcoder")).duration_minutes == 240 * 60


def test_atcoder_start_is_found_in_the_link_too(platforms, ask):
    platforms.show(announce("abc473", NOW + DAY, platform="atcoder"))
    platforms.scenario("atcoder", "link-dates")

    assert only(ask("atcoder")).start_time == NOW + DAY


def test_atcoder_daily_training_is_not_imported(platforms, ask):
    platforms.show(announce("abc473", platform="atcoder"))

    assert [contest.platform_id for contest in ask("atcoder").contests] == ["abc473"]


def test_atcoder_types_by_id_then_by_title(platforms, ask):
    sponsored = "13th Asprova Programming Contest (AtCoder Heuristic Contest 070)"
    platforms.show(
        announce("agc070", platform="atcoder"),
        announce("asprova13", platform="atcoder", name=sponsored),
        announce("mujin2026", platform="atcoder", name="Mujin Contest"),
    )

    assert [contest.type for contest in ask("atcoder").contests] == ["AGC", "AHC", "OTHER"]


def test_atcoder_finished_contests_come_from_the_archive_without_permanent_ones(platforms, ask):
    platforms.show(
        announce("abc470", NOW - 7 * DAY, platform="atcoder"), announce("abc400", NOW - 90 * DAY, platform="atcoder")
    )

    fetched = ask("atcoder")

    assert [contest.platform_id for contest in fetched.contests] == ["abc470"]
    assert fetched.skipped == {"permanent": 1, "before_since": 1}


def test_atcoder_without_its_archive_still_knows_what_is_to_come(platforms, ask):
    platforms.show(announce("abc473", platform="atcoder"))
    platforms.scenario("kenkoooo", "unavailable")

    fetched = ask("atcoder")

    assert fetched.complete
    assert only(fetched).platform_id == "abc473"
    assert "archive" in fetched.warnings[0]
