"""Everything that CodeNotify needs around it, started together: platforms, mail server, webhook provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from apps.codenotify.demo.contest_server import SITES, ContestServer
from apps.codenotify.demo.mail_catcher import MailCatcher
from apps.codenotify.demo.webhook_sink import WebhookSink
from apps.codenotify.demo.world import World

SHOWN_BACK = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Surroundings:
    platforms: ContestServer
    mails: MailCatcher
    hooks: WebhookSink

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that lead CodeNotify here; requests to this machine need no distance."""
        found = {f"{site.upper()}_URL": self.platforms.url(site) for site in SITES}
        found |= {f"{site.upper()}_MIN_INTERVAL_S": "0" for site in SITES}
        found |= {f"{name.upper()}_URL": self.hooks.url(name) for name in ("whatsapp", "push")}
        return found | {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.mails.port)}


@contextmanager
def surroundings(directory: Path, world: World | None = None) -> Iterator[Surroundings]:
    """Start all three on free ports; what they receive is kept under ``directory``."""
    seen = world or World()
    directory.mkdir(parents=True, exist_ok=True)
    with (
        ContestServer(lambda now: seen.announced(now, SHOWN_BACK)) as platforms,
        MailCatcher(directory / "mails") as mails,
        WebhookSink(directory / "webhooks.jsonl") as hooks,
    ):
        yield Surroundings(platforms, mails, hooks)
