"""Any answer of a provider, and any value in a message, leaves the others their way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from rota.messages import Content, HttpProvider, Later, Message, Refused, Sent, Unsure, Webhook
from rota.messages.outcome import Outcome
from rota.messages.senders.calls import retry_after
from rota.messages.signature import sign, verified
from tests.messages.servers import Call, Provider
from tests.messages.test_smtp import drip, scripted

SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw=="


def mails(count: int) -> list[Message]:
    content = Content(subject="s", text="t", html="<p>h</p>", headers={"X-A": "b"})
    return [Message(key=f"k-{n}", address=f"p{n}@example.org", content=content, request="r") for n in range(count)]


def sent(sender: HttpProvider, messages: Sequence[Message]) -> list[Outcome]:
    outcomes = list(sender.send(messages))
    sender.rest()
    return outcomes


def batch(url: str, **options: Any) -> HttpProvider:
    return HttpProvider(url, sender="Shop <news@shop.example>", **({"timeout": 5.0} | options))


def test_a_batch_is_one_call_with_its_key_and_each_mail_has_its_own_id(provider: Provider) -> None:
    assert sent(batch(provider.url, token="secret"), mails(3)) == [Sent("r/0"), Sent("r/1"), Sent("r/2")]

    [call] = provider.calls
    assert (call.key, call.headers["Authorization"]) == ("r", "Bearer secret")
    assert call.body[1] == {
        "from": "Shop <news@shop.example>",
        "to": ["p1@example.org"],
        "subject": "s",
        "text": "t",
        "html": "<p>h</p>",
        "headers": {"X-A": "b"},
        "tags": [{"name": "key", "value": "k-1"}],
    }


def test_each_message_of_a_webhook_is_a_call_of_its_own(provider: Provider) -> None:
    hook = Webhook(provider.url, body=lambda messages: {"to": messages[0].address})

    assert [type(outcome) for outcome in sent(hook, mails(3))] == [Sent] * 3
    assert [call.body["to"] for call in provider.calls] == ["p0@example.org", "p1@example.org", "p2@example.org"]


def test_a_batch_is_cut_to_what_one_call_may_hold(provider: Provider) -> None:
    assert len(sent(batch(provider.url, per_request=2), mails(3))) == 3
    assert [len(call.body) for call in provider.calls] == [2, 1]


def test_one_bad_mail_in_a_batch_is_found_by_halving_and_the_others_go(provider: Provider) -> None:
    def answer(call: Call) -> Any:
        if any(mail["to"] == ["p5@example.org"] for mail in call.body):
            return 422, {}, b'{"message": "invalid to"}'
        return provider.take(call)

    provider.answer = answer

    outcomes = sent(batch(provider.url), mails(8))

    assert [type(outcome) for outcome in outcomes] == [Refused if n == 5 else Sent for n in range(8)]
    assert provider.to == [f"p{n}@example.org" for n in range(8) if n != 5]
    assert len({call.key for call in provider.calls}) == len(provider.calls)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Refused("http_400")),
        (401, Later("http_401", down=True)),
        (404, Later("http_404", down=True)),
        (409, Later("http_409")),
        (422, Refused("http_422")),
        (429, Later("http_429", down=True, retry_after=7.0)),
        (503, Later("http_503", down=True, retry_after=7.0)),
        (301, Later("http_301", down=True, retry_after=7.0)),
        (500, Unsure("http_500")),
        (502, Unsure("http_502")),
        (504, Unsure("http_504")),
    ],
)
def test_a_status_says_what_became_of_the_call(provider: Provider, status: int, outcome: Outcome) -> None:
    later = {"Retry-After": "7"} if status in {301, 429, 503} else {}
    provider.answer = lambda _: (status, later, b"")

    assert sent(batch(provider.url), mails(1)) == [outcome]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b'{"data": 1}',
        b'{"data": [{}]}',
        b'{"data": []}',
        b"\xff",
        b"[" * 99_999,
        b'"x"',
        b"9" * 6_000,
    ],
)
def test_a_good_status_with_an_odd_answer_is_known_by_nobody(provider: Provider, body: bytes) -> None:
    provider.answer = lambda _: (200, {}, body)

    assert {type(outcome) for outcome in sent(batch(provider.url), mails(2))} == {Unsure}
    assert {type(outcome) for outcome in sent(Webhook(provider.url), mails(1))} == {Sent}


def test_a_call_that_was_taken_before_with_another_text_was_taken(provider: Provider) -> None:
    provider.answer = lambda _: (409, {}, b'{"name": "invalid_idempotent_request"}')

    assert sent(batch(provider.url), mails(2)) == [Sent(), Sent()]


def test_a_connection_that_breaks_after_the_call_leaves_it_unknown(provider: Provider) -> None:
    provider.answer = lambda _: None

    assert {type(outcome) for outcome in sent(batch(provider.url), mails(2))} == {Unsure}


def test_a_provider_that_is_away_has_surely_not_taken_it() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        [outcome] = sent(batch(f"http://127.0.0.1:{nobody.getsockname()[1]}"), mails(1))

    assert isinstance(outcome, Later)
    assert outcome.down


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"], ids=["head", "body"])
def test_a_provider_that_drips_holds_no_thread_beyond_the_timeout(head: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(head)
        drip(connection)

    with scripted(serve) as port:
        begun = time.monotonic()
        [outcome] = sent(batch(f"http://127.0.0.1:{port}", timeout=0.4), mails(1))

    assert isinstance(outcome, Unsure)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("url", ["nowhere", "ftp://x.example", "http://[", "http://x.example:99999999", "http://\0"])
def test_an_address_that_is_none_is_an_outcome_too(url: str) -> None:
    [outcome] = sent(batch(url), mails(1))

    assert not isinstance(outcome, Sent)


def test_what_json_cannot_hold_is_refused_for_that_message(provider: Provider) -> None:
    def body(messages: Sequence[Message]) -> Any:
        return [object() if message.key == "k-1" else {"to": [message.address]} for message in messages]

    assert [type(each) for each in sent(batch(provider.url, body=body), mails(3))] == [Sent, Refused, Sent]


def test_many_threads_share_one_sender(provider: Provider) -> None:
    sender, found = batch(provider.url, connections=4), []
    threads = [threading.Thread(target=lambda: found.extend(sender.send(mails(1)))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.rest()

    assert len(found) == 12
    assert sent(sender, mails(1)) == [Sent("r/0")]  # after a rest it begins anew


def test_a_webhook_is_signed_and_the_receiver_can_tell(provider: Provider) -> None:
    assert sent(Webhook(provider.url, secret=SECRET), mails(1)) == [Sent("r/0")]

    [call] = provider.calls
    raw = call.headers["raw"].encode()
    assert verified([SECRET], call.headers, raw) == "r"
    assert verified(["another", SECRET], call.headers, raw) == "r"
    assert verified(["whsec_AAAA"], call.headers, raw) is None
    assert verified([SECRET], call.headers, raw + b" ") is None


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of their specification."""
    secret, body = "whsec_plJ3nmyCDGBKInavdOK15jsl", b'{"event_type":"ping","data":{"success":true}}'

    headers = sign(secret, "msg_loFOjxBNrRLzqYUf", body, at=1731705121)

    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-timestamp": str(int(time.time()) - 3_600)},
        {"webhook-timestamp": "²"},
        {"webhook-timestamp": "9" * 5_000},
        {"webhook-timestamp": ""},
        {"webhook-id": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,ä v2,x"},
    ],
)
def test_an_old_or_odd_signature_is_none(change: dict[str, str]) -> None:
    headers = sign(SECRET, "m", b"{}")
    assert verified([SECRET], headers, b"{}") == "m"

    assert verified([SECRET], headers | change, b"{}") is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("0", 0), ("²", None), ("", None), ("-3", None), ("9" * 40, 86_400), ("soon", None)]
)
def test_retry_after_is_read_whatever_it_says(text: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": text}) == seconds


def test_retry_after_may_be_a_date() -> None:
    found = retry_after({"retry-after": format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)})

    assert found is not None
    assert 85 < found <= 90


def test_secrets_are_not_shown() -> None:
    shown = repr(Webhook("http://x", secret="hush", token="quiet"))

    assert "hush" not in shown
    assert "quiet" not in shown
