"""What the provider tells later, of invitations that it took."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from apps.faf.feedback import feedback
from rota.messages import HttpProvider, deliveries
from rota.messages.signature import sign
from tests.faf.conftest import Faf
from tests.faf.test_invitations import invite
from tests.faf.test_planning import contact, owner
from tests.messages.servers import Provider

SECRET = "a secret of the provider's"
Tell = Callable[..., int]


@pytest.fixture
def faf(open_faf: Callable[..., Faf]) -> Faf:
    faf = open_faf(feedback_secret=SECRET)
    faf.put(users=[owner(1)], contacts=[contact(1), contact(2)])
    return faf


@pytest.fixture
def tell(faf: Faf) -> Tell:
    """``tell("e1", "bounced")`` of the first contact's invitation, as the provider does."""
    with Provider() as provider:
        channels = {"email": HttpProvider(provider.url, sender="a@b.example")}
        assert invite(channels).counts["sent"] == 2
    [number] = [row["id"] for row in faf.rows("invitations") if row["contact_id"] == 1]
    mine = select(deliveries.c.provider_id).where(deliveries.c.recipient == str(number))
    with faf.engine.connect() as connection:
        key = connection.execute(mine).scalar_one()

    def tell_(event: str, kind: str, secret: str = SECRET, **data: Any) -> int:
        body = json.dumps({"type": f"email.{kind}", "data": {"email_id": key, "to": ["c1@x.org"], **data}}).encode()
        return feedback(faf.settings, faf.engine).take(sign(secret, event, body), body)

    return tell_


def first(faf: Faf, table: str, *columns: str) -> Any:
    [mine] = [row for row in faf.rows(table) if row.get("contact_id", row["id"]) == 1]
    return tuple(mine[name] for name in columns)


def test_who_bounces_is_left_alone_and_the_invitation_says_so(faf: Faf, tell: Tell) -> None:
    assert tell("e1", "bounced") == 200

    assert first(faf, "contacts", "status", "email_status") == ("bounced", "bounced_permanent")
    assert first(faf, "invitations", "status") == ("bounced",)
    assert sorted(faf.rows("invitations", "status")) == ["bounced", "sent"]


def test_who_complains_has_opted_out(faf: Faf, tell: Tell) -> None:
    tell("e1", "complained")

    assert first(faf, "contacts", "email_status", "opted_out") == ("complained", True)
    assert first(faf, "invitations", "status") == ("sent",)


@pytest.mark.defect("FF-B5")
def test_bounces_that_may_pass_are_counted_each_once(faf: Faf, tell: Tell) -> None:
    for event in ("e1", "e2", "e2"):
        tell(event, "bounced", bounce={"type": "Transient"})

    assert first(faf, "contacts", "soft_bounce_count", "email_status", "status") == (2, "bounced_temporary", "pending")
    assert sorted(faf.rows("email_events", "provider_event_id")) == ["e1:0", "e2:0"]
    tell("e3", "delivery_delayed")
    assert first(faf, "contacts", "soft_bounce_count") == (2,)


@pytest.mark.parametrize(("earlier", "status"), [("sent", "opened"), ("submitted", "submitted"), ("opened", "opened")])
def test_what_is_opened_never_goes_back(faf: Faf, tell: Tell, earlier: str, status: str) -> None:
    with faf.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE invitations SET status = '{earlier}'")

    tell("e2", "opened")
    tell("e3", "delivered")

    assert first(faf, "invitations", "status") == (status,)


def test_what_was_unknown_did_arrive(faf: Faf, tell: Tell) -> None:
    with faf.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE invitations SET status = 'unknown'")

    tell("e1", "delivered")

    assert first(faf, "invitations", "status") == ("sent",)


def test_nobody_without_the_secret_is_believed(faf: Faf, tell: Tell) -> None:
    assert tell("e1", "complained", secret="a secret of my own") == 401
    assert first(faf, "contacts", "opted_out") == (False,)
