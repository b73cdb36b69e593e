"""SG-2 with a mail server: who hears of what, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from apps.demo.mail_catcher import MailCatcher
from apps.savings.letters import amounts
from apps.savings.tables import memberships
from tests.savings.conftest import Savings

NOW = datetime.now(UTC)
MONDAY = (NOW - timedelta(days=NOW.weekday())).replace(hour=9, minute=0, second=0, microsecond=0)
"""Of this week: what is sent late by more than a week is of no use any more."""


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailCatcher]:
    with MailCatcher(tmp_path / "mails") as catcher:
        yield catcher


def fill(savings: Savings) -> None:
    last_week = (MONDAY - timedelta(days=3)).isoformat()
    savings.put(
        users=[
            {"id": 1, "name": "Ann", "email": "ann@x.org"},
            {"id": 2, "name": "Ben", "email": "ben@x.org"},
            {"id": 3, "name": "Cid", "email": "cid@x.org", "summaries_opted_out": True},
            {"id": 4, "name": "Dee", "email": " "},
            {"id": 5, "name": "Eve", "email": "eve@x.org", "is_active": False},
        ],
        groups=[
            {
                "id": 1,
                "name": "Well",
                "status": "ACTIVE",
                "current_round": 3,
                "total_rounds": 5,
                "contribution_amount": "12.5",
                "show_names": True,
                "created_at": "2026-01-01T00:00:00Z",
            },
            {"id": 2, "name": "Quiet", "status": "ACTIVE", "total_rounds": 5, "created_at": "2026-01-01T00:00:00Z"},
            {"id": 3, "name": "Empty", "status": "ACTIVE", "total_rounds": 5, "created_at": "2026-01-01T00:00:00Z"},
            {"id": 4, "name": "New", "status": "PENDING", "total_rounds": 5, "created_at": "2026-01-01T00:00:00Z"},
        ],
        memberships=[{"id": n, "group_id": 1, "user_id": n, "payout_order": n} for n in range(1, 6)]
        + [{"id": 10, "group_id": 2, "user_id": 1}, {"id": 11, "group_id": 4, "user_id": 1}],
        contributions=[
            {
                "id": 1,
                "group_id": 1,
                "user_id": 1,
                "round_number": 3,
                "amount": "12.5",
                "status": "CONFIRMED",
                "timestamp": last_week,
            },
        ],
    )


def send(savings: Savings) -> dict[str, Any]:
    return savings.run("send-contribution-summaries", due=MONDAY, as_of=NOW)


@pytest.mark.defect("SG-B4")
def test_each_member_hears_of_each_of_his_groups_once(open_savings: Callable[..., Savings], mails: MailCatcher) -> None:
    savings = open_savings(smtp_host="127.0.0.1", smtp_port=mails.port)
    fill(savings)

    first, again = send(savings), send(savings)

    assert first["status"] == "success", first
    counts = {
        name: first["counts"][name]
        for name in ("groups", "groups_empty", "recipients", "sent", "opted_out", "no_address")
    }
    assert counts == {"groups": 2, "groups_empty": 1, "recipients": 3, "sent": 3, "opted_out": 1, "no_address": 1}
    assert (again["counts"]["sent"], again["counts"]["duplicate"]) == (0, 3)
    assert sorted(mails.recipients) == ["ann@x.org", "ann@x.org", "ben@x.org"]
    bens = next(mail for mail in mails.mails if "ben@x.org" in mail["To"])
    text = bens.get_content() if not bens.is_multipart() else next(iter(bens.iter_parts())).get_content()
    assert "Contributed this week   12.5 XLM" in text
    assert "is still outstanding" in text
    assert "Outstanding             Ben, Cid, Dee, Eve" in text
    assert "Next payout             Ann" in text
    assert len(savings.rows("contribution_summaries")) == 2


def test_a_group_without_members_is_passed_over_and_told_of(
    open_savings: Callable[..., Savings], mails: MailCatcher
) -> None:
    savings = open_savings(smtp_host="127.0.0.1", smtp_port=mails.port)
    fill(savings)

    assert send(savings)["warnings"] == ["group 3 has no members"]


def test_who_was_removed_hears_nothing_and_by_hand_on_wednesday_nobody_hears_again(
    open_savings: Callable[..., Savings], mails: MailCatcher
) -> None:
    savings = open_savings(smtp_host="127.0.0.1", smtp_port=mails.port)
    fill(savings)
    with savings.engine.begin() as connection:
        connection.execute(update(memberships).where(memberships.c.user_id == 2).values(status="REMOVED"))

    send(savings)
    by_hand = savings.run("send-contribution-summaries", due=MONDAY + timedelta(days=2), as_of=NOW)

    assert mails.recipients == ["ann@x.org", "ann@x.org"]
    assert (by_hand["counts"]["sent"], by_hand["counts"]["duplicate"]) == (0, 2)


def test_groups_in_which_nothing_happened_may_be_left_out(
    open_savings: Callable[..., Savings], mails: MailCatcher
) -> None:
    savings = open_savings(smtp_host="127.0.0.1", smtp_port=mails.port, skip_empty=True)
    fill(savings)

    assert send(savings)["counts"]["sent"] == 2
    assert sorted(mails.recipients) == ["ann@x.org", "ben@x.org"]


def test_a_dry_run_sends_and_keeps_nothing(open_savings: Callable[..., Savings], mails: MailCatcher) -> None:
    savings = open_savings(smtp_host="127.0.0.1", smtp_port=mails.port)
    fill(savings)
    before = savings.everything()

    result = savings.run("send-contribution-summaries", due=MONDAY, as_of=NOW, dry_run=True)

    assert (result["status"], result["details"]["would_send"]) == ("dry_run", 3)
    assert (savings.everything(), mails.mails) == (before, [])


def test_amounts_are_told_as_people_write_them() -> None:
    from decimal import Decimal

    assert amounts({"XLM": Decimal("100.0000000"), "EUR": Decimal("0.5")}) == "0.5 EUR, 100 XLM"
    assert amounts({}) == "nothing"


# --- each group by its own clock

JANUARY = "2026-01-01T00:00:00Z"
ZONES = {
    "east": "Pacific/Kiritimati",
    "india": "Asia/Kolkata",
    "utc": "UTC",
    "lost": "Mars/Base",
    "west": "Pacific/Pago_Pago",
}


@pytest.fixture
def zones(open_savings: Callable[..., Savings], mails: MailCatcher) -> Savings:
    """A group in each zone, with one member who has its name."""
    savings = open_savings(smtp_host="127.0.0.1", smtp_port=mails.port, per_group_timezone=True)
    savings.put(
        users=[{"id": n, "name": name, "email": f"{name}@x.org"} for n, name in enumerate(ZONES)],
        groups=[
            {"id": n, "name": name, "status": "ACTIVE", "total_rounds": 5, "timezone": zone, "created_at": JANUARY}
            for n, (name, zone) in enumerate(ZONES.items())
        ],
        memberships=[{"id": n, "group_id": n, "user_id": n} for n in range(len(ZONES))],
    )
    return savings


@pytest.mark.parametrize(
    ("hours", "told"),
    [  # from Monday, 00:00 UTC
        (-6, []),
        (-5, ["east"]),
        (3, ["east"]),
        (4, ["east", "india"]),
        (8, ["east", "india"]),
        (9, ["east", "india", "lost", "utc"]),
        (19, ["lost", "utc"]),
        (20, ["lost", "utc", "west"]),
        (34, ["west"]),
        (35, []),
    ],
)
def test_a_group_is_told_on_its_own_monday_from_nine_on(
    zones: Savings, mails: MailCatcher, hours: int, told: list[str]
) -> None:
    due = MONDAY.replace(hour=0) + timedelta(hours=hours)

    result = zones.run("send-contribution-summaries", due=due, as_of=NOW)

    assert sorted(mails.recipients) == [f"{name}@x.org" for name in told]
    assert (result["status"], result["counts"].get("sent", 0)) == ("success", len(told))


def test_each_group_is_told_once_however_often_it_is_monday_and_of_its_own_week(
    zones: Savings, mails: MailCatcher
) -> None:
    for hours in range(-8, 40):
        due = MONDAY.replace(hour=0) + timedelta(hours=hours)
        zones.run("send-contribution-summaries", due=due, as_of=NOW)

    assert sorted(mails.recipients) == sorted(f"{name}@x.org" for name in ZONES)
    last_week = f"{MONDAY - timedelta(days=7):%G-W%V}"
    assert zones.rows("contribution_summaries", "week") == [last_week] * len(ZONES)
    east = next(mail for mail in mails.mails if "east@x.org" in mail["To"])
    assert (
        f"{MONDAY - timedelta(days=7):%d %b %Y} to {MONDAY - timedelta(days=1):%d %b %Y} (Pacific/Kiritimati)"
        in str(east.get_content())
    )
