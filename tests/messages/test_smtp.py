"""Any answer of a mail server belongs to one mail; the others go their way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from rota.errors import ConfigError
from rota.messages import Content, Held, Later, Message, Refused, Sent, Smtp, Unsure
from rota.messages.outcome import Outcome
from tests.messages.servers import Mailbox


@pytest.fixture(params=[True, False], ids=["pipelining", "plain"])
def mailbox(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    with Mailbox(pipelining=request.param) as box:
        yield box


def mail(number: int, text: str = "t") -> Message:
    content = Content(subject="s", text=text, html="<p>h</p>")
    return Message(key=f"k-{number}", address=f"p{number}@example.org", content=content)


def mails(count: int) -> list[Message]:
    return [mail(number) for number in range(count)]


def sent(smtp: Smtp, messages: Sequence[Message]) -> list[Outcome]:
    outcomes = list(smtp.send(messages))
    smtp.rest()
    return outcomes


def test_many_go_over_one_connection_in_order(mailbox: Mailbox, smtp: Callable[..., Smtp]) -> None:
    assert sent(smtp(), mails(60)) == [Sent()] * 60
    assert [address for address, _ in mailbox.taken] == [f"p{n}@example.org" for n in range(60)]
    assert mailbox.connections <= 2


def test_lines_that_begin_with_a_dot_stay(mailbox: Mailbox, smtp: Callable[..., Smtp]) -> None:
    text = ".\n..\n.x\n\n.\nend"

    assert sent(smtp(), [mail(1, text), mail(2)]) == [Sent(), Sent()]
    [body, *_] = mailbox.mails[0].iter_parts()
    assert body.get_content().replace("\r\n", "\n").strip("\n") == text


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 nobody", Refused("refused_550", bounce=True)),
        ("550 5.1.1 nobody", Refused("refused_550", bounce=True)),
        ("550 5.7.1 you are on a list", Later("blocked_550", down=True)),
        ("554-a\r\n554 5.7.606 banned", Later("blocked_554", down=True)),
        ("550 blocked using a list of spammers", Later("blocked_550", down=True)),
        ("552 full", Refused("refused_552")),
        ("450 busy", Later("deferred_450")),
        ("450-busy\r\n450 come again", Later("deferred_450")),
        ("399 odd", Later("odd_reply_399", down=True)),
        ("x", Later("no_smtp", down=True)),
        ("421 going down", Later("going_down", down=True)),
        ("lose", Later("connection:closed", down=True)),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_refusal_of_one_recipient_is_that_ones(
    mailbox: Mailbox, smtp: Callable[..., Smtp], at: int, answer: str, outcome: Outcome
) -> None:
    mailbox.at_rcpt = lambda address: answer if address.startswith(f"p{at}@") else None

    outcomes = sent(smtp(), mails(3))

    assert outcomes == [outcome if number == at else Sent() for number in range(3)] or _is_lost(outcomes, at, outcome)
    assert mailbox.to == [f"p{n}@example.org" for n in range(3) if n != at]


def _is_lost(outcomes: Sequence[Outcome], at: int, wanted: Outcome) -> bool:
    """A connection breaks in several ways, which the system names."""
    other = [outcome for number, outcome in enumerate(outcomes) if number != at]
    mine = outcomes[at]
    lost = isinstance(wanted, Later) and wanted.error.startswith("connection")
    return lost and other == [Sent(), Sent()] and isinstance(mine, Later) and mine.error.startswith("connection")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("554 refused", Refused),
        ("451 later", Later),
        ("421 going down", Later),
        ("399 odd", Unsure),
        ("nonsense", Unsure),
        ("lose", Unsure),
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_a_server_says_of_a_mail_is_of_that_mail(
    mailbox: Mailbox, smtp: Callable[..., Smtp], at: int, answer: str, kind: type[Outcome]
) -> None:
    mailbox.at_data = lambda address: answer if address.startswith(f"p{at}@") else None

    outcomes = sent(smtp(), mails(3))

    assert [type(outcome) for outcome in outcomes] == [kind if number == at else Sent for number in range(3)]
    assert {f"p{n}@example.org" for n in range(3) if n != at} <= set(mailbox.to)


def test_a_refusal_of_us_gives_no_mail_up(mailbox: Mailbox, smtp: Callable[..., Smtp]) -> None:
    mailbox.at_mail = lambda _: "550 not from you"

    assert sent(smtp(), mails(2)) == [Later("sender_refused_550", down=True)] * 2


def test_a_server_that_is_away_is_asked_twice_and_the_rest_is_held(smtp: Callable[..., Smtp]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        away = Smtp("127.0.0.1", nobody.getsockname()[1], sender="a@b.example", timeout=2)

        outcomes = list(away.send(mails(5)))

    assert [type(outcome) for outcome in outcomes] == [Later, Later, Held, Held, Held]
    assert all(outcome.down for outcome in outcomes[:2])  # type: ignore[union-attr]


def test_a_kept_connection_that_the_server_closed_is_replaced_unseen(
    mailbox: Mailbox, smtp: Callable[..., Smtp]
) -> None:
    kept = smtp()
    assert list(kept.send([mail(1)])) == [Sent()]
    kept._idle.queue[0]._socket.shutdown(socket.SHUT_RDWR)

    assert sent(kept, [mail(2)]) == [Sent()]


def test_whoever_stops_listening_leaves_the_rest_unsent(mailbox: Mailbox, smtp: Callable[..., Smtp]) -> None:
    mine = smtp()
    outcomes = mine.send(mails(5))
    assert [next(outcomes), next(outcomes)] == [Sent(), Sent()]
    outcomes.close()

    assert sent(mine, [mail(9)]) == [Sent()]
    assert mailbox.to == ["p0@example.org", "p1@example.org", "p9@example.org"]


def test_what_cannot_be_a_mail_leaves_the_others_theirs(mailbox: Mailbox, smtp: Callable[..., Smtp]) -> None:
    bad = Message(key="k", address="no address", content=Content(subject="s", text="t"))

    assert sent(smtp(), [bad, mail(1), bad, mail(2), bad]) == [
        Refused("bad_address", bounce=True), Sent(), Refused("bad_address", bounce=True), Sent(),
        Refused("bad_address", bounce=True),
    ]  # fmt: skip


@contextmanager
def scripted(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that does with each connection what a test wants."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=run, args=(connection,), daemon=True).start()

        def run(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                serve(connection)

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def drip(connection: socket.socket, text: bytes = b"2" * 1_000) -> None:
    over = threading.Event()
    for byte in text:
        connection.sendall(bytes([byte]))
        over.wait(0.05)


def greet_then(what: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"220 here\r\n")
        connection.recv(1_000)
        connection.sendall(b"250-here\r\n250 PIPELINING\r\n")
        connection.recv(1_000)
        what(connection)

    return serve


def flood(connection: socket.socket) -> None:
    connection.sendall(b"250-and more\r\n" * 50_000)


@pytest.mark.parametrize(
    "serve",
    [drip, greet_then(drip), greet_then(flood), greet_then(lambda each: each.sendall(b"\xff\x00\n" * 9))],
    ids=["dripping greeting", "dripping reply", "endless reply", "no SMTP"],
)
def test_no_server_holds_a_thread_for_longer_than_its_timeout(serve: Callable[[socket.socket], None]) -> None:
    with scripted(serve) as port:
        begun = time.monotonic()
        outcomes = list(Smtp("127.0.0.1", port, sender="a@b.example", timeout=0.4).send(mails(4)))

    assert [type(outcome) for outcome in outcomes] == [Later, Later, Held, Held]
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("wrong", ["", "Shop", "Shop <x>"])
def test_a_sender_without_an_address_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="mail address"):
        Smtp("127.0.0.1", sender=wrong)


@pytest.mark.parametrize("wrong", ["", "fast", "0/s", "10", "10/y", "-1/s"])
def test_a_rate_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="no rate"):
        Smtp("127.0.0.1", sender="a@b.example", per_second=wrong)


def test_its_password_is_not_shown() -> None:
    shown: Any = repr(Smtp("127.0.0.1", sender="a@b.example", username="u", password="hidden"))

    assert "hidden" not in shown
