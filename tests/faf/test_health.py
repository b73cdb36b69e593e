"""FF-4: what is measured, and when it is too little to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.faf.health import resident_bytes
from tests.faf.conftest import Faf, ago


def tried(id_: int, status: str, minutes: float = 5) -> dict[str, Any]:
    at = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    return {
        "id": id_,
        "from_user_id": 1,
        "to_email": f"{id_}@x.org",
        "month": "2026-11",
        "status": status,
        "attempts": 1,
        "queued_at": at,
        "expires_at": ago(-60),
    }


def checks(faf: Faf) -> dict[str, Any]:
    found: dict[str, Any] = faf.run("health-check")["details"]["checks"]
    return found


def test_all_is_well_on_an_empty_platform(faf: Faf) -> None:
    result = faf.run("health-check")

    assert (result["message"], faf.rows("health_samples", "status")) == ("healthy", ["healthy"])
    assert result["details"]["checks"]["delivery"]["message"] == "too little to tell"
    assert resident_bytes() > 10_000_000


@pytest.mark.parametrize(
    ("sent", "bounced", "status"), [(9, 0, "ok"), (19, 1, "ok"), (18, 2, "warning"), (8, 1, "ok"), (9, 1, "warning")]
)
def test_deliveries_are_judged_from_ten_on(faf: Faf, sent: int, bounced: int, status: str) -> None:
    faf.put(invitations=[tried(n, "bounced" if n < bounced else "sent") for n in range(sent + bounced)])

    assert checks(faf)["delivery"]["status"] == status


def test_what_waits_for_half_an_hour_is_told(faf: Faf) -> None:
    faf.put(invitations=[tried(1, "queued", 31)])

    assert checks(faf)["queue"]["message"] == "the oldest invitation waits for 31 minutes"
    assert faf.rows("health_samples", "status") == ["degraded"]


def test_what_was_tried_longer_ago_does_not_count(faf: Faf) -> None:
    faf.put(invitations=[tried(n, "failed", 61) for n in range(30)])

    assert checks(faf)["errors"]["status"] == "ok"
