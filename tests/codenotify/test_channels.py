"""The ways out: which there are, and what each tells its provider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.codenotify.senders import BODIES, senders
from apps.codenotify.settings import WEBHOOKS, Settings
from rota.messages import Content, Message, Sent

MESSAGE = Message(
    key="cn:1",
    address="the-address",
    content=Content(subject="Hello", text="Hello\n", short="Hello https://example.test"),
)


@pytest.mark.parametrize("channel", sorted(BODIES))
def test_every_webhook_channel_is_told_whom_and_what(channel, hooks):
    webhooks = {channel: replace(WEBHOOKS[channel], url=hooks.url(channel), token="secret")}
    sender = senders(Settings(webhooks=webhooks))[channel]

    assert list(sender.send([MESSAGE])) == [Sent("msg-cn:1")]
    sender.rest()

    (hook,) = hooks.requests
    assert {"the-address", "Hello https://example.test"} <= set(hook.body.values())
    assert (hook.key, hook.headers["Authorization"]) == ("cn:1", "Bearer secret")


def test_only_channels_with_an_address_are_there(settings, hooks):
    assert list(senders(Settings())) == ["email"]
    assert list(senders(Settings(webhooks={"push": replace(WEBHOOKS["push"], url=hooks.url("push"))}))) == [
        "email",
        "push",
    ]


def test_rates_are_the_senders_own_and_so_hold_for_all_jobs_and_nodes():
    found = senders(Settings(mail_rate_per_s=2.5))["email"]

    assert (found.rate.messages, senders(Settings())["email"].rate.messages) == (2.5, 0)
