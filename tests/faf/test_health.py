"""FF-4: what is measured, and when it is too little to tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from apps.demo.mail_catcher import MailCatcher
from apps.faf.health import resident_bytes
from rota.messages.tables import senders
from rota.recipes import ready
from tests.faf.conftest import NOW, Faf, ago


def tried(id_: int, status: str, minutes: float = 5) -> dict[str, Any]:
    at = (NOW - timedelta(minutes=minutes)).isoformat()
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


@pytest.fixture
def faf(open_faf: Callable[..., Faf], tmp_path: Path) -> Iterator[Faf]:
    with MailCatcher(tmp_path / "mails") as mails:
        yield open_faf(smtp_host="127.0.0.1", smtp_port=mails.port, environment="test")


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


@pytest.mark.defect("FF-B12")
def test_what_waits_for_half_an_hour_is_told(faf: Faf) -> None:
    faf.put(invitations=[tried(1, "queued", 31)])

    assert checks(faf)["queue"]["message"] == "the oldest invitation waits for 31 minutes"
    assert faf.rows("health_samples", "status") == ["degraded"]


@pytest.mark.defect("FF-B7")
@pytest.mark.parametrize(("tries", "failed", "status"), [(19, 5, "ok"), (20, 1, "ok"), (20, 2, "warning")])
def test_errors_are_those_of_what_was_tried_in_the_last_hour(faf: Faf, tries: int, failed: int, status: str) -> None:
    recent = [tried(n, "failed" if n < failed else "sent") for n in range(tries)]
    faf.put(invitations=recent + [tried(n, "sent", 61) for n in range(100, 200)])

    assert checks(faf)["errors"]["status"] == status


@pytest.mark.defect("FF-B7")
def test_what_was_tried_longer_ago_does_not_count(faf: Faf) -> None:
    faf.put(invitations=[tried(n, "failed", 61) for n in range(30)])

    assert checks(faf)["errors"]["status"] == "ok"


def test_a_mail_server_that_is_away_is_told(open_faf: Callable[..., Faf]) -> None:
    found = checks(open_faf(smtp_port=1))

    assert (found["mail"]["status"], found["mail"]["message"]) == ("critical", "Broken")


def test_a_sender_that_is_left_alone_is_told(faf: Faf) -> None:
    ready(faf.engine, senders.metadata)
    until = datetime.now(UTC) + timedelta(minutes=1)
    with faf.engine.begin() as connection:
        connection.execute(insert(senders).values(name="smtp:a", open_until=until))
        connection.execute(insert(senders).values(name="smtp:b", open_until=until - timedelta(minutes=2)))

    assert checks(faf)["breaker"]["message"] == "1 senders are left alone for a while"


@pytest.mark.defect("FF-B11")
def test_a_job_that_uses_up_its_time_is_told(faf: Faf) -> None:
    assert checks(faf)["running"]["value"] == 0
    run = faf.rota.trigger("faf/reminders").id
    started = faf.rota.status().at - int(0.8 * 55 * 60 * 1_000_000)
    with sqlite3.connect(faf.ledger) as connection:
        connection.execute(
            "UPDATE rota_run SET state = 'running', started_at = ?, node = 'n', claim = 1 WHERE id = ?", (started, run)
        )

    found = checks(faf)["running"]

    assert (found["status"], found["message"]) == ("warning", "a job has used 80% of its time")
