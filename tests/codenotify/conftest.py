"""CodeNotify with everything around it: real servers on this machine, a database of the test's own, no waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from apps.codenotify.services import Services
from apps.codenotify.settings import ENDPOINTS, WEBHOOKS, Settings
from apps.codenotify.tables import prepare
from apps.database import connect
from apps.demo.contest_server import ContestServer
from apps.demo.mail_catcher import MailCatcher
from apps.demo.webhook_sink import WebhookSink
from tests.codenotify.helpers import WallClock
from tests.servers import Make

Open = Callable[..., Services]
NOBODY = "http://127.0.0.1:1"
"""What a test has not asked for is not there; nothing ever leaves this machine."""


def prepared(url: str) -> None:
    engine = connect(url)
    prepare(engine)
    engine.dispose()


@pytest.fixture(scope="session")
def make_tables() -> Make:
    return prepared


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture
def platforms(wall: WallClock) -> Iterator[ContestServer]:
    """The four platforms, showing nothing yet."""
    with ContestServer(lambda _: [], wall) as server:
        yield server


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[MailCatcher]:
    with MailCatcher(tmp_path / "mails") as catcher:
        yield catcher


@pytest.fixture
def hooks() -> Iterator[WebhookSink]:
    with WebhookSink() as sink:
        yield sink


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """Settings without waits; what a test has asked for before is where they point."""
    asked = request.fixturenames
    url = request.getfixturevalue("database_url" if "database_url" in asked else "sqlite_url")
    server = request.getfixturevalue("platforms") if "platforms" in asked else None
    endpoints = {
        name: replace(
            each, url=server.url(name) if server else NOBODY, min_interval_s=0.0, quiet_after_429_s=0.0, timeout_s=60.0
        )
        for name, each in ENDPOINTS.items()
    }
    settings = Settings(
        database_url=url,
        endpoints=endpoints,
        retry_delays_s=(0.0, 0.0),
        retry_jitter=0.0,
        smtp_host="127.0.0.1",
        smtp_port=1,
        smtp_timeout_s=60.0,
    )
    if "mails" in asked:
        settings = replace(settings, smtp_port=request.getfixturevalue("mails").port)
    if "hooks" in asked:
        sink = request.getfixturevalue("hooks")
        webhooks = {
            name: replace(each, url=sink.url(name) if name in {"whatsapp", "push"} else "")
            for name, each in WEBHOOKS.items()
        }
        settings = replace(settings, webhooks=webhooks)
    return settings


@pytest.fixture
def open_services(settings: Settings, wall: WallClock) -> Iterator[Open]:
    """Services over the test's settings, changed by keyword; each call is another process's worth of them."""
    opened: list[Services] = []

    def open_(**changes: object) -> Services:
        opened.append(Services.of(replace(settings, **changes), now=wall))
        return opened[-1]

    yield open_
    for services in opened:
        services.close()


@pytest.fixture
def services(open_services: Open) -> Services:
    return open_services()
