"""FF-3: each step, and each case that stands under it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.faf.status import history
from tests.faf.conftest import NOW, Faf, ago

OWNER = {"id": 1, "username": "anna", "email": "anna@x.org"}


def invitation(id_: int, status: str, expires: str, **values: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "from_user_id": 1,
        "to_email": f"{id_}@x.org",
        "month": "2026-08",
        "status": status,
        "expires_at": expires,
        **values,
    }


@pytest.mark.defect("FF-B17")
def test_invitations_expire_when_their_time_is_over(faf: Faf) -> None:
    states = ("queued", "sent", "opened", "started", "failed", "unknown", "submitted", "bounced", "cancelled")
    faf.put(
        invitations=[
            *(invitation(n, state, ago(0)) for n, state in enumerate(states)),
            invitation(20, "sent", ago(-0.001)),
            invitation(21, "sending", ago(1), lease_until=(NOW - timedelta(minutes=1)).isoformat()),
            invitation(22, "sending", ago(1), lease_until=(NOW + timedelta(minutes=5)).isoformat()),
        ]
    )

    result = faf.run("cleanup")

    assert result["counts"]["expired"] == 7
    assert faf.rows("invitations", "status") == [
        *["expired"] * 6,
        "submitted",
        "bounced",
        "cancelled",
        "sent",
        "expired",
        "sending",
    ]
    assert faf.run("cleanup")["counts"]["expired"] == 0


def test_what_is_long_over_goes_and_stays_counted(faf: Faf) -> None:
    faf.put(
        invitations=[
            invitation(1, "expired", ago(91)),
            invitation(2, "expired", ago(90)),
            invitation(3, "bounced", ago(91)),
            invitation(4, "submitted", ago(900)),
            invitation(5, "sent", ago(91)),
        ],
        invitation_reminders=[{"id": n, "invitation_id": n, "kind": "first", "status": "sent"} for n in (1, 2)],
        owner_stats=[{"owner_id": 1, "invitations": 10, "expired": 2}],
    )

    result = faf.run("cleanup")

    # the fifth expires in this run, and is purged in it as well: its time was over long ago
    assert (result["counts"]["expired"], result["counts"]["purged"]) == (1, 3)
    assert faf.rows("invitations", "id") == [2, 4]
    assert faf.rows("invitation_reminders", "invitation_id") == [2]
    assert faf.rows("owner_stats", "invitations", "expired", "bounced") == [(13, 4, 1)]
    assert faf.run("cleanup")["counts"]["purged"] == 0


def contact(id_: int, **values: Any) -> dict[str, Any]:
    return {"id": id_, "owner_id": 1, "email": f"{id_}@x.org", "status": "active", "created_at": ago(500), **values}


def bounced(id_: int, count: int, days: float, state: str = "bounced_temporary", **values: Any) -> dict[str, Any]:
    return contact(id_, soft_bounce_count=count, email_status=state, last_bounce_at=ago(days), **values)


@pytest.mark.defect("FF-B9", "FF-B5")
def test_addresses_that_bounced_a_little_are_tried_again_and_those_that_did_much_are_not(faf: Faf) -> None:
    faf.put(
        users=[OWNER],
        contacts=[
            bounced(1, 4, 31),
            bounced(2, 4, 30),
            bounced(3, 2, 31, "complained"),
            bounced(4, 2, 31, "bounced_permanent", status="blocked"),
            bounced(5, 5, 1),
            bounced(6, 7, 100),
        ],
    )

    result = faf.run("cleanup")

    assert (result["counts"]["soft_bounces_reset"], result["counts"]["bounce_limit"]) == (1, 2)
    assert faf.rows("contacts", "soft_bounce_count", "email_status", "is_active") == [
        (0, "active", True),
        (4, "bounced_temporary", True),
        (2, "complained", True),
        (2, "bounced_permanent", True),
        (5, "bounced_permanent", False),
        (7, "bounced_permanent", False),
    ]
    again = faf.run("cleanup")["counts"]
    assert (again["soft_bounces_reset"], again["bounce_limit"]) == (0, 0)


@pytest.mark.defect("FF-B15")
def test_rates_are_of_what_was_sent_in_half_a_year(faf: Faf) -> None:
    def sent(id_: int, contact_id: int, days: float, answered: bool) -> dict[str, Any]:
        return invitation(
            id_,
            "submitted" if answered else "sent",
            ago(-9),
            contact_id=contact_id,
            sent_at=ago(days),
            submitted_at=ago(1) if answered else None,
        )

    faf.put(
        users=[OWNER],
        contacts=[contact(1), contact(2, response_rate="12.5"), contact(3)],
        invitations=[
            sent(1, 1, 10, True),
            sent(2, 1, 20, False),
            sent(3, 1, 30, False),
            sent(4, 1, 181, True),
            sent(5, 3, 1, False),
        ],
        owner_stats=[{"owner_id": 1}],
    )

    result = faf.run("cleanup")

    assert faf.rows("contacts", "response_rate") == ["33.33", "12.50", "0.00"]
    assert faf.rows("owner_stats", "response_rate") == ["25.00"]
    assert (result["counts"]["contact_rates"], result["counts"]["owner_rates"]) == (2, 1)
    assert faf.run("cleanup")["counts"]["contact_rates"] == 0


@pytest.mark.defect("FF-B15")
def test_whom_two_invite_has_a_rate_of_each_and_every_owner_has_one(faf: Faf) -> None:
    owners = range(1, 1_102)
    faf.put(
        users=[{"id": n, "username": f"o{n}", "email": f"o{n}@x.org"} for n in owners],
        contacts=[contact(n, owner_id=n, email="zoe@x.org") for n in (1, 1_101)],
        invitations=[
            invitation(n, "submitted" if n == 1 else "sent", ago(-9), from_user_id=n, contact_id=n, sent_at=ago(9))
            | {"to_email": "zoe@x.org", "submitted_at": ago(1) if n == 1 else None}
            for n in (1, 1_101)
        ],
        owner_stats=[{"owner_id": n} for n in owners],
    )

    faf.run("cleanup")

    assert faf.rows("contacts", "response_rate") == ["100.00", "0.00"]
    rates = dict(faf.rows("owner_stats", "owner_id", "response_rate"))
    assert (rates[1], rates[1_101]) == ("100.00", "0.00")


@pytest.mark.defect("FF-B9")
@pytest.mark.parametrize("values", [{"status": "blocked"}, {"opted_out": True}, {"status": "opted_out"}])
def test_who_is_blocked_or_has_opted_out_is_not_touched(faf: Faf, values: dict[str, Any]) -> None:
    faf.put(users=[OWNER], contacts=[bounced(1, 2, 31, **values)])
    before = faf.rows("contacts")

    assert faf.run("cleanup")["counts"]["soft_bounces_reset"] == 0
    assert faf.rows("contacts") == before


@pytest.mark.defect("FF-B7")
def test_old_samples_go_and_the_history_of_runs_stays(faf: Faf) -> None:
    faf.put(health_samples=[{"id": 1, "at": ago(4), "status": "healthy"}])
    before = faf.run_any("health-check").id

    assert faf.run("cleanup", as_of=NOW + timedelta(days=4))["counts"]["samples_deleted"] == 2
    assert before in [each["job_id"] for each in history(faf.rota)]


def test_what_nobody_owns_and_old_events_and_samples_go(faf: Faf) -> None:
    faf.put(
        users=[OWNER],
        contacts=[contact(1), contact(2, owner_id=99), contact(3, owner_id=99, created_at=ago(90))],
        email_events=[{"id": 1, "at": ago(90)}, {"id": 2, "at": ago(90.1)}],
        health_samples=[{"id": 1, "at": ago(3), "status": "healthy"}, {"id": 2, "at": ago(3.01), "status": "healthy"}],
    )

    counts = faf.run("cleanup")["counts"]

    assert (counts["orphans_deleted"], counts["events_deleted"], counts["samples_deleted"]) == (1, 1, 1)
    assert faf.rows("contacts", "id") == [1, 3]


def test_a_dry_run_leaves_every_row_as_it_was(faf: Faf) -> None:
    faf.put(users=[OWNER], contacts=[bounced(1, 5, 1)], invitations=[invitation(1, "sent", ago(100))])
    before = faf.everything()

    assert faf.run("cleanup", dry_run=True)["status"] == "dry_run"
    assert faf.everything() == before
