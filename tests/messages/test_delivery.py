"""Tries again, and again with whom; when to stop; how fast."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, update

from rota.errors import RunCancelledError
from rota.messages import HttpProvider, Later, Message, Sent, Smtp, Unsure, lane
from rota.messages.outcome import Outcome
from rota.messages.pace import Open, Shut, ask, report
from rota.messages.senders.sender import Rate
from rota.messages.tables import deliveries, senders
from rota.messages.tables import metadata as messages
from rota.recipes.database import writing
from rota.testing import FakeHome, make_run
from tests.messages.conftest import news, send, told, wait_over
from tests.messages.servers import Mailbox, Provider
from tests.messages.tables import people

Ledger = Callable[..., list[Any]]
Anybody = Callable[[int], None]


class Scripted:
    """A sender that answers as it is told, by recipient; it keeps what it was given."""

    def __init__(self, answer: Callable[[Message], Outcome] = lambda _: Sent(), **options: Any) -> None:
        self.name, self.honours_keys, self.connections, self.per_request = "scripted", False, 2, 1
        self.rate = Rate()
        self.answer = answer
        self.given: list[str] = []
        vars(self).update(options)

    def send(self, messages: Sequence[Message]) -> Any:
        for message in messages:
            self.given.append(message.key)
            yield self.answer(message)

    def rest(self) -> None: ...


# --- tries


def test_what_was_surely_not_taken_is_tried_again_after_a_while_and_given_up_in_the_end(
    anybody: Anybody, engine: Engine, ledger: Ledger
) -> None:
    anybody(1)
    sender = Scripted(lambda _: Later("busy"))
    campaign = news(sender, retry=[timedelta(minutes=1), timedelta(minutes=5)])

    for number in range(1, 6):
        before = datetime.now(UTC)
        result = send(campaign, id=number)
        [(status, attempts, next_try)] = ledger("status", "attempts", "next_try_at")
        if number < 3:
            assert (status, attempts) == ("queued", number)
            assert next_try - before >= timedelta(minutes=(1, 5)[number - 1])
            assert result.counts["left"] == 1
            assert send(campaign, id=100 + number).counts["left"] == 1  # not before its time
        wait_over(engine)

    assert (status, attempts, len(sender.given)) == ("failed", 3, 3)
    assert len(set(sender.given)) == 1


def test_a_provider_that_asks_for_an_hour_is_given_it(anybody: Anybody, engine: Engine, ledger: Ledger) -> None:
    anybody(3)
    sender = Scripted(lambda _: Later("http_429", down=True, retry_after=3_600))
    begun = datetime.now(UTC)
    send(news(sender))

    assert min(ledger("next_try_at")) >= begun + timedelta(hours=1)
    wait_over(engine)
    result = send(news(sender), id=2)
    assert result.details["channels"] == {"email": "resting"}
    assert len(sender.given) == 3


def test_a_short_rest_is_waited_for(anybody: Anybody, ledger: Ledger) -> None:
    anybody(2)
    asked = []

    def answer(message: Message) -> Outcome:
        asked.append(time.monotonic())
        return Later("http_429", retry_after=0.6) if len(asked) == 1 else Sent()

    sender = Scripted(answer, connections=1)
    send(news(sender, retry=[timedelta(0)]))

    assert set(ledger("status")) == {"sent"}
    assert asked[-1] - asked[0] >= 0.5


def test_what_nobody_can_know_is_said_to_be_unknown_and_not_sent_again(
    anybody: Anybody, engine: Engine, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    anybody(3)
    mailbox.at_data = lambda address: "lose" if address.startswith("p2") else None

    result = send(news(smtp()))
    wait_over(engine)
    send(news(smtp()), id=2)

    assert result.status == "partial"
    assert told(result) == {"planned": 3, "sent": 2, "unknown": 1}
    assert ledger("status") == ["sent", "unknown", "sent"]
    assert mailbox.to == ["p1@example.org", "p2@example.org", "p3@example.org"]


def test_where_the_provider_knows_keys_it_is_sent_again_under_the_same(
    anybody: Anybody, engine: Engine, provider: Provider, ledger: Ledger
) -> None:
    anybody(5)
    sender = HttpProvider(provider.url, sender="a@b.example", per_request=2)

    def lose(call: Any) -> None:
        provider.take(call)

    provider.answer = lose
    send(news(sender))
    assert set(ledger("status")) == {"queued"}
    provider.answer = provider.take
    wait_over(engine)
    result = send(news(sender), id=2)

    assert told(result)["sent"] == 5
    assert Counter(call.key for call in provider.calls).most_common()[-1][1] == 2  # each call twice, as it was
    assert provider.to == sorted(f"p{n}@example.org" for n in range(1, 6))


def test_a_request_that_cannot_be_made_again_as_it_was_is_unknown(
    anybody: Anybody, engine: Engine, provider: Provider, ledger: Ledger
) -> None:
    from tests.messages.tables import people

    anybody(3)
    sender = HttpProvider(provider.url, sender="a@b.example")
    provider.answer = lambda _: None
    send(news(sender))
    with engine.begin() as connection:
        connection.execute(update(people).where(people.c.id == 2).values(email=None))
    wait_over(engine)
    calls = len(provider.calls)
    send(news(sender), id=2)

    assert ledger("status") == ["unknown", "cancelled", "unknown"]
    assert len(provider.calls) == calls


@pytest.mark.parametrize("wrong", [ValueError("x"), None], ids=["raises", "says nothing"])
def test_a_sender_with_a_mistake_leaves_what_it_had_unknown(anybody: Anybody, ledger: Ledger, wrong: Any) -> None:
    anybody(4)

    class Wrong(Scripted):
        def send(self, messages: Sequence[Message]) -> Any:
            yield Sent()
            if wrong is not None:
                raise wrong

    result = send(news(Wrong(connections=1)))

    assert result.counts["sent"] + result.counts["unknown"] == 4
    assert result.counts["sent"] >= 1


def test_a_clock_that_stands_still_is_not_waited_for(anybody: Anybody, ledger: Ledger) -> None:
    anybody(1)

    class Busy(Scripted):
        def send(self, messages: Sequence[Message]) -> Any:
            yield from [Later("busy")] * len(messages)

    now = datetime.now(UTC)
    result = send(news(Busy(connections=1), retry=[timedelta(milliseconds=50)], now=lambda: now))

    assert told(result)["left"] == 1
    assert ledger("status", "attempts") == [("queued", 1)]


def test_what_was_looked_at_too_long_ago_is_looked_at_once_more(
    anybody: Anybody, engine: Engine, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was frozen, or a slow provider: meanwhile somebody may have changed his mind."""
    monkeypatch.setattr(lane, "STALE_SECONDS", 0.2)
    anybody(3)

    def slowly(message: Message) -> Outcome:
        if len(sender.given) == 1:
            with engine.begin() as connection:
                connection.execute(update(people).where(people.c.id == 2).values(email=None))
            Event().wait(0.3)
        return Sent()

    sender = Scripted(slowly, connections=1)
    send(news(sender))

    assert ledger("status", "reason") == [("sent", None), ("cancelled", "no_address"), ("sent", None)]
    assert len(sender.given) == 2


def test_a_mailing_with_nothing_to_do_asks_the_database_little(engine: Engine) -> None:
    asked: list[str] = []
    mailing = news(Scripted(connections=1))
    send(mailing)
    event.listen(engine, "before_cursor_execute", lambda _c, _cursor, statement, *_: asked.append(statement))

    send(mailing, id=2)

    ours = [
        each for each in asked if "rota_message" in each and each.startswith(("SELECT", "INSERT", "UPDATE", "WITH"))
    ]
    assert len(ours) <= 8


def test_a_no_after_a_perhaps_is_no_no(anybody: Anybody, engine: Engine, ledger: Ledger) -> None:
    """The provider may have taken it the first time: nobody else is given it, and in the end it is unknown."""
    anybody(1)
    answers = iter([Unsure("timeout"), Later("http_503"), Later("http_503")])
    first, second = Scripted(lambda _: next(answers), honours_keys=True), Scripted(name="second")

    send(news([first, second], retry=[timedelta(0)] * 2))

    assert ledger("status", "provider", "attempts") == [("unknown", "scripted", 3)]
    assert second.given == []


# --- senders


def test_the_breaker_opens_after_ten_failures_and_the_rest_is_left_untried(
    anybody: Anybody, engine: Engine, ledger: Ledger
) -> None:
    anybody(500)
    sender = Scripted(lambda _: Later("http_503", down=True), connections=1)
    home = FakeHome()

    result = send(news(sender), home=home)

    assert result.status == "partial"
    assert result.details["stopped"] == "dependency_down"
    assert result.details["channels"] == {"email": "breaker_open"}
    assert len(sender.given) <= 12
    assert [kind for kind, _ in home.emitted if kind.startswith("sender.")] == ["sender.opened"]
    assert Counter(ledger("attempts"))[0] >= 488
    assert send(news(sender), id=2).details["channels"] == {"email": "breaker_open"}


def test_half_open_one_tries_a_little_and_all_goes_on_if_it_works(
    anybody: Anybody, engine: Engine, ledger: Ledger
) -> None:
    anybody(60)
    sender = Scripted(lambda _: Later("http_503", down=True))
    send(news(sender))
    with engine.begin() as connection:
        connection.execute(update(senders).values(open_until=datetime.now(UTC) - timedelta(seconds=1)))
    wait_over(engine)
    tried = len(sender.given)

    send(news(sender), id=2)
    assert len(sender.given) == tried + 1  # it did not work

    with engine.begin() as connection:
        row = connection.execute(select(senders)).one()
        assert row.open_seconds == 120
        connection.execute(update(senders).values(open_until=datetime.now(UTC) - timedelta(seconds=1)))
    wait_over(engine)
    sender.answer = lambda _: Sent()
    assert send(news(sender), id=3).counts["sent"] == 60


def test_refusals_of_single_recipients_open_nothing(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(40)
    mailbox.at_rcpt = lambda _: "450 mailbox busy"

    result = send(news(smtp()))

    assert "stopped" not in result.details
    assert result.counts["left"] == 40


def test_the_second_provider_sends_while_the_first_is_down_and_nothing_goes_to_both(
    anybody: Anybody, engine: Engine, mailbox: Mailbox, smtp: Any, ledger: Ledger
) -> None:
    anybody(80)
    unsure = iter([True])

    def answer(message: Message) -> Outcome:
        return Unsure("timeout") if next(unsure, False) else Later("http_503", down=True)

    first = Scripted(answer, connections=1, honours_keys=True)
    campaign = news([first, smtp()], retry=[timedelta(0)] * 20)

    send(campaign)

    assert Counter(ledger("status")) == {"sent": 79, "queued": 1}
    [mine] = [row for row in ledger() if row.status == "queued"]
    assert mine.provider == "scripted"  # it may have it: nobody else is given it
    assert len(mailbox.to) == len(set(mailbox.to)) == 79


@pytest.mark.defect("FF-B2")
def test_a_rate_holds_for_the_sender_over_all_runs(engine: Engine) -> None:
    """Two nodes ask in turns: together they get no more than the rate."""
    messages.create_all(engine)
    sender: Any = Scripted(rate=Rate(messages=50))
    granted, last, begun = 0, 0.0, time.monotonic()
    for _ in range(10):
        with writing(engine) as connection:
            answer = ask(connection, sender, 30)
        assert isinstance(answer, Open)
        assert answer.most <= 50
        granted, last = granted + answer.most, time.monotonic() - begun + answer.wait

    assert granted == 300
    assert last >= 270 / 50 - 0.1  # the last thirty begin when the others have had their time


def test_requests_have_a_rate_of_their_own(engine: Engine) -> None:
    messages.create_all(engine)
    sender: Any = Scripted(rate=Rate(requests=2), per_request=100)
    starts, begun = [], time.monotonic()
    for _ in range(3):
        with writing(engine) as connection:
            answer = ask(connection, sender, 500)
        assert isinstance(answer, Open)
        assert answer.most == 200
        starts.append(time.monotonic() - begun + answer.wait)

    assert starts[1] >= 0.9
    assert starts[2] >= 1.9


def test_a_campaign_keeps_to_its_rate(anybody: Anybody, smtp: Any, mailbox: Mailbox) -> None:
    anybody(45)
    begun = time.monotonic()

    send(news(smtp(per_second="30/s")))

    assert len(mailbox.taken) == 45
    assert time.monotonic() - begun >= 0.95  # a bucket of a second's worth, and then the other fifteen


def test_a_clock_that_was_set_back_stops_nobody(engine: Engine) -> None:
    messages.create_all(engine)
    sender: Any = Scripted(rate=Rate(messages=5))
    with writing(engine) as connection:
        ask(connection, sender, 1)
        connection.execute(update(senders).values(messages_at=datetime.now(UTC) + timedelta(days=1)))
        answer = ask(connection, sender, 1)

    assert isinstance(answer, Open)
    assert answer.wait < 1


def test_one_of_all_nodes_probes(engine: Engine) -> None:
    messages.create_all(engine)
    sender: Any = Scripted()
    with writing(engine) as connection:
        ask(connection, sender, 1)
        assert report(connection, "scripted", [Later("x", down=True)] * 9 + [Sent()]) is None
        assert report(connection, "scripted", [Later("x", down=True)] * 9) is None
        assert report(connection, "scripted", [Unsure("x")]) == "opened"
        assert isinstance(ask(connection, sender, 1), Shut)
        connection.execute(update(senders).values(open_until=datetime.now(UTC) - timedelta(seconds=1)))

        assert ask(connection, sender, 9) == Open(1, probe=True)
        assert isinstance(ask(connection, sender, 9), Shut)
        assert report(connection, "scripted", [Sent()]) == "closed"
        assert ask(connection, sender, 9) == Open(9)


# --- stopping


def test_told_to_stop_it_ends_after_the_mail_that_it_is_at_and_writes_down_what_it_knows(
    anybody: Anybody, ledger: Ledger
) -> None:
    anybody(200)
    home, begun, go_on = FakeHome(), Event(), Event()

    def answer(message: Message) -> Outcome:
        begun.set()
        go_on.wait(5)
        return Sent()

    sender = Scripted(answer, connections=2)

    def stop() -> None:
        begun.wait(5)
        home.stop(RunCancelledError("stop"))
        go_on.set()

    stopper = Thread(target=stop)
    stopper.start()
    with pytest.raises(RunCancelledError):
        news(sender)(make_run(home=home))
    stopper.join()

    count = Counter(ledger("status"))
    assert count["claimed"] == 0
    assert count["sent"] == len(sender.given) < 200
    assert {row.attempts for row in ledger() if row.status == "queued"} == {0}


@pytest.mark.defect("FF-B11")
def test_at_its_time_limit_it_stops_claiming_and_the_next_run_goes_on(anybody: Anybody, ledger: Ledger) -> None:
    anybody(400)

    def slow(message: Message) -> Outcome:
        time.sleep(0.005)
        return Sent()

    sender = Scripted(slow)
    result = send(news(sender, time_limit=timedelta(milliseconds=300)))

    assert (result.status, result.details["stopped"]) == ("partial", "time_limit")
    assert result.counts["left"] > 0
    assert send(news(sender), id=2).counts["left"] == 0
    assert len(sender.given) == len(set(sender.given)) == 400


@pytest.mark.defect("FF-B8", "ALL-1")
def test_two_runs_at_once_send_each_message_once(anybody: Anybody, mailbox: Mailbox, smtp: Any) -> None:
    anybody(300)
    threads = [Thread(target=send, args=(news(smtp()),), kwargs={"id": number}) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(mailbox.to) == len(set(mailbox.to)) == 300


def test_an_outcome_of_one_who_has_lost_its_row_is_not_taken(anybody: Anybody, engine: Engine, ledger: Ledger) -> None:
    anybody(1)

    def answer(message: Message) -> Outcome:
        with engine.begin() as connection:  # meanwhile another attempt has taken it over
            connection.execute(update(deliveries).values(claimed_as=2))
        return Sent()

    result = send(news(Scripted(answer)))

    assert ledger("status") == ["claimed"]
    assert result.counts["sent"] == 0


def test_smtp_counts_its_mails_and_not_its_chunks(
    anybody: Anybody, smtp: Callable[..., Smtp], mailbox: Mailbox
) -> None:
    anybody(700)
    home = FakeHome()

    assert told(send(news(smtp()), home=home)) == {"planned": 700, "sent": 700}
    assert (home.progress.done, home.progress.total) == (700, 700)


def test_an_outage_costs_a_message_none_of_its_tries(anybody: Any, engine: Engine, ledger: Any) -> None:
    anybody(1)
    is_down = [True]
    sender = Scripted(lambda _: Later("http_503", down=True) if is_down[0] else Sent())
    for number in range(1, 7):  # more often than there are tries; fewer than open the breaker
        send(news(sender), id=number)
        assert ledger("status", "attempts") == [("queued", 0)]
        wait_over(engine)
    is_down[0] = False

    assert send(news(sender), id=7).counts["sent"] == 1


def test_what_is_of_no_use_any_more_would_not_be_sent(anybody: Any) -> None:
    anybody(3)
    over = Scripted(lambda _: Sent())

    assert send(news(over, useful_for="0s"), dry_run=True).details["would_send"] == 0
    assert send(news(over), dry_run=True).details["would_send"] == 3
