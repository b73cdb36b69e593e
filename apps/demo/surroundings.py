"""Everything that the applications need around them, started together: platforms, mail server, webhook provider,
Valkey, and folders for files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from apps.codenotify.links import LinkServer
from apps.codenotify.world import World
from apps.demo.contest_server import SITES, ContestServer
from apps.demo.mail_catcher import MailCatcher
from apps.demo.valkey import valkey
from apps.demo.webhook_sink import WebhookSink

SHOWN_BACK = timedelta(days=60)
MAILS, HOOKS, UPLOADS, LOGS, VALKEY = "mails", "webhooks.jsonl", "uploads", "logs", "valkey"
"""What stands below the directory of the data."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    directory: Path
    platforms: ContestServer
    mails: MailCatcher
    hooks: WebhookSink
    links: LinkServer
    valkey_port: int | None

    @property
    def environment(self) -> Mapping[str, str]:
        """The settings that lead the applications here; requests to this machine need no distance."""
        found = {f"{site.upper()}_URL": self.platforms.url(site) for site in SITES}
        found |= {f"{site.upper()}_MIN_INTERVAL_S": "0" for site in SITES}
        found |= {f"{name.upper()}_URL": self.hooks.url(name) for name in ("whatsapp", "push")}
        found |= {"PUBLIC_URL": self.links.url}
        found |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.mails.port)}
        if self.valkey_port is not None:
            found |= {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(self.valkey_port)}
            found |= {"LEARN_REDIS_URL": f"redis://127.0.0.1:{self.valkey_port}"}
        return found


def folders(directory: Path) -> Mapping[str, str]:
    """The settings that say where files are; the folders are made."""
    found = {"UPLOADS_PATH": directory / UPLOADS, "LEARN_LOG_DIR": directory / LOGS}
    for path in found.values():
        path.mkdir(parents=True, exist_ok=True)
    return {name: str(path) for name, path in found.items()}


@contextmanager
def surroundings(directory: Path, world: World | None = None) -> Iterator[Surroundings]:
    """Start all of them on free ports; what they receive is kept under ``directory``."""
    seen = world or World()
    directory.mkdir(parents=True, exist_ok=True)
    with (
        ContestServer(lambda now: seen.announced(now, SHOWN_BACK)) as platforms,
        MailCatcher(directory / MAILS) as mails,
        WebhookSink(directory / HOOKS) as hooks,
        LinkServer() as links,
        valkey(directory / VALKEY) as port,
    ):
        yield Surroundings(directory, platforms, mails, hooks, links, port)
