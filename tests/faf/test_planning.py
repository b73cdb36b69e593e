"""FF-1, part A: who is invited by whom in a month."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from apps.faf import planning
from apps.faf.eligible import address_hash
from apps.faf.links import token, token_hash
from apps.faf.planning import month_of, plan_month
from apps.faf.settings import Settings
from apps.faf.tables import contacts
from rota import JobResult
from rota.testing import make_run
from tests.faf.conftest import NOW, Faf, ago

SETTINGS = Settings()
DUE = datetime.fromisoformat("2026-11-05T17:00:00+00:00")


def owner(id_: int, **values: Any) -> dict[str, Any]:
    return {"id": id_, "username": f"o{id_}", "email": f"o{id_}@x.org", "email_verified": True, **values}


def contact(id_: int, owner_id: int = 1, **values: Any) -> dict[str, Any]:
    return {"id": id_, "owner_id": owner_id, "email": f"c{id_}@x.org", **values}


def plan(run: int = 1, due: datetime = DUE, settings: Settings = SETTINGS, **options: Any) -> JobResult:
    given = {"id": run, "job": "faf/monthly-invitations", "as_of": NOW, "due_at": due, **options}
    return plan_month(settings)(make_run(**given))


def invited(faf: Faf) -> list[Any]:
    return sorted(faf.rows("invitations", "contact_id"))


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({}, True),
        ({"status": "active"}, True),
        ({"status": "blocked"}, False),
        ({"is_active": False}, False),
        ({"opted_out": True}, False),
        ({"email_status": "complained"}, False),
        ({"email_status": "bounced_temporary", "soft_bounce_count": 2, "last_bounce_at": ago(1)}, True),
        ({"soft_bounce_count": 3, "last_bounce_at": ago(29)}, False),
        ({"soft_bounce_count": 3, "last_bounce_at": ago(30)}, True),
        ({"soft_bounce_count": 3}, True),
    ],
)
def test_who_may_be_asked(faf: Faf, values: dict[str, Any], asked: bool) -> None:
    faf.put(users=[owner(1)], contacts=[contact(1, **values)])

    assert plan().counts["planned"] == asked


@pytest.mark.parametrize("values", [{"is_active": False}, {"email_verified": False}, {"deleted_at": ago(1)}])
def test_whose_friends_are_not_asked(faf: Faf, values: dict[str, Any]) -> None:
    faf.put(users=[owner(1, **values)], contacts=[contact(1)])

    assert plan().counts["planned"] == 0


def test_each_address_is_invited_once_a_month_by_each_owner(faf: Faf) -> None:
    faf.put(
        users=[owner(1), owner(2), owner(3)],
        contacts=[
            contact(1, email="Ann@x.org"),
            contact(2, email="ann@X.org"),
            contact(3, 2, email="ann@x.org"),
            contact(4, email="no@x.org"),
        ],
        suppressions=[{"email_hash": address_hash("NO@x.org"), "reason": "complaint", "at": ago(1)}],
        invitations=[
            {"id": "old", "from_user_id": 2, "to_email": "ann@x.org", "month": "2026-10", "expires_at": ago(0)}
        ],
    )

    first, again = plan(), plan(2)

    assert first.counts == {
        "planned": 2,
        "already_planned": 0,
        "quota_exceeded": 0,
        "owners_processed": 3,
        "owners_without_contacts": 1,
        "failed": 0,
    }
    assert (again.counts["planned"], again.counts["already_planned"]) == (0, 2)
    assert plan(3, DUE + timedelta(days=30)).counts["planned"] == 2
    assert sorted(faf.rows("invitations", "from_user_id", "to_email", "month")) == [
        (1, "ann@x.org", "2026-11"),
        (1, "ann@x.org", "2026-12"),
        (2, "ann@x.org", "2026-10"),
        (2, "ann@x.org", "2026-11"),
        (2, "ann@x.org", "2026-12"),
    ]


@pytest.mark.defect("FF-B10")
def test_of_very_many_the_most_likely_to_answer_are_asked(faf: Faf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "MOST_CONTACTS", 3)
    rates = ["10", None, "81", "80", "100"]
    faf.put(users=[owner(1)], contacts=[contact(n, response_rate=rate) for n, rate in enumerate(rates)])

    result = plan()

    assert (result.counts["planned"], result.counts["quota_exceeded"]) == (3, 2)
    assert invited(faf) == [2, 3, 4]
    assert dict(faf.rows("invitations", "contact_id", "priority")) == {2: "high", 3: "normal", 4: "high"}


def test_a_link_is_made_again_from_its_invitation_and_kept_as_a_hash(faf: Faf) -> None:
    faf.put(users=[owner(1)], contacts=[contact(1)])
    plan()

    [(id_, kept, code)] = faf.rows("invitations", "id", "token_hash", "short_code")
    link = token(SETTINGS.link_key, id_)
    assert kept == token_hash(link) == hashlib.sha256(link.encode()).hexdigest()
    assert code == link[:8]
    assert token("another key", id_) != link


@pytest.mark.parametrize(
    ("due", "month"), [("2026-11-05T17:00+00:00", "2026-11"), ("2026-11-30T23:30+00:00", "2026-12")]
)
def test_a_month_is_that_of_the_campaigns_zone(due: str, month: str) -> None:
    assert month_of(datetime.fromisoformat(due), "Europe/Paris") == month


def test_owners_are_planned_for_a_page_at_a_time(faf: Faf) -> None:
    faf.put(users=[owner(n) for n in range(1, 120)], contacts=[contact(n, n) for n in range(1, 120)])

    assert plan().counts["planned"] == 119
    assert invited(faf) == list(range(1, 120))


# --- each owner on a day of his own

EACH = Settings(mode="per_user")


@pytest.mark.parametrize(
    ("values", "moment", "month"),
    [
        ({}, "2026-11-05T16:59+00:00", None),
        ({}, "2026-11-05T17:00+00:00", "2026-11"),
        ({}, "2026-11-20T17:00+00:00", "2026-11"),
        ({"send_day": 28, "send_time": "07:30"}, "2026-11-27T23:00+00:00", None),
        ({"send_day": 28, "send_time": "07:30"}, "2026-11-28T07:00+00:00", "2026-11"),
        ({"send_day": 1, "send_time": "00:00", "timezone": "Pacific/Kiritimati"}, "2026-11-30T10:00+00:00", "2026-12"),
        ({"send_day": 1, "send_time": "00:00", "timezone": "Pacific/Pago_Pago"}, "2026-12-01T10:00+00:00", "2026-11"),
        ({"send_day": 29, "send_time": "01:30"}, "2026-03-29T01:00+00:00", "2026-03"),  # 02:00 to 03:00 did not exist
        ({"send_time": "teatime"}, "2026-11-05T17:00+00:00", "2026-11"),
        ({"timezone": "Mars/Base"}, "2026-11-05T17:00+00:00", "2026-11"),
    ],
)
@pytest.mark.defect("FF-B3")
def test_an_owner_is_due_from_his_day_and_hour_on_by_his_own_clock(
    faf: Faf, values: dict[str, Any], moment: str, month: str | None
) -> None:
    faf.put(users=[owner(1, **values), owner(2, send_day=28, send_time="23:59", timezone="Pacific/Pago_Pago")])
    faf.put(contacts=[contact(1)])

    plan(due=datetime.fromisoformat(moment), settings=EACH)

    assert faf.rows("invitations", "month") == ([month] if month else [])


def test_each_owner_is_due_once_a_month(faf: Faf) -> None:
    faf.put(users=[owner(1), owner(2, send_day=20)], contacts=[contact(1), contact(2, 2), contact(3, opted_out=True)])

    dry = plan(settings=EACH, dry_run=True)
    assert (dry.status, faf.rows("campaign_runs")) == ("dry_run", [])
    first = plan(settings=EACH)
    with faf.engine.begin() as connection:  # whoever comes later is asked next month
        connection.execute(update(contacts).values(opted_out=False))
    hour_later = plan(2, DUE + timedelta(hours=1), EACH)
    on_the_20th = plan(3, DUE + timedelta(days=15), EACH)
    next_month = plan(4, DUE + timedelta(days=30), EACH)

    assert [each.counts["owners_processed"] for each in (first, hour_later, on_the_20th, next_month)] == [1, 0, 1, 1]
    assert [each.counts["planned"] for each in (first, hour_later, on_the_20th, next_month)] == [1, 0, 1, 2]
    assert sorted(faf.rows("campaign_runs", "owner_id", "month")) == [
        (1, "2026-11"), (1, "2026-12"), (2, "2026-11"),
    ]  # fmt: skip


def test_who_has_answered_this_month_already_is_not_invited(faf: Faf) -> None:
    by_link = {"id": "x", "from_user_id": 1, "to_email": "c1@x.org", "month": "2026-11", "status": "submitted"}
    faf.put(users=[owner(1)], contacts=[contact(1)], invitations=[by_link | {"expires_at": ago(-9)}])

    assert (plan().counts["planned"], len(faf.rows("invitations"))) == (0, 1)


def test_the_hour_of_the_campaign_is_that_of_paris(faf: Faf) -> None:
    faf.rota.prepare()

    fires = faf.rota.schedules.next_fires("faf/monthly-invitations", 6)

    assert [f"{fire.astimezone(UTC):%m-%d %H:%M}" for fire in fires] == [
        "12-05 17:00", "01-05 17:00", "02-05 17:00", "03-05 17:00", "04-05 16:00", "05-05 16:00",
    ]  # fmt: skip


# --- what is known to go wrong


@pytest.mark.defect("FF-B3")
def test_in_a_campaign_of_all_the_day_that_somebody_chose_leaves_nobody_out(faf: Faf) -> None:
    days = (1, 5, 6, 28)
    faf.put(users=[owner(n, send_day=n) for n in days], contacts=[contact(n, n) for n in days])

    assert plan().counts["planned"] == 4


@pytest.mark.defect("FF-B10")
def test_what_an_owner_may_send_by_hand_in_an_hour_is_no_limit_of_the_campaign(faf: Faf) -> None:
    faf.put(users=[owner(1)], contacts=[contact(n) for n in range(150)])

    counts = plan().counts

    assert (counts["planned"], counts["quota_exceeded"]) == (150, 0)
