"""What holds for every cron: an answer is later, whole, in the zone, the same from any thread, undone by previous."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rota.calendar import Cron
from rota.clock import EPOCH, to_us
from rota.errors import ConfigError, CronError
from tests.calendar import brute

thorough = settings(deadline=None, suppress_health_check=list(HealthCheck))
zones = st.sampled_from(sorted({zone for zone, _ in brute.CHANGES}))
moments = st.integers(-5_000_000_000, 13_000_000_000).map(lambda second: EPOCH + timedelta(seconds=second))
policies = {"gap": st.sampled_from(["after_gap", "skip"]), "overlap": st.sampled_from(["first", "second", "both"])}


def built(written: brute.Written, zone: str, **policy: str) -> Cron:
    try:
        return Cron(written.text, zone, **policy)
    except CronError as error:
        assume("never" not in str(error))
        raise


@settings(thorough, max_examples=200)
@given(written=brute.expressions(seconds=True, months=True), zone=zones, moment=moments, **policies)
def test_an_answer_is_later_whole_and_undone_by_previous(written, zone, moment, gap, overlap):
    cron = built(written, zone, gap=gap, overlap=overlap)

    answer = cron.next_after(moment)

    assert answer.astimezone(UTC) > moment
    assert answer.microsecond == 0
    assert answer.tzinfo is (UTC if zone == "UTC" else ZoneInfo(zone))
    assert cron.next_after(answer - timedelta(microseconds=1)) == answer
    assert cron.next_after(answer.astimezone(UTC) - timedelta(seconds=1)) == answer
    assert cron.previous_before(answer.astimezone(UTC) + timedelta(microseconds=1)) == answer
    earlier = cron.previous_before(answer)
    if earlier is not None:
        assert earlier.astimezone(UTC) <= moment
        assert cron.next_after(earlier) == answer


@settings(thorough, max_examples=100)
@given(written=brute.expressions(months=True), zone=zones, moment=moments, **policies)
def test_microseconds_and_datetimes_give_the_same_answers(written, zone, moment, gap, overlap):
    cron = built(written, zone, gap=gap, overlap=overlap)

    assert cron.next_after_us(to_us(moment)) == to_us(cron.next_after(moment))
    assert cron.previous_before_us(to_us(moment)) == to_us(cron.previous_before(moment))


@settings(thorough, max_examples=100)
@given(
    written=brute.expressions(),
    change=st.sampled_from(brute.CHANGES),
    minutes=st.integers(-200, 200),
    others=st.lists(zones, min_size=1, max_size=3),
    hours=st.integers(-14, 14),
)
def test_the_zone_and_fold_of_the_question_do_not_matter(written, change, minutes, others, hours):
    cron, moment = built(written, change[0]), brute.utc(change[1]) + timedelta(minutes=minutes)

    answer = cron.next_after(moment)

    for other in [*map(ZoneInfo, others), timezone(timedelta(hours=hours))]:
        assert cron.next_after(moment.astimezone(other)) == answer
        assert cron.previous_before(moment.astimezone(other)) == cron.previous_before(moment)


@pytest.mark.parametrize("ask", ["next_after", "previous_before", "fires"])
def test_a_naive_moment_is_refused(ask):
    with pytest.raises(ValueError, match="time zone"):
        list(getattr(Cron("* * * * *"), ask)(EPOCH.replace(tzinfo=None)) or ())


def test_one_object_gives_many_threads_the_answers_of_one():
    cron = Cron("*/7 */3 * * *", "Europe/Paris")
    starts = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours * 97) for hours in range(300)]
    alone = [list(Cron("*/7 */3 * * *", "Europe/Paris").fires(start, start + timedelta(hours=9))) for start in starts]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda start: list(cron.fires(start, start + timedelta(hours=9))), starts))

    assert together == alone


def test_fires_ends_at_until_inclusive():
    start = datetime(2026, 1, 1, tzinfo=UTC)

    found = list(Cron("0 * * * *").fires(start, start + timedelta(hours=3)))

    assert [fire.hour for fire in found] == [1, 2, 3]


def test_the_rarest_date_is_found_in_both_directions():
    cron = Cron("0 0 * 2 MON#5")

    assert cron.next_after(datetime(2072, 3, 1, tzinfo=UTC)).year == 2112
    assert cron.previous_before(datetime(2112, 2, 1, tzinfo=UTC)).year == 2072


def test_a_moment_before_1900_is_asked_on_local_mean_time():
    fire = Cron("0 12 * * *", "Europe/Paris").next_after(datetime(1850, 6, 1, 13, tzinfo=UTC))

    assert fire.isoformat() == "1850-06-02T12:00:00+00:09:21"


def test_summer_time_goes_on_by_the_rule_beyond_the_zone_file():
    cron = Cron("30 2 * * *", "Europe/Paris")

    assert cron.next_after(datetime(2499, 3, 28, 12, tzinfo=UTC)).isoformat() == "2499-03-29T03:00:00+02:00"
    assert cron.next_after(datetime(2499, 10, 24, 12, tzinfo=UTC)).isoformat() == "2499-10-25T02:30:00+02:00"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Pacific/Kiritimati", "America/Los_Angeles", "Etc/GMT+12"])
def test_the_ends_of_time_are_answered_with_nothing(zone):
    cron = Cron("0 0 1 1 *", zone)

    assert cron.next_after(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) is None
    assert cron.previous_before(datetime(1, 1, 1, tzinfo=UTC)) is None
    assert cron.next_after(datetime(9998, 6, 1, tzinfo=UTC)).year == 9999
    assert cron.previous_before(datetime(2, 6, 1, tzinfo=UTC)).year == 2
    assert cron.next_after(datetime.min.replace(tzinfo=UTC)).year <= 2


def test_an_exclusion_of_a_policy_value_is_told():
    with pytest.raises(ConfigError, match="gap cannot be 'later'") as told:
        Cron("0 0 * * *", gap="later")
    assert "after_gap, skip" in told.value.hint


def test_a_cron_is_a_value():
    cron = Cron("0  6 * * *", "Europe/Paris", overlap="both")

    assert cron == Cron("0 6 * * *", "Europe/Paris", overlap="both") != Cron("0 6 * * *", "Europe/Paris")
    assert len({cron, Cron("0 6 * * *", "Europe/Paris", overlap="both")}) == 1
    assert pickle.loads(pickle.dumps(cron)) == copy.deepcopy(cron) == cron
    assert repr(cron) == "Cron(expression='0 6 * * *', tz='Europe/Paris', gap='after_gap', overlap='both')"
    with pytest.raises(AttributeError):
        cron.tz = "UTC"


def test_a_job_of_a_missing_day_is_not_made_up():
    fires = Cron("0 12 * * *", "Pacific/Apia").fires(datetime(2011, 12, 29, tzinfo=UTC))

    assert [next(fires).isoformat() for _ in range(2)] == ["2011-12-29T12:00:00-10:00", "2011-12-31T12:00:00+14:00"]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * FRI-SUN", "0 0 * * 0,5,6"),
        ("0 0 * * 5-0", "0 0 * * 0,5,6"),
        ("0 0 * * sun-tue", "0 0 * * 0-2"),
        ("0 0 * * 1-7", "0 0 * * *"),
        ("0 0 * * */2", "0 0 * * 0,2,4,6"),
        ("0 0 * * 7/2", "0 0 * * 0"),
        ("5/15 * * * *", "5,20,35,50 * * * *"),
        ("*/90 * * * *", "0 * * * *"),
        ("*/100,7 * * * *", "0,7 * * * *"),
        ("00007 0000000000001 * * *", "7 1 * * *"),
        ("*/99999999999999999999 * * * *", "0 * * * *"),
        ("0 0 ? * 1", "0 0 * * 1"),
        ("0 0 1 * ?", "0 0 1 * *"),
        ("0 0 L-0 * *", "0 0 L * *"),
        ("0 0 lw * fril", "0 0 LW * 5L"),
        ("0 0 1 jan,Feb *", "0 0 1 1-2 *"),
        ("\t0  0 1 1 * \n", "@yearly"),
        ("@ANNUALLY", "@yearly"),
        ("@Weekly", "0 0 * * SUN"),
        ("@midnight", "@daily"),
    ],
)
def test_two_writings_of_one_thing_fire_alike(text, same):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = Cron(text).fires(start), Cron(same).fires(start)

    assert [next(one) for _ in range(40)] == [next(other) for _ in range(40)]
