"""FF-1 and FF-2 with a mail server: who gets what, once, and what is known of it afterwards."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import update

from apps.demo.mail_catcher import MailCatcher
from apps.faf import french
from apps.faf.invitations import MonthlyInvitations, reminders, sending, trying_again
from apps.faf.planning import plan_month
from apps.faf.settings import Settings
from apps.faf.tables import invitations, users
from apps.faf.unsubscribing import links
from rota import JobResult
from rota.messages import Smtp
from rota.testing import make_run
from tests.faf.conftest import Faf
from tests.faf.test_planning import contact, owner

SETTINGS = Settings()
NOW = datetime.now(UTC)


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailCatcher]:
    with MailCatcher(tmp_path / "mails") as catcher:
        yield catcher


@pytest.fixture
def channels(mails: MailCatcher) -> dict[str, Any]:
    return {"email": Smtp("127.0.0.1", mails.port, sender="Form-a-Friend <bonjour@form-a-friend.example>")}


def invite(channels: dict[str, Any], run: int = 1, **options: Any) -> JobResult:
    given = {"id": run, "job": "faf/monthly-invitations", "as_of": NOW, "due_at": NOW, **options}
    return MonthlyInvitations(SETTINGS, channels)(make_run(**given))


@pytest.mark.defect("FF-B1")
def test_every_friend_gets_one_letter_of_his_owner(faf: Faf, mails: MailCatcher, channels: dict[str, Any]) -> None:
    faf.put(
        users=[
            owner(1, username="Anna", email_template="fun", custom_message="<b>Coucou</b>"),
            owner(2, username="Ben", email_template="professional"),
        ],
        contacts=[contact(1, first_name="Zoé"), contact(2, 2), contact(3, 2, opted_out=True)],
    )

    first, again = invite(channels), invite(channels, 2)

    assert (first.status, first.counts["planned"], first.counts["sent"], first.counts["owners_total"]) == (
        "success",
        2,
        2,
        2,
    )
    assert again.counts["sent"] == 0
    assert mails.recipients == ["c1@x.org", "c2@x.org"]
    letter = next(mail for mail in mails.mails if mail["To"] and "c1@x.org" in mail["To"])
    assert letter["From"].startswith("Anna via Form-a-Friend")
    assert letter["Reply-To"] == "o1@x.org"
    assert "Anna veut tout savoir" in letter["Subject"]
    assert "One-Click" in letter["List-Unsubscribe-Post"]
    text, html = (part.get_content() for part in letter.iter_parts())
    assert "Coucou Zoé !" in text
    assert "/form/" in text
    assert "&lt;b&gt;Coucou&lt;/b&gt;" in html
    assert {(row["status"], row["sent_at"] is not None) for row in faf.rows("invitations")} == {("sent", True)}
    assert faf.rows("contacts", "invitations_sent") == [1, 1, 0]
    assert faf.rows("campaign_runs", "status") == ["success"]


@pytest.mark.defect("FF-B5", "FF-B6")
def test_a_bounce_is_the_contacts_and_an_outage_nobodys(faf: Faf, mails: MailCatcher, channels: dict[str, Any]) -> None:
    faf.put(users=[owner(1)], contacts=[contact(1), contact(2)])
    mails.bouncing["c1@x.org"] = "hard-bounce"

    result = invite(channels)

    assert (result.status, result.counts["sent"], result.counts["bounced"]) == ("partial", 1, 1)
    assert sorted(faf.rows("invitations", "contact_id", "status")) == [(1, "bounced"), (2, "sent")]
    assert faf.rows("contacts", "status") == ["bounced", "pending"]


@pytest.mark.defect("FF-B6")
def test_what_changes_between_plan_and_letter_is_seen(faf: Faf, mails: MailCatcher, channels: dict[str, Any]) -> None:
    faf.put(users=[owner(1)], contacts=[contact(n) for n in range(1, 4)])
    invite(channels, dry_run=True)
    assert faf.rows("invitations") == []
    mails.scenario = "outage"
    invite(channels)
    mails.scenario = "ok"
    with faf.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE contacts SET opted_out = true WHERE email = 'c2@x.org'")
        connection.exec_driver_sql("UPDATE rota_message SET next_try_at = 0")
        connection.exec_driver_sql(
            "UPDATE rota_message_sender SET open_until = NULL, failures = 0, open_seconds = 0, rest_until = NULL"
        )

    result = trying_again(SETTINGS, channels)(make_run(id=5, as_of=NOW, due_at=NOW))

    assert mails.recipients == ["c1@x.org", "c3@x.org"]
    assert result.details["cancelled"] == {"opted_out": 1}
    assert sorted(faf.rows("invitations", "contact_id", "status", "status_reason")) == [
        (1, "sent", None),
        (2, "cancelled", "opted_out"),
        (3, "sent", None),
    ]


def invitation(id_: int, hours: float, status: str = "sent", **values: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "from_user_id": 1,
        "contact_id": id_,
        "to_email": f"c{id_}@x.org",
        "month": "2026-11",
        "status": status,
        "sent_at": (NOW - timedelta(hours=hours)).isoformat(),
        "expires_at": (NOW + timedelta(days=40)).isoformat(),
        **values,
    }


def remind(channels: dict[str, Any], run: int = 1) -> JobResult:
    return reminders(SETTINGS, channels)(make_run(id=run, job="faf/reminders", as_of=NOW, due_at=NOW))


@pytest.mark.defect("FF-B4")
def test_who_has_not_answered_is_reminded_after_three_days_and_after_seven(
    faf: Faf, mails: MailCatcher, channels: dict[str, Any]
) -> None:
    faf.put(
        users=[owner(1)],
        contacts=[contact(n) for n in range(1, 8)],
        invitations=[
            invitation(1, 71.9),
            invitation(2, 72.1),
            invitation(3, 72.1, "submitted"),
            invitation(4, 119, "opened"),
            invitation(5, 169),
            invitation(6, 300),
            invitation(7, 73, expires_at=(NOW - timedelta(hours=1)).isoformat()),
        ],
    )

    first, again = remind(channels), remind(channels, 2)

    assert mails.recipients == ["c2@x.org", "c4@x.org", "c5@x.org"]
    assert (first.counts["sent"], again.counts["sent"]) == (3, 0)
    assert sorted(faf.rows("invitation_reminders", "invitation_id", "kind", "status", "reason")) == [
        (2, "first", "sent", None),
        (4, "first", "sent", None),
        (5, "first", "skipped", "too_late"),
        (5, "second", "sent", None),
        (6, "first", "skipped", "too_late"),
        (6, "second", "skipped", "too_late"),
    ]
    assert first.details["first"] == {
        "due": 2, "sent": 2, "failed": 0, "unknown": 0, "skipped": {"too_late": 2},
    }  # fmt: skip
    assert first.details["second"] == {"due": 1, "sent": 1, "failed": 0, "unknown": 0, "skipped": {"too_late": 1}}
    assert (first.counts["first_sent"], first.counts["second_sent"], again.counts["first_sent"]) == (2, 1, 0)
    last = next(mail for mail in mails.mails if "c5@x.org" in mail["To"])
    assert "Dernière chance" in last["Subject"]
    assert "Il reste 40 jours." in next(iter(last.iter_parts())).get_content()


@pytest.mark.parametrize(
    ("moment", "text"),
    [("2027-01-03T23:30+00:00", "4 janvier 2027"), ("2027-01-31T23:30+00:00", "1er février 2027")],
)
def test_a_day_is_that_of_paris_in_french(moment: str, text: str) -> None:
    assert french.day(datetime.fromisoformat(moment)) == text


def test_a_month_and_the_days_left_in_french() -> None:
    assert [french.of(french.month(each)) for each in ("2026-04", "2026-11")] == ["d'avril 2026", "de novembre 2026"]
    assert [french.days_left(NOW + timedelta(days=each), NOW) for each in (1.5, 1, 0, -3)] == [2, 1, 0, 0]


# --- what is known to go wrong


@pytest.mark.defect("FF-B5", "FF-B6")
def test_while_the_mail_server_is_down_nobody_is_harmed_and_the_month_has_failed(
    faf: Faf, mails: MailCatcher, channels: dict[str, Any]
) -> None:
    faf.put(users=[owner(1)], contacts=[contact(n) for n in (1, 2)])
    before = faf.rows("contacts")
    mails.scenario = "outage"

    result = invite(channels)

    assert (result.status, result.counts["sent"], result.counts["bounced"]) == ("failed", 0, 0)
    assert faf.rows("contacts") == before
    assert faf.rows("invitations", "status") == ["queued", "queued"]


def test_an_owner_who_leaves_between_plan_and_letter_takes_his_letters_along(
    faf: Faf, mails: MailCatcher, channels: dict[str, Any]
) -> None:
    faf.put(users=[owner(1), owner(2)], contacts=[contact(1), contact(2, 2)])
    plan_month(SETTINGS)(make_run(job="faf/monthly-invitations", as_of=NOW, due_at=NOW))
    with faf.engine.begin() as connection:
        connection.execute(update(users).where(users.c.id == 1).values(is_active=False))

    result = sending(SETTINGS, channels)(make_run(id=2, job="faf/monthly-invitations", as_of=NOW, due_at=NOW))

    assert (mails.recipients, result.details["cancelled"]) == (["c2@x.org"], {"owner_inactive": 1})
    assert sorted(faf.rows("invitations", "contact_id", "status")) == [(1, "cancelled"), (2, "sent")]


def test_who_was_reminded_is_not_reminded_again_though_the_invitation_was_sent_anew(
    faf: Faf, mails: MailCatcher, channels: dict[str, Any]
) -> None:
    faf.put(users=[owner(1)], contacts=[contact(1)], invitations=[invitation(1, 100)])
    remind(channels)
    with faf.engine.begin() as connection:
        connection.execute(update(invitations).values(sent_at=NOW - timedelta(hours=73)))

    assert remind(channels, 2).counts["sent"] == 0
    assert mails.count == 1


@pytest.mark.defect("FF-B4")
def test_those_who_want_no_reminder_keep_nobody_from_his(
    faf: Faf, mails: MailCatcher, channels: dict[str, Any]
) -> None:
    faf.put(
        users=[owner(1, first_reminder=False), owner(2)],
        contacts=[contact(n) for n in range(1_001)] + [contact(2_000, 2)],
        invitations=[invitation(n, 100) for n in range(1_001)] + [invitation(2_000, 73, from_user_id=2)],
    )

    assert remind(channels).counts["sent"] == 1
    assert mails.recipients == ["c2000@x.org"]


@pytest.mark.defect("FF-B17")
@pytest.mark.parametrize("fate", ["soft-bounce", "refuse-data"])
def test_a_reminder_that_failed_is_no_bounce(faf: Faf, mails: MailCatcher, channels: dict[str, Any], fate: str) -> None:
    faf.put(users=[owner(1)], contacts=[contact(1)], invitations=[invitation(1, 73)])
    before = faf.rows("contacts"), faf.rows("invitations")
    mails.scenario = fate

    assert remind(channels).counts["sent"] == 0
    assert (faf.rows("contacts"), faf.rows("invitations")) == before


@pytest.mark.defect("FF-B16")
def test_the_link_to_unsubscribe_holds_no_address_and_cannot_be_made_by_others(
    faf: Faf, mails: MailCatcher, channels: dict[str, Any]
) -> None:
    faf.put(users=[owner(1)], contacts=[contact(n) for n in (1, 2)])
    invite(channels)

    tokens = [re.search(r"token=([^>&]+)", mail["List-Unsubscribe"]) for mail in mails.mails]
    mine, other = (unquote(found.group(1)) for found in tokens if found)
    body, _, signature = mine.partition(".")

    assert not any("x.org" in text for text in (mine, str(b64decode(body + "=="))))
    link = links(SETTINGS)
    assert link.read(mine) != link.read(other) is not None
    assert link.read(f"{other.partition('.')[0]}.{signature}") is None
