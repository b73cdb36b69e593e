"""What providers tell later is taken once, in any order, from those alone who have the secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from rota.errors import ConfigError
from rota.messages import Event, Feedback, HttpProvider, deliveries
from rota.messages.brief import natural_key
from rota.messages.signature import sign
from rota.messages.tables import suppressions
from tests.messages.conftest import news, send
from tests.messages.servers import Mailbox, Provider

SECRET = "a secret of the provider's"
Ledger = Callable[..., list[Any]]


@pytest.fixture
def tell(engine: Engine) -> Callable[..., int]:
    """``tell("e1", type="email.delivered", …)`` as the provider does; returns the status of our answer."""
    feedback = Feedback(engine, secrets=[SECRET])

    def tell_(event_id: str, **body: Any) -> int:
        raw = json.dumps(body).encode()
        return feedback.take(sign(SECRET, event_id, raw), raw)

    return tell_


@pytest.fixture
def provider_id(anybody: Any, provider: Provider, ledger: Ledger) -> str:
    """What the provider calls the one mail that was sent."""
    anybody(1)
    send(news(HttpProvider(provider.url, sender="a@b.example")))
    [found] = ledger("provider_id")
    return str(found)


def about(provider_id: str, **more: Any) -> dict[str, Any]:
    return {"email_id": provider_id, "to": ["P1@example.org"], **more}


def test_feedback_never_goes_back(tell: Any, provider_id: str, ledger: Ledger) -> None:
    found = []
    for number, kind in enumerate(["delivered", "opened", "delivered", "complained", "bounced"]):
        assert tell(f"e{number}", type=f"email.{kind}", data=about(provider_id)) == 200
        found += ledger("feedback")

    assert found == ["delivered", "opened", "opened", "complained", "complained"]


def test_a_hard_bounce_or_a_complaint_ends_mail_to_that_address(
    tell: Any, provider_id: str, engine: Engine, provider: Provider
) -> None:
    tell("e1", type="email.bounced", data=about(provider_id, bounce={"type": "Permanent"}))

    with engine.connect() as connection:
        assert connection.scalars(select(suppressions.c.reason)).all() == ["bounced"]
    result = send(news(HttpProvider(provider.url, sender="a@b.example"), subject="2026-04"), id=2)
    assert result.details["cancelled"] == {"suppressed": 1}


def test_a_bounce_that_may_pass_ends_nothing(tell: Any, provider_id: str, engine: Engine, ledger: Ledger) -> None:
    tell("e1", type="email.bounced", data=about(provider_id, bounce={"type": "Transient"}))

    with engine.connect() as connection:
        assert connection.scalars(select(suppressions.c.reason)).all() == []
    assert ledger("feedback") == ["soft_bounced"]


def test_a_delivery_says_that_an_unknown_message_was_sent(
    tell: Any, provider_id: str, engine: Engine, ledger: Ledger
) -> None:
    with engine.begin() as connection:
        connection.execute(update(deliveries).values(status="unknown"))
    tell("e1", type="email.delivery_delayed", data=about(provider_id))
    assert ledger("status") == ["unknown"]
    tell("e2", type="email.delivered", data=about(provider_id))

    assert ledger("status") == ["sent"]


def test_an_event_is_heard_once_however_often_it_comes(provider_id: str, engine: Engine) -> None:
    heard: list[Any] = []
    feedback = Feedback(engine, secrets=[SECRET], heard=lambda _, event, row: heard.append((event.type, row.recipient)))
    raw = json.dumps({"type": "email.opened", "data": about(provider_id)}).encode()

    for _ in range(3):
        assert feedback.take(sign(SECRET, "e1", raw), raw) == 200

    assert heard == [("opened", "1")]


def test_a_mail_by_smtp_is_found_by_its_key(
    anybody: Any, mailbox: Mailbox, smtp: Any, engine: Engine, ledger: Ledger
) -> None:
    anybody(2)
    send(news(smtp()))
    key = str(mailbox.mails[0]["Message-ID"]).strip("<>").partition("@")[0]
    assert key in {natural_key(row) for row in ledger()}
    feedback = Feedback(engine, secrets=[SECRET], read=lambda body: [Event("delivered", key=body["key"])])

    for number, each in enumerate([key, f"x{key}", "0-99", "", "no key"]):
        raw = json.dumps({"key": each}).encode()
        assert feedback.take(sign(SECRET, f"e{number}", raw), raw) == 200

    assert sorted(map(str, ledger("feedback"))) == ["None", "delivered"]


def test_nobody_without_the_secret_is_listened_to(engine: Engine, provider_id: str, ledger: Ledger) -> None:
    raw = json.dumps({"type": "email.complained", "data": about(provider_id)}).encode()

    assert Feedback(engine, secrets=[SECRET]).take(sign("another", "e1", raw), raw) == 401
    assert Feedback(engine, secrets=[SECRET]).take({}, raw) == 401
    assert ledger("feedback") == [None]


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"{", b"[" * 99_999, b'{"type": []}', b'{"type": "email.opened", "data": 3}', b"\xff"],
)
def test_what_cannot_be_read_is_said_to_be_so(engine: Engine, body: bytes) -> None:
    assert Feedback(engine, secrets=[SECRET]).take(sign(SECRET, "e1", body), body) == 400


@pytest.mark.parametrize("body", [{}, {"type": "email.sent"}, {"type": "email.opened", "data": None}])
def test_what_is_about_no_message_of_ours_is_taken(tell: Any, body: Any) -> None:
    assert tell("e1", **body) == 200


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["short"], "a text where a list is meant"])
def test_secrets_that_anybody_could_guess_are_refused(engine: Engine, secrets: Any) -> None:
    with pytest.raises(ConfigError, match="feedback needs secrets"):
        Feedback(engine, secrets=secrets)


@pytest.mark.parametrize("to", ["P1 <p1@example.org>", ["P1 <P1@example.org>"], "p1@example.org"])
def test_an_address_is_known_however_it_is_written(tell: Any, provider_id: str, engine: Engine, to: Any) -> None:
    assert tell("e1", type="email.bounced", data=about(provider_id, to=to)) == 200
    with engine.connect() as connection:
        assert len(connection.execute(select(suppressions)).all()) == 1


@pytest.mark.parametrize("data", [{"to": 7}, {"to": [7]}, {"email_id": {"a": 1}}, {"to": None, "email_id": None}])
def test_an_event_of_odd_values_harms_nobody(tell: Any, provider_id: str, engine: Engine, data: Any) -> None:
    assert tell("e1", type="email.bounced", data=data) == 200
    with engine.connect() as connection:
        assert connection.execute(select(suppressions)).all() == []
