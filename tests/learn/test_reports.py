"""LP-1b, LP-2 and LP-3: the hour, the week and the month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota.testing import run_due
from tests.learn.conftest import Learn
from tests.learn.helpers import EDUCATOR, course, enrollment, user

SUNDAY = datetime(2026, 11, 22, 1, tzinfo=UTC)


def at(days: float, base: datetime) -> str:
    return (base - timedelta(days=days)).isoformat()


@pytest.mark.defect("LP-B6")
def test_a_week_is_seven_whole_days_against_the_seven_before(learn: Learn) -> None:
    midnight = SUNDAY.replace(hour=0)
    learn.put(
        users=[EDUCATOR, *(user(n) for n in range(1, 12))],
        courses=[course(1), course(2)],
        enrollments=[
            enrollment(n, n, 2 if n == 3 else 1, 0) | {"enrolled_at": at(days, midnight)}
            for n, days in enumerate([7, 6.5, 1, 0.000001, 0, 7.000001, 14, 14.1], 1)
        ],
    )

    result = learn.run("weekly-trend-reports", due=SUNDAY, as_of=SUNDAY + timedelta(days=8))

    [row] = learn.rows("reports").values()
    payload = row["payload"]["enrollments"]
    assert (row["period_start"][:10], row["period_end"][:10]) == ("2026-11-15", "2026-11-22")
    assert payload["daily"] == [2, 0, 0, 0, 0, 0, 2]
    assert (payload["total"], payload["previous_total"], payload["period_change_pct"]) == (4, 2, 100.0)
    assert (payload["first_last_change_pct"], payload["slope"], payload["direction"]) == (0.0, 0.0, "stable")
    assert payload["peak_day"] == "2026-11-15"
    assert [(each["course_id"], each["enrollments"]) for each in row["payload"]["top_courses"]] == [(1, 3), (2, 1)]
    assert row["payload"]["completions"]["period_change_pct"] == 0.0
    assert row["payload"]["completions"]["peak_day"] is None
    assert result["counts"] == {"made": 1}
    assert learn.run("weekly-trend-reports", due=SUNDAY)["counts"] == {"made": 0}


@pytest.mark.defect("LP-B6")
def test_a_month_tells_money_by_currency_and_refunds_by_their_own_date(learn: Learn) -> None:
    def pay(id_: int, amount: str, currency: str, when: str, status: str = "succeeded") -> dict[str, Any]:
        return {
            "id": id_,
            "user_id": 1,
            "course_id": 1,
            "amount": amount,
            "currency": currency,
            "status": status,
            "created_at": when,
        }

    learn.put(
        users=[EDUCATOR, user(1, created_at="2026-12-05T00:00:00Z"), user(2, created_at="2026-11-30T23:59:59Z")],
        courses=[course(1, published_at="2026-12-31T23:59:59Z", deleted_at="2026-12-31T00:00:00Z")],
        enrollments=[
            enrollment(1, 1, 1, 0) | {"enrolled_at": "2026-12-05T00:00:00Z", "completed_at": "2026-12-20T00:00:00Z"},
            enrollment(2, 2, 1, 0) | {"enrolled_at": "2026-11-05T00:00:00Z", "completed_at": "2026-12-20T00:00:00Z"},
        ],
        payments=[
            pay(1, "100", "EUR", "2026-11-20T00:00:00Z"),
            pay(2, "40.10", "EUR", "2026-12-02T00:00:00Z"),
            pay(3, "7", "USD", "2026-12-02T00:00:00Z", "failed"),
        ],
        refunds=[
            {
                "id": 1,
                "payment_id": 1,
                "amount": "100",
                "currency": "EUR",
                "status": "succeeded",
                "created_at": "2026-12-03T00:00:00Z",
            }
        ],
        analytics_events=[{"id": n, "user_id": 1, "timestamp": "2026-12-03T00:00:00Z"} for n in range(3)],
    )

    result = learn.run("monthly-executive-summaries", due=datetime(2027, 1, 1, 2, tzinfo=UTC))

    assert (result["status"], result["counts"]) == ("success", {"made": 1})

    [row] = learn.rows("reports").values()
    payload = row["payload"]
    assert (row["report_type"], row["period_start"][:10], row["period_end"][:10]) == (
        "monthly_summary",
        "2026-12-01",
        "2027-01-01",
    )
    assert (payload["new_students"], payload["active_students"], payload["new_courses"]) == (1, 1, 1)
    assert (payload["enrollments"], payload["completions"], payload["completion_rate"]) == (1, 2, "100.00")
    assert payload["revenue"] == {"EUR": {"gross": "40.10", "refunds": "100.00", "net": "-59.90"}}
    assert payload["top_by_completions"] == [{"course_id": 1, "title": "Course 1 (deleted)", "completions": 2}]
    assert payload["top_by_revenue"]["EUR"][0]["net"] == "-59.90"
    assert payload["previous"]["revenue"]["EUR"]["net"] == "100.00"
    assert payload["mom_change_pct"]["enrollments"] == 0.0


@pytest.mark.defect("LP-B12")
def test_an_hour_is_kept_for_thirty_days(open_learn: Callable[..., Learn]) -> None:
    learn = open_learn(hourly_metrics=True)
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    learn.put(
        users=[EDUCATOR, user(1)],
        analytics_events=[
            {"id": n, "user_id": n % 2, "timestamp": (noon - timedelta(minutes=m)).isoformat()}
            for n, m in enumerate([60, 30, 1, 0, 61])
        ],
        realtime_metrics=[
            {"hour_start": (noon - timedelta(days=30, hours=h)).isoformat(), "payload": {}} for h in (1, 2)
        ],
    )

    result = learn.run("hourly-realtime-metrics", due=noon + timedelta(minutes=7))

    hours = learn.rows("realtime_metrics")
    assert [row["payload"].get("active_users") for row in hours.values()] == [None, 2]
    assert result["counts"] == {"hours": 1, "deleted": 1}


def test_hours_that_are_kept_too_long_go_unless_they_are_most_of_all(open_learn: Callable[..., Learn]) -> None:
    learn = open_learn(hourly_metrics=True)
    noon = datetime(2026, 11, 27, 12, tzinfo=UTC)
    old = [(noon - timedelta(days=40, hours=h)).isoformat() for h in range(1_001)]
    learn.put(realtime_metrics=[{"hour_start": each, "payload": {}} for each in old])

    result = learn.run("hourly-realtime-metrics", due=noon)

    assert (result["status"], result["counts"]) == ("aborted_guard", {"hours": 1, "deleted": 0})
    assert len(learn.rows("realtime_metrics")) == 1_002


@pytest.mark.defect("ALL-6")
def test_a_report_needs_no_other_job_to_have_been_there_before_it(learn: Learn) -> None:
    midnight = SUNDAY.replace(hour=0)
    learn.put(
        users=[EDUCATOR, user(1)],
        courses=[course(1)],
        enrollments=[enrollment(1, 1, 1, 0) | {"enrolled_at": at(3, midnight), "completed_at": at(1, midnight)}],
    )

    first = learn.run("weekly-trend-reports", due=SUNDAY)
    learn.run("daily-analytics-updates", due=midnight)
    again = learn.run("weekly-trend-reports", due=SUNDAY)

    assert (first["counts"], again["counts"], again["warnings"]) == ({"made": 1}, {"made": 0}, [])
    assert first["details"]["report"]["completions"]["total"] == 1


def test_each_sunday_that_was_missed_gets_its_own_report(learn: Learn) -> None:
    learn.put(users=[EDUCATOR, user(1)])
    learn.rota.prepare()

    learn.clock.advance(days=15)  # from Friday the 27th: the 29th, and the 6th of December
    run_due(learn.rota)

    weeks = [row["period_end"][:10] for row in learn.rows("reports").values() if row["report_type"] == "weekly_trend"]
    assert sorted(weeks) == ["2026-11-29", "2026-12-06"]


@pytest.mark.parametrize(
    ("due", "as_of", "start", "end"),
    [
        ("2028-03-01T02:00+00:00", "2028-03-01T02:00+00:00", "2028-02-01", "2028-03-01"),
        ("2026-11-01T02:00+00:00", "2026-11-04T09:00+00:00", "2026-10-01", "2026-11-01"),
    ],
)
def test_a_month_is_the_one_before_its_first_day_however_late(
    learn: Learn, due: str, as_of: str, start: str, end: str
) -> None:
    moments = {"due": datetime.fromisoformat(due), "as_of": datetime.fromisoformat(as_of)}

    learn.run("monthly-executive-summaries", **moments)

    [row] = learn.rows("reports").values()
    assert (row["period_start"][:10], row["period_end"][:10]) == (start, end)
