"""Workers that are killed with no warning, at the very moment when a provider has accepted a message."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest

from apps.codenotify import dispatch
from rota.messages import deliveries
from rota.testing import make_run
from tests.codenotify.helpers import NOW, add_contest, add_users, announce, rows, statuses

pytestmark = pytest.mark.long

WORKER = """
import json, sys
from datetime import datetime
from apps.codenotify import dispatch
from apps.codenotify.services import Services
from apps.codenotify.settings import Endpoint, Settings, Webhook
from rota.testing import make_run


given = json.loads(sys.argv[1])
given["endpoints"] = {name: Endpoint(**each) for name, each in given["endpoints"].items()}
given["webhooks"] = {name: Webhook(**each) for name, each in given["webhooks"].items()}
now = datetime.fromisoformat(sys.argv[2])
dispatch.dispatch_notifications(make_run(as_of=now), Services.of(Settings(**given), now=lambda: now))
"""


class Worker:
    """A process that dispatches, and can be killed from within a provider's own thread."""

    def __init__(self, settings) -> None:
        command = [sys.executable, "-c", WORKER, json.dumps(asdict(settings)), NOW.isoformat()]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)

    def wait(self) -> int:
        return self.process.wait(timeout=60)


def kill_at(number: int, worker: list[Worker], catcher, attribute: str) -> None:
    """Kill the worker when the provider has taken its ``number``-th message, before it can say so."""
    take, taken = getattr(catcher, attribute), []

    def take_and_kill(message):
        answer = take(message)
        taken.append(message)
        if len(taken) == number:
            worker[0].kill()
            worker[0].process.wait()
        return answer

    setattr(catcher, attribute, take_and_kill)


def test_killed_after_mails_were_accepted_none_is_sent_twice_and_none_untouched_is_lost(
    services, settings, mails, wall
):
    add_users(services, 120)
    add_contest(services, announce())
    worker: list[Worker] = []
    kill_at(70, worker, mails, "keep")
    worker.append(Worker(settings))
    assert worker[0].wait() == -signal.SIGKILL

    wall.advance(minutes=6)
    result = dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    assert len(mails.recipients) == len(set(mails.recipients))
    assert 0 < statuses(services).count("unknown") < 120, "what was settled before the kill is known"
    assert statuses(services).count("sent") + statuses(services).count("unknown") == 120
    assert len(mails.recipients) >= statuses(services).count("sent")
    assert result.counts["unknown"] == statuses(services).count("unknown")


@pytest.mark.parametrize("number", [1, 70, 120])
def test_killed_after_webhooks_were_accepted_everybody_has_exactly_one(services, settings, hooks, mails, wall, number):
    add_users(services, 120, channels={"push": True})
    add_contest(services, announce())
    worker: list[Worker] = []
    kill_at(number, worker, hooks, "take")
    worker.append(Worker(settings))
    assert worker[0].wait() == -signal.SIGKILL

    wall.advance(minutes=6)
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    assert statuses(services) == ["sent"] * 120
    tokens = [hook.body["token"] for hook in hooks.messages]
    assert sorted(tokens) == sorted(f"token{user}" for user in range(120))
    assert len(hooks.requests) > 120
    assert all(row.provider_id == f"msg-cn:{row.id}" for row in rows(services, deliveries))
