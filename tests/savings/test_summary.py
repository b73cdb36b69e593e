"""SG-2: the numbers of a week."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from apps.savings.summary import Summary, Week, due, summarise
from apps.savings.tables import groups
from rota.recipes import reading
from tests.savings.conftest import Savings

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
WEEK = Week.before(MONDAY)


def paid(id_: int, user: int, when: str, amount: str = "12.5", **values: Any) -> dict[str, Any]:
    given = {"id": id_, "group_id": 1, "user_id": user, "round_number": 3, "amount": amount, "status": "CONFIRMED"}
    return given | {"timestamp": when, "asset_code": "XLM"} | values


def fill(savings: Savings, contributions: list[dict[str, Any]], **values: Any) -> Summary:
    group = {
        "id": 1,
        "name": "g",
        "status": "ACTIVE",
        "current_round": 3,
        "total_rounds": 4,
        "created_at": "2026-01-01T00:00:00Z",
    }
    savings.put(
        users=[{"id": n} for n in range(1, 5)],
        groups=[group | {"contribution_amount": "12.5"} | values],
        memberships=[
            {"id": 1, "group_id": 1, "user_id": 1, "payout_order": 0, "has_received_payout": True},
            {"id": 2, "group_id": 1, "user_id": 2, "payout_order": 2},
            {"id": 3, "group_id": 1, "user_id": 3, "payout_order": 1},
            {"id": 4, "group_id": 1, "user_id": 4, "payout_order": 3, "status": "REMOVED"},
        ],
        contributions=contributions,
    )
    with reading(savings.engine) as connection:
        return summarise(connection, [1], WEEK)[1]


@pytest.mark.defect("SG-B5")
def test_what_was_paid_in_the_week_is_summed_exactly_by_asset(savings: Savings) -> None:
    found = fill(
        savings,
        [
            paid(1, 1, "2026-11-16T00:00:00Z", "0.1"),
            paid(2, 2, "2026-11-22T23:59:59.999999Z", "0.2"),
            paid(3, 4, "2026-11-20T00:00:00Z", "1000000000000000000000.0000001"),  # removed since: still counted
            paid(4, 3, "2026-11-23T00:00:00Z"),  # belongs to the new week
            paid(5, 3, "2026-11-15T23:59:59Z", "5", round_number=2),
            paid(6, 1, "2026-11-20T00:00:00Z", "7", round_number=9, status="FAILED"),
            paid(7, 2, "2026-11-20T00:00:00Z", "3", round_number=8, asset_code="USDC"),
            paid(8, 2, "2026-11-20T00:00:00Z", "lots", round_number=7),
        ],
    )

    assert found.as_dict() == {
        "week": "2026-W47",
        "round": 3,
        "total_rounds": 4,
        "members_total": 3,
        "contributors": 2,
        "missing_member_ids": [3],
        "contributions_count": 4,
        "total": {"USDC": "3.0000000", "XLM": "1000000000000000000000.3000001"},
        "expected": {"XLM": "37.5000000"},
        "rate": "66.67",
        "next_payout": 3,
        "all_time_total": {"USDC": "3.0000000", "XLM": "1000000000000000000005.3000001"},
    }
    assert (found.own_count[2], found.unreadable) == (2, 1)


def test_a_week_without_any_is_zeros(savings: Savings) -> None:
    found = fill(savings, [])

    assert (found.count, found.totals, found.contributors, found.rate) == (0, {}, 0, 0)
    assert found.outstanding == [1, 2, 3]


@pytest.mark.parametrize(
    ("moment", "zone", "key", "hours"),
    [
        ("2026-11-25T09:00+00:00", "UTC", "2026-W47", 168),
        ("2027-01-04T09:00+00:00", "UTC", "2026-W53", 168),
        ("2026-03-30T09:00+00:00", "Europe/Paris", "2026-W13", 167),
        ("2026-10-26T09:00+00:00", "Europe/Paris", "2026-W43", 169),
    ],
)
def test_a_week_is_named_for_its_iso_week_and_has_the_hours_of_its_zone(
    moment: str, zone: str, key: str, hours: int
) -> None:
    week = Week.before(datetime.fromisoformat(moment), zone)

    assert (week.key, week.period.days * 24) == (key, hours)


@pytest.mark.parametrize(
    ("values", "is_due"),
    [
        ({"status": "ACTIVE"}, True),
        ({"status": "PENDING"}, False),
        ({"status": "ACTIVE", "deleted_at": "2026-11-20T00:00:00Z"}, False),
        ({"status": "COMPLETED", "completed_at": "2026-11-16T00:00:00Z"}, True),
        ({"status": "COMPLETED", "completed_at": "2026-11-23T00:00:00Z"}, False),
    ],
)
def test_who_hears_of_it(savings: Savings, values: dict[str, Any], is_due: bool) -> None:
    fill(savings, [], **values)

    with reading(savings.engine) as connection:
        assert bool(connection.execute(select(groups.c.id).where(due(WEEK))).all()) == is_due
