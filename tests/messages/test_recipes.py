"""Campaigns, notices, reminders, digests, summaries: who is told what, and when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, cast, literal, select, true, update

from rota import Rota, every
from rota.messages import Content, Digest, Notify, Reminders, Step, Summary, deliveries
from rota.recipes import Period, Periods
from rota.testing import FakeHome, ManualClock, make_run, run_due
from tests.messages.conftest import NEWS, news, send, told
from tests.messages.servers import Mailbox
from tests.messages.tables import games, people

Ledger = Callable[..., list[Any]]
NOW = datetime.now(UTC).replace(microsecond=0)  # until when a message is useful goes by the real clock
ADDRESSED = select(people.c.email.label("address"), people.c.name)


def hours(count: float) -> datetime:
    return NOW + timedelta(hours=count)


# --- campaigns


def test_a_campaign_says_that_it_is_over(anybody: Any, smtp: Any) -> None:
    anybody(2)
    home = FakeHome()

    send(news(smtp()), home=home)

    [(kind, data)] = home.emitted
    assert (kind, data["status"], data["counts"]["sent"]) == ("campaign.finished", "success", 2)


def test_a_campaign_that_is_too_late_is_missed_and_sends_nothing(anybody: Any, mailbox: Mailbox, smtp: Any) -> None:
    anybody(1)
    run = make_run(as_of=NOW, due_at=NOW - timedelta(hours=49))
    run._envelope = run._envelope._replace(schedule="monthly")

    result = news(smtp())(run)

    assert (result.status, mailbox.taken) == ("failed", [])
    assert "missed" in result.message


def test_as_a_job_it_sends_by_itself(anybody: Any, mailbox: Mailbox, smtp: Any, sqlite_url: str) -> None:
    anybody(2)
    clock = ManualClock(datetime.now(UTC))
    rota = Rota(sqlite_url + ".rota", clock=clock)
    rota.job("news", schedule=every("1h"))(news(smtp()))

    run_due(rota)
    clock.advance(hours=1)
    [run] = run_due(rota)

    assert (run.job, run.state) == ("news", "succeeded")
    assert len(mailbox.taken) == 2


# --- notices


def notify(smtp: Any, **options: Any) -> Notify:
    given: dict[str, Any] = {
        "kind": "game",
        "plan": lambda _: select(people.c.id.label("recipient"), games.c.id.label("subject")).join_from(
            people, games, true()
        ),
        "to": people.c.id,
        "about": games.c.id,
        "look": select(people.c.email.label("address"), people.c.name, games.c.title),
        "render": lambda facts: Content(subject=facts["title"], text="soon"),
        "channels": {"email": smtp()},
        "moment": games.c.starts_at,
        "lead": "1h",
        "tick": "30m",
    }
    return Notify(**(given | options))


@pytest.mark.parametrize(
    ("starts_in", "due"),
    [
        (timedelta(hours=1, minutes=30), True),
        (timedelta(hours=1, minutes=30, seconds=1), False),
        (timedelta(minutes=50), True),
        (timedelta(0), False),
        (timedelta(seconds=-1), False),
    ],
)
def test_a_notice_is_due_from_the_last_run_before_its_lead_until_the_moment(
    anybody: Any, put: Any, smtp: Any, mailbox: Mailbox, starts_in: timedelta, due: bool
) -> None:
    anybody(2)
    put(games, {"id": 7, "title": "Chess", "starts_at": NOW + starts_in})

    result = notify(smtp)(make_run(as_of=NOW))

    assert told(result) == ({"planned": 2, "sent": 2} if due else {})
    assert len(mailbox.taken) == (2 if due else 0)


def test_notices_of_a_moment_that_has_passed_meanwhile_are_expired(
    anybody: Any, put: Any, smtp: Any, ledger: Ledger
) -> None:
    anybody(1)
    put(games, {"id": 7, "title": "Chess", "starts_at": NOW - timedelta(hours=1)})

    result = notify(smtp)(make_run(as_of=NOW - timedelta(hours=2), schedule="notices"))

    assert told(result) == {"planned": 1, "expired": 1}


def test_the_lead_may_be_each_persons_own(anybody: Any, put: Any, smtp: Any, mailbox: Mailbox) -> None:
    anybody(3)
    put(games, {"id": 7, "title": "Chess", "starts_at": hours(2)})
    lead = cast(people.c.id, Integer) * 3_600  # one hour, two hours, three

    notify(smtp, lead=lead, tick="1m")(make_run(as_of=NOW))

    assert mailbox.to == ["p2@example.org", "p3@example.org"]


# --- reminders


def reminders(smtp: Any, **options: Any) -> Reminders:
    given: dict[str, Any] = {
        "kind": "reminder",
        "plan": lambda _: select(people.c.id.label("recipient")).where(people.c.active),
        "to": people.c.id,
        "look": ADDRESSED,
        "render": lambda facts: Content(subject=facts["message"].version, text="t"),
        "channels": {"email": smtp()},
        "anchor": people.c.invited_at,
        "steps": [Step("first", "3d"), Step("second", "7d")],
    }
    return Reminders(**(given | options))


@pytest.mark.parametrize(
    ("ago", "found"),
    [
        (timedelta(days=3) - timedelta(seconds=1), []),
        (timedelta(days=3), [("first", "sent", None)]),
        (timedelta(days=5) - timedelta(hours=1), [("first", "sent", None)]),
        (timedelta(days=5), [("first", "cancelled", "too_late")]),
        (timedelta(days=7), [("first", "cancelled", "too_late"), ("second", "sent", None)]),
        (timedelta(days=100), []),
    ],
)
def test_a_step_is_due_after_its_time_and_for_two_days(
    put: Any, smtp: Any, mailbox: Mailbox, ledger: Ledger, ago: timedelta, found: list[Any]
) -> None:
    put(people, {"id": 1, "email": "a@example.org", "name": "A", "invited_at": NOW - ago})

    reminders(smtp)(make_run(as_of=NOW))
    reminders(smtp)(make_run(as_of=NOW, id=2))

    assert sorted(ledger("version", "status", "reason")) == found
    assert [mail["Subject"] for mail in mailbox.mails] == [version for version, status, _ in found if status == "sent"]


@pytest.mark.defect("FF-B4")
def test_where_both_are_due_the_later_one_is_sent_and_the_other_superseded(put: Any, smtp: Any, ledger: Ledger) -> None:
    put(people, {"id": 1, "email": "a@example.org", "name": "A", "invited_at": NOW - timedelta(days=7, hours=1)})

    reminders(smtp, steps=[Step("first", "6d"), Step("second", "7d")])(make_run(as_of=NOW))

    assert sorted(ledger("version", "status", "reason")) == [
        ("first", "cancelled", "superseded"), ("second", "sent", None),
    ]  # fmt: skip


def test_who_does_not_want_a_step_has_no_row_of_it_and_may_want_it_later(
    put: Any, smtp: Any, ledger: Ledger, engine: Engine
) -> None:
    put(people, {"id": 1, "email": "a@example.org", "name": "A", "zone": "off", "invited_at": NOW - timedelta(days=3)})
    steps = [Step("first", "3d", where=people.c.zone == "on")]

    reminders(smtp, steps=steps)(make_run(as_of=NOW))
    assert ledger() == []
    with engine.begin() as connection:
        connection.execute(update(people).values(zone="on"))
    reminders(smtp, steps=steps)(make_run(as_of=NOW, id=2))

    assert ledger("status") == ["sent"]


# --- digests, summaries


def digest(smtp: Any, items: Callable[..., Mapping[int, Sequence[str]]]) -> Digest:
    return Digest(
        "digest",
        lambda _: select(people.c.id.label("recipient")),
        to=people.c.id,
        look=ADDRESSED,
        render=lambda facts: Content(subject=f"{len(facts['items'])} to come", text=", ".join(facts["items"])),
        channels={"email": smtp()},
        length="24h",
        items=items,
    )


def test_a_digest_has_what_is_to_come_and_is_not_sent_where_that_is_nothing(
    anybody: Any, put: Any, smtp: Any, mailbox: Mailbox, ledger: Ledger
) -> None:
    anybody(2)
    put(games, *({"id": n, "title": f"G{n}", "starts_at": hours(n)} for n in (1, 23, 24)))

    def items(connection: Any, facts: Sequence[Any], period: Period) -> Mapping[int, Sequence[str]]:
        within = (games.c.starts_at >= period.start, games.c.starts_at < period.end)
        titles = list(connection.scalars(select(games.c.title).where(*within).order_by(games.c.starts_at)))
        return {each["message"].id: titles for each in facts if each["message"].recipient == "1"}

    run = make_run(as_of=NOW, due_at=NOW)
    result = digest(smtp, items)(run)
    again = digest(smtp, items)(make_run(as_of=hours(1), due_at=NOW, id=2))

    assert result.details["cancelled"] == {"empty": 1}
    assert (told(result)["sent"], told(again)) == (1, {"already_planned": 2})
    [mail] = mailbox.mails
    assert (mail["Subject"], mail.get_content().strip()) == ("2 to come", "G1, G23")


def test_what_is_left_of_an_earlier_period_is_not_filled_with_a_later_ones(
    anybody: Any, engine: Engine, smtp: Any, mailbox: Mailbox, ledger: Ledger
) -> None:
    anybody(1)
    mailbox.at_rcpt = lambda _: "450 busy"
    digest(smtp, lambda _, facts, period: {facts[0]["message"].id: ["x"]})(make_run(as_of=NOW, due_at=NOW))
    mailbox.at_rcpt = lambda _: None
    with engine.begin() as connection:
        connection.execute(update(deliveries).values(next_try_at=NOW))
    digest(smtp, lambda _, facts, period: {each["message"].id: ["y"] for each in facts})(
        make_run(as_of=hours(1), due_at=hours(1), id=2)
    )

    assert ledger("status", "reason") == [("cancelled", "stale"), ("sent", None)]


def test_a_summary_is_built_once_for_a_group_and_sent_once_a_week(
    anybody: Any, smtp: Any, mailbox: Mailbox, ledger: Ledger
) -> None:
    anybody(3)
    built = []

    def build(connection: Any, group: str, period: Period) -> str:
        built.append((group, period.start, period.end))
        return f"group {group}"

    summary = Summary(
        "summary",
        lambda _: select(people.c.id.label("recipient"), literal("g1").label("subject")),
        to=people.c.id,
        look=ADDRESSED,
        render=lambda facts: Content(subject=facts["summary"], text="t"),
        channels={"email": smtp()},
        periods=Periods("week", "Europe/Paris"),
        build=build,
        useful_for="1y",
    )
    monday = NOW - timedelta(days=NOW.weekday())
    due = monday.replace(hour=9, minute=0, second=0)
    summary(make_run(as_of=due, due_at=due))
    summary(make_run(as_of=due + timedelta(days=2), due_at=due + timedelta(days=2), id=2))

    assert len(built) == 1
    [(_, start, end)] = built
    assert (end - start) / timedelta(hours=1) in {167, 168, 169}
    assert {str(mail["Subject"]) for mail in mailbox.mails} == {"group g1"}
    assert len(mailbox.taken) == 3
    assert set(ledger("version")) == {f"{start + timedelta(hours=3):%G-W%V}"}


def test_the_render_of_a_dry_run_is_not_asked_for(anybody: Any, smtp: Any) -> None:
    anybody(1)
    campaign = news(smtp(), render=lambda facts: pytest.fail("it rendered"))

    assert campaign(make_run(dry_run=True)).status == "dry_run"
    assert campaign.description == "Send news by email."
    assert NEWS({"name": "x"}).subject == "News for x"
