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
MAILS, HOOKS, UPLOADS, LOGS, VALKEY, ARCHIVE, SECRETS = (
    "mails",
    "webhooks.jsonl",
    "uploads",
    "logs",
    "valkey",
    "savings-archive",
    "learn-secrets.env",
)
"""What stands below the directory of the data."""
NOBODY_LISTENS = 1
"""A port for where there is no Valkey: a Redis on the usual one is somebody's, and no place for made-up people."""
PARKED = {"BAZAAR_PUSH_TOKENS_MOST": "0.05", "BAZAAR_PUSH_TOKENS_GUARD": "park"}
"""So little that the clean-up of push tokens waits for a person."""


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
        for prefix in ("", "SAVINGS_", "FAF_"):
            found |= {f"{prefix}SMTP_HOST": "127.0.0.1", f"{prefix}SMTP_PORT": str(self.mails.port)}
        port = self.valkey_port or NOBODY_LISTENS
        found |= {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port)}
        found |= {"LEARN_REDIS_URL": f"redis://127.0.0.1:{port}"}
        return found | PARKED


def folders(directory: Path) -> Mapping[str, str]:
    """The settings that say where files are; the folders are made."""
    found = {
        "UPLOADS_PATH": directory / UPLOADS,
        "LEARN_LOG_DIR": directory / LOGS,
        "SAVINGS_ARCHIVE_DIR": directory / ARCHIVE,
    }
    for path in found.values():
        path.mkdir(parents=True, exist_ok=True)
    files = {"LEARN_SECRETS_FILE": directory / SECRETS}
    return {name: str(path) for name, path in {**found, **files}.items()}


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
