"""Each message once, what is no longer wanted not at all, and counts that say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, case, func, insert, literal, select, update

from rota import JobResult
from rota.errors import ConfigError
from rota.messages import Ended, Message, Sent, Unsubscribe, allow, moment, suppress
from rota.messages.tables import deliveries
from rota.messages.tables import metadata as messages
from rota.recipes.tables import present
from rota.testing import FakeHome, make_run
from tests.messages.conftest import news, send, told, wait_over
from tests.messages.servers import Mailbox
from tests.messages.tables import heard, people
from tests.messages.test_delivery import Scripted

Ledger = Callable[..., list[Any]]
Anybody = Callable[[int], None]


def test_everybody_gets_it_once_however_often_it_is_run(
    anybody: Anybody, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    anybody(130)
    campaign = news(smtp())

    assert told(send(campaign)) == {"planned": 130, "sent": 130}
    assert told(send(campaign, id=2)) == {"already_planned": 130}

    assert mailbox.to == sorted(f"p{n}@example.org" for n in range(1, 131))
    assert set(ledger("status")) == {"sent"}
    assert mailbox.connections <= 3  # they are kept; one is the server's own knock


def test_a_new_subject_or_version_is_another_message(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(2)
    send(news(smtp()))
    send(news(smtp(), subject="2026-04"), id=2)

    assert len(mailbox.taken) == 4
    assert len({str(mail["Message-ID"]) for mail in mailbox.mails}) == 4


def test_a_dry_run_and_a_muted_one_write_nothing_and_say_how_many(
    engine: Engine, anybody: Anybody, mailbox: Mailbox, smtp: Any
) -> None:
    anybody(3)
    messages.drop_all(engine)

    dry = news(smtp())(make_run(dry_run=True))
    muted = news(smtp())(make_run(muted=True))

    assert (dry.status, muted.status) == ("dry_run", "skipped")
    assert dry.details["would_send"] == muted.details["would_send"] == 3
    assert "nothing was" in muted.message
    assert (mailbox.taken, present(engine, messages)) == ([], False)


def test_a_muted_run_counts_what_the_ledger_has_not_yet(anybody: Anybody, smtp: Any, put: Any) -> None:
    anybody(2)
    send(news(smtp()))
    put(people, {"id": 3, "email": "p3@example.org", "name": "P3"})

    muted = news(smtp())(make_run(muted=True))

    assert told(muted) == {"planned": 1, "already_planned": 2}
    assert muted.details["would_send"] == 1


def test_the_last_look_cancels_with_its_reason(
    anybody: Anybody, engine: Engine, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    anybody(5)

    look = select(people.c.email.label("address"), people.c.name, case((~people.c.active, "opted_out")).label("cancel"))
    campaign = news(smtp(), look=look)
    mailbox.at_rcpt = lambda _: "450 busy"
    send(campaign)
    with engine.begin() as connection:
        connection.execute(update(people).where(people.c.id == 2).values(active=False))
        connection.execute(update(people).where(people.c.id == 3).values(email=None))
        connection.execute(people.delete().where(people.c.id == 4))

    mailbox.at_rcpt = lambda _: None
    wait_over(engine)
    result = send(campaign, id=2)

    assert result.status == "success"
    assert result.details["cancelled"] == {"opted_out": 1, "no_address": 1, "gone": 1}
    assert mailbox.to == ["p1@example.org", "p5@example.org"]
    assert ledger("status", "reason") == [
        ("sent", None), ("cancelled", "opted_out"), ("cancelled", "no_address"), ("cancelled", "gone"), ("sent", None),
    ]  # fmt: skip


def test_what_is_of_no_use_any_more_is_expired_and_not_sent_late(
    anybody: Anybody, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    anybody(3)
    now = datetime.now(UTC)
    until = case((people.c.id == 2, moment(now - timedelta(seconds=1))), else_=moment(now + timedelta(hours=1)))
    plan = select(people.c.id.label("recipient"), until.label("useful_until"))

    result = send(news(smtp(), plan=lambda _: plan))

    assert told(result) == {"planned": 3, "sent": 2, "expired": 1}
    assert ledger("status") == ["sent", "expired", "sent"]


def test_useful_for_counts_from_the_as_of_of_the_run(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    """A run of a schedule that was held up sends nothing stale."""
    anybody(1)

    result = send(news(smtp(), useful_for="2h"), as_of=datetime.now(UTC) - timedelta(hours=3), schedule="news")

    assert told(result) == {"planned": 1, "expired": 1}
    assert mailbox.taken == []


@pytest.mark.parametrize("away", [timedelta(days=-300), timedelta(days=300)])
def test_a_run_by_hand_as_of_another_moment_began_at_that_moment(
    anybody: Anybody, engine: Engine, mailbox: Mailbox, smtp: Any, away: timedelta
) -> None:
    anybody(1)
    home, told_of = FakeHome(), list[Any]()
    campaign = news(smtp(), useful_for="2h", settled=lambda _, ended: told_of.extend(ended))
    as_of = datetime.now(UTC) + away

    result = send(campaign, as_of=as_of, home=home)
    again = send(campaign, as_of=as_of, home=home, attempt=2)
    later = send(campaign, id=2)

    assert (told(result), told(again)) == ({"planned": 1, "sent": 1}, {"planned": 1, "sent": 1})
    assert (len(mailbox.taken), told(later)) == (1, {"already_planned": 1})
    assert as_of < told_of[0].at < as_of + timedelta(minutes=5)
    with engine.connect() as connection:
        [(ended_at, lease)] = connection.execute(select(deliveries.c.ended_at, deliveries.c.lease_until)).all()
    assert as_of < ended_at < as_of + timedelta(minutes=5)
    assert lease is None or abs(lease - datetime.now(UTC)) < timedelta(minutes=10)


def test_what_a_run_as_of_the_past_holds_is_its_own(anybody: Anybody, engine: Engine, smtp: Any) -> None:
    """Leases go by the clock on the wall, or the next run of the schedule would take them for lapsed."""
    anybody(1)
    other: list[JobResult] = []

    class Meanwhile(Scripted):
        def send(self, messages: Sequence[Message]) -> Any:
            other.append(send(news(Scripted(name="scripted")), id=2, schedule="news"))
            yield Sent()

    result = send(news(Meanwhile(connections=1)), as_of=datetime.now(UTC) - timedelta(days=9))

    assert (told(result)["sent"], other[0].counts["taken_over"], other[0].counts["unknown"]) == (1, 0, 0)


def test_suppressed_addresses_get_nothing_until_they_are_allowed_again(
    anybody: Anybody, engine: Engine, mailbox: Mailbox, smtp: Any
) -> None:
    anybody(3)
    messages.create_all(engine)
    with engine.begin() as connection:
        suppress(connection, "P1@Example.org ", "complained")
        suppress(connection, "p2@example.org", "unsubscribed", "news")
        suppress(connection, "p3@example.org", "unsubscribed", "another topic")

    assert send(news(smtp())).details["cancelled"] == {"suppressed": 2}
    with engine.begin() as connection:
        assert allow(connection, "p1@example.org")
    send(news(smtp(), subject="2026-04"), id=2)

    assert mailbox.to == ["p1@example.org", "p3@example.org", "p3@example.org"]


def test_a_message_goes_by_every_channel_that_has_an_address(
    put: Any, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    put(people, {"id": 1, "email": "a@example.org", "phone": "b@phone.example"}, {"id": 2, "email": "c@example.org"})
    look = select(people.c.email, people.c.phone, people.c.email.label("name"))

    result = send(news({"email": smtp(), "phone": smtp(name="other")}, look=look))

    assert told(result) == {"planned": 4, "sent": 3, "cancelled": 1}
    assert mailbox.to == ["a@example.org", "b@phone.example", "c@example.org"]


def test_the_user_hears_what_became_of_messages_in_the_same_transaction(
    anybody: Anybody, engine: Engine, mailbox: Mailbox, smtp: Any
) -> None:
    anybody(3)
    mailbox.at_rcpt = lambda address: "550 nobody" if address.startswith("p2") else None

    def settled(connection: Any, ended: list[Ended]) -> None:
        rows = [{"recipient": each.row.recipient, "status": f"{each.status} {each.bounce}"} for each in ended]
        connection.execute(insert(heard), rows)

    send(news(smtp(), settled=settled))

    with engine.connect() as connection:
        found = connection.execute(select(heard).order_by(heard.c.recipient)).all()
    assert found == [("1", "sent False"), ("2", "failed True"), ("3", "sent False")]


def test_the_user_hears_of_what_expired_and_of_what_a_vanished_sender_left(
    anybody: Anybody, engine: Engine, smtp: Any, ledger: Ledger
) -> None:
    anybody(3)
    past = datetime.now(UTC) - timedelta(minutes=6)
    plan = select(people.c.id.label("recipient"))
    heard_of: list[tuple[str, str]] = []
    campaign = news(
        smtp(),
        plan=lambda _: plan,
        settled=lambda _, ended: heard_of.extend((e.row.recipient, e.status) for e in ended),
    )
    messages.create_all(engine)
    rows = [
        {"recipient": "1", "status": "queued", "useful_until": past},
        {"recipient": "2", "status": "claimed", "claimed_by": "gone", "claimed_as": 1, "lease_until": past},
    ]
    always = {"subject": "", "kind": "news", "version": "", "channel": "email", "priority": 0, "attempts": 1}
    with engine.begin() as connection:
        for row in rows:
            connection.execute(insert(deliveries).values({**always, "created_at": past, "next_try_at": past, **row}))

    result = send(campaign)

    assert sorted(heard_of) == [("1", "expired"), ("2", "unknown"), ("3", "sent")]
    assert told(result) == {"planned": 1, "already_planned": 2, "sent": 1, "unknown": 1, "expired": 1}


def test_what_the_user_writes_may_fail_and_what_was_sent_was_sent(
    anybody: Anybody, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    anybody(2)

    def settled(connection: Any, ended: list[Ended]) -> None:
        connection.execute(insert(heard).values(no_such_column=1))

    assert told(send(news(smtp(), settled=settled))) == {"planned": 2, "sent": 2}
    assert set(ledger("status")) == {"sent"}


def test_one_who_cannot_be_rendered_or_looked_at_leaves_the_others_their_mail(
    anybody: Anybody, mailbox: Mailbox, smtp: Any, ledger: Ledger, engine: Engine
) -> None:
    anybody(40)
    with engine.begin() as connection:
        connection.execute(update(people).where(people.c.id == 7).values(name=None))
        connection.execute(update(people).where(people.c.id == 9).values(email="no address\nBcc: all@example.org"))

    def complete(_: Any, facts: Any) -> None:
        for each in facts:
            each["name"] = each["name"].title() if each["message"].recipient == "7" else each["name"]

    result = send(news(smtp(), complete=complete))

    assert told(result) == {"planned": 40, "sent": 38, "failed": 1, "bounced": 1, "left": 1}
    assert result.status == "partial"
    assert sorted((kind) for _, kind, _ in map(_error, result.errors)) == ["bad_address", "look:AttributeError"]


def _error(error: Any) -> tuple[str, str, str]:
    return (error["item"], error["kind"], error["message"]) if isinstance(error, dict) else tuple(error)  # type: ignore[return-value]


def test_a_name_that_a_template_does_not_know_is_told_for_that_message(
    anybody: Anybody, mailbox: Mailbox, smtp: Any
) -> None:
    anybody(2)

    result = send(news(smtp(), look=select(people.c.email.label("address"))))

    assert (result.status, told(result)) == ("failed", {"planned": 2, "left": 2})  # the template may be mended
    assert {_error(error)[1] for error in result.errors} == {"render:'name' is undefined"}


def test_errors_name_no_address(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(30)
    mailbox.at_rcpt = lambda address: f"550 no {address} here"

    result = send(news(smtp()))

    assert (result.counts["failed"], len(result.errors)) == (30, 20)
    assert "example.org" not in repr(result)


def test_several_messages_for_one_person_leave_as_one(put: Any, mailbox: Mailbox, smtp: Any, ledger: Ledger) -> None:
    put(people, {"id": 1, "email": "a@example.org", "name": "A"}, {"id": 2, "email": "b@example.org", "name": "B"})
    subjects = [
        select(people.c.id.label("recipient"), literal(number).label("subject")).where(people.c.id <= most)
        for number, most in ((1, 2), (2, 1), (3, 1))
    ]
    seen: list[int] = []

    def render(facts: Any) -> Any:
        from rota.messages import Content

        seen.append(len(facts.get("items", [facts])))
        return Content(subject="x", text="y")

    result = send(news(smtp(), plan=lambda _: subjects, render=render, coalesce=2))

    assert told(result) == {"planned": 4, "sent": 4}
    assert sorted(seen) == [1, 3]
    assert mailbox.to == ["a@example.org", "b@example.org"]


def test_the_headers_of_one_click_unsubscribing_are_there(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(1)
    unsubscribe = Unsubscribe(
        "https://shop.example/stop", secrets=["a secret that is long"], mailto="stop@shop.example"
    )

    send(news(smtp(), unsubscribe=unsubscribe))

    [mail] = mailbox.mails
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link, mailto = mail["List-Unsubscribe"].split(", ")
    assert mailto == "<mailto:stop@shop.example>"
    assert unsubscribe.read(link.strip("<>").partition("token=")[2]) is not None


def test_a_mailing_without_a_channel_is_refused() -> None:
    with pytest.raises(ConfigError, match="news has no channel"):
        news({})


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"to": "id"}, "column"),
        ({"plan": lambda _: select(people.c.id)}, "recipient"),
        ({"plan": lambda _: select(people.c.id.label("recipient"), people.c.name)}, "recipient"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_hint(smtp: Any, anybody: Anybody, wrong: Any, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        send(news(smtp(), **wrong))

    assert hint in caught.value.hint


def test_recipients_without_a_key_are_left_out(put: Any, mailbox: Mailbox, smtp: Any) -> None:
    put(people, {"id": 1, "email": "a@example.org", "name": "A"})
    recipient = case((people.c.id > 1, people.c.id))

    result = send(news(smtp(), plan=lambda _: select(recipient.label("recipient"))))

    assert told(result) == {}


def test_plans_of_many_pages_are_entered_whole(
    anybody: Anybody, engine: Engine, smtp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.messages.ledger.PLAN_PAGE", 7)
    anybody(50)

    assert told(send(news(smtp()))) == {"planned": 50, "sent": 50}
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(deliveries)) == 50


def test_two_mailings_of_one_run_count_apart(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(3)
    run = make_run(job="shop/both", as_of=datetime.now(UTC))

    first, second = news(smtp())(run), news(smtp(), kind="other")(run)
    again = news(smtp())(make_run(job="shop/both", as_of=datetime.now(UTC), attempt=2))

    assert [told(each) for each in (first, second, again)] == [{"planned": 3, "sent": 3}] * 3
    assert len(mailbox.to) == 6


def test_a_result_tells_of_each_channel(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(2)
    mailbox.at_rcpt = lambda address: "550 nobody" if address == "p1@example.org" else None

    result = send(news(smtp()))

    assert result.details["by_channel"] == {"email": {"sent": 1, "failed": 1}}


def test_at_most_so_many_leave_in_a_run_and_the_rest_in_the_next(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(25)

    counts = [told(send(news(smtp(), at_most=10), id=number)) for number in (1, 2, 3)]

    assert [each["sent"] for each in counts] == [10, 10, 5]
    assert [each.get("left", 0) for each in counts] == [15, 5, 0]


def test_a_clock_of_ones_own_decides_what_is_of_use(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(1)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    campaign = news(smtp(), useful_for="1h", now=lambda: long_ago)

    assert told(campaign(make_run(as_of=long_ago))) == {"planned": 1, "sent": 1}


def test_a_sender_that_is_given_without_the_name_of_its_channel_is_refused(smtp: Any) -> None:
    with pytest.raises(ConfigError, match="news has no channel"):
        replace(news(smtp()), channels=smtp())
