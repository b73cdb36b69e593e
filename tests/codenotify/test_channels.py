"""The senders by themselves: which answer means what, and connections that are kept."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from apps.codenotify.channels import Message
from apps.codenotify.channels.email import EmailSender
from apps.codenotify.channels.webhook import BODIES, WebhookSender
from apps.codenotify.pace import Pace

from apps.codenotify.errors import AmbiguousError, PermanentError, TransientError
from apps.codenotify.settings import Settings, Webhook
from tests.codenotify.helpers import NOW


def message(number: int = 1, address: str = "ada@example.test") -> Message:
    return Message(
        key=f"cn:{number}",
        address=address,
        name="Ada",
        subject="Hello",
        text="Hello\n",
        html="<p>Hello</p>",
        short="Hello https://example.test",
        unsubscribe_url="https://example.test/u",
        at=NOW,
    )


@pytest.fixture
def mail(mails, settings):
    sender = EmailSender(settings)
    yield sender
    sender.close()


@pytest.fixture
def push(hooks):
    sender = WebhookSender("push", Webhook(url=hooks.url("push"), token="secret"))
    yield sender
    sender.close()


def test_one_connection_carries_many_mails(mail, mails):
    before = mails.connections
    for number in range(20):
        mail.send(message(number))

    assert (mails.count, mails.connections - before) == (20, 1)


def test_as_many_connections_as_threads_and_no_more(mail, mails):
    before = mails.connections
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(mail.send, [message(number) for number in range(40)]))

    assert mails.count == 40
    assert mails.connections - before <= 4


def test_a_connection_that_the_server_has_closed_is_replaced(mail, mails):
    mail.send(message(1))
    mail._idle.queue[0].sock.shutdown(socket.SHUT_RDWR)

    mail.send(message(2))

    assert mails.count == 2


def test_a_refused_mail_does_not_spoil_the_connection(mail, mails):
    before = mails.connections
    mails.bouncing["bad@example.test"] = "hard-bounce"
    mails.bouncing["busy@example.test"] = "soft-bounce"
    mails.bouncing["spam@example.test"] = "refuse-data"

    for address, error in (("bad", PermanentError), ("busy", TransientError), ("spam", PermanentError)):
        with pytest.raises(error):
            mail.send(message(address=f"{address}@example.test"))
        mail.send(message())

    assert mails.connections - before == 1


@pytest.mark.parametrize(
    ("scenario", "error", "kind"),
    [
        ("hard-bounce", PermanentError, "bad_address"),
        ("soft-bounce", TransientError, "deferred"),
        ("refuse-data", PermanentError, "refused"),
        ("outage", TransientError, "sender_refused"),
        ("lose-answer", AmbiguousError, "connection"),
    ],
)
def test_what_the_mail_server_says_decides(mail, mails, scenario, error, kind):
    mails.scenario = scenario

    with pytest.raises(error) as raised:
        mail.send(message())

    assert raised.value.kind == kind


def test_a_mail_server_that_is_not_there_is_worth_another_try():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sender = EmailSender(Settings(smtp_host="127.0.0.1", smtp_port=unused.getsockname()[1]))
        with pytest.raises(TransientError):
            sender.send(message())


def test_a_mail_server_that_says_nothing_is_given_up_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        sender = EmailSender(Settings(smtp_host="127.0.0.1", smtp_port=silent.getsockname()[1], smtp_timeout_s=0.05))
        with pytest.raises(TransientError):
            sender.send(message())


@pytest.mark.parametrize(
    ("scenario", "error", "kind"),
    [
        ("outage", TransientError, "http_503"),
        ("gone", PermanentError, "refused"),
        ("refuse-us", TransientError, "unauthorized"),
        ("lose-answer", AmbiguousError, "connection"),
    ],
)
def test_what_the_provider_answers_decides(push, hooks, scenario, error, kind):
    hooks.scenarios["push"] = scenario

    with pytest.raises(error) as raised:
        push.send(message())

    assert raised.value.kind == kind


def test_a_webhook_carries_its_key_and_gives_the_providers_id(push, hooks):
    assert push.send(message(7)) == "msg-cn:7"
    assert hooks.requests[0].key == "cn:7"


def test_a_provider_that_is_not_there_is_worth_another_try():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sender = WebhookSender("push", Webhook(url=f"http://127.0.0.1:{unused.getsockname()[1]}"))
        with pytest.raises(TransientError):
            sender.send(message())
        sender.close()


@pytest.mark.parametrize("channel", sorted(BODIES))
def test_every_webhook_channel_is_told_whom_and_what(channel, hooks):
    sender = WebhookSender(channel, Webhook(url=hooks.url(channel)))
    sender.send(message(address="somebody"))
    sender.close()

    body = hooks.requests[0].body
    assert "somebody" in body.values()
    assert "Hello https://example.test" in body.values()


def test_turns_are_spaced_over_all_threads():
    slept, lock = [], threading.Lock()
    pace = Pace(10)

    def sleep(seconds: float) -> None:
        with lock:
            slept.append(seconds)

    for _ in range(4):
        pace.wait(sleep)

    assert [round(seconds, 1) for seconds in slept] == [0.1, 0.2, 0.3]


def test_without_a_rate_nobody_waits():
    Pace(0).wait(lambda _: pytest.fail("waited"))


def test_only_channels_with_an_address_are_there(open_services, settings):
    hook = replace(settings.webhooks["discord"], url="http://127.0.0.1:1/discord")
    services = open_services(webhooks={**settings.webhooks, "discord": hook})

    assert list(services.senders) == ["email", "discord"]
