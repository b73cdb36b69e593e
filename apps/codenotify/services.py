"""What the jobs work with: settings, database, senders and a clock, made once a process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from threading import Lock

from sqlalchemy import Engine

from apps.codenotify.adapters.http import Spacing
from apps.codenotify.senders import senders
from apps.codenotify.settings import Settings
from apps.codenotify.tables import open_database
from rota.messages import Sender


def wall_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """``now`` is the wall clock: for cool-downs, leases, and the last look before something is sent; rules use the
    run's ``as_of``."""

    settings: Settings
    engine: Engine
    senders: Mapping[str, Sender]
    spacing: Spacing = field(default_factory=Spacing)
    now: Callable[[], datetime] = wall_clock

    @classmethod
    def of(cls, settings: Settings, now: Callable[[], datetime] = wall_clock) -> Services:
        """Services as the settings say; the tables are made if they are not there.

        Raises ``ConfigError`` where the database has others of their names.
        """
        engine = open_database(settings)
        return cls(settings=settings, engine=engine, senders=senders(settings), now=now)

    def close(self) -> None:
        for sender in self.senders.values():
            sender.rest()
        self.engine.dispose()


def current() -> Services:
    """The services of this process, made from the environment when first needed, whichever thread needs them."""
    with _making:
        return _from_environment()


_making = Lock()


@cache
def _from_environment() -> Services:
    return Services.of(Settings.from_env())
