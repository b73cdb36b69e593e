"""One circuit breaker a platform, its state in the database, so that all workers share it.

closed ── failures in a row reach the limit ──► open ── its time is over ──► half open
   ▲                                              ▲                             │
   └───────────────── the probe succeeds ─────────┼─────────────────────────────┤
                                                  └── the probe fails: twice the time, up to a cap
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Engine, or_, select, update

from apps.codenotify import state
from apps.codenotify.settings import Settings
from apps.codenotify.tables import sync_state
from rota.recipes import reading, writing

State = Literal["closed", "open", "half_open"]
Change = Literal["opened", "closed"]
PROBE_AT_MOST = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker of ``platform``; ``success`` and ``failure`` return the state that they brought about, if new."""

    engine: Engine
    settings: Settings
    platform: str

    def state(self, now: datetime) -> State:
        query = select(sync_state.c.open_until).where(sync_state.c.scope == self.platform)
        with reading(self.engine) as connection:
            open_until = connection.scalar(query)
        if open_until is None:
            return "closed"
        return "open" if now < open_until else "half_open"

    def probe(self, now: datetime) -> bool:
        """Whether this caller makes the half-open breaker's one request; a prober that died is waited for 10 min."""
        row = sync_state.c
        claim = (
            update(sync_state)
            .where(row.scope == self.platform, row.open_until <= now)
            .where(or_(row.probe_until.is_(None), row.probe_until <= now))
            .values(probe_until=now + PROBE_AT_MOST)
        )
        with writing(self.engine) as connection:
            return connection.execute(claim).rowcount == 1

    def success(self) -> Change | None:
        row = sync_state.c
        close = (
            update(sync_state)
            .where(row.scope == self.platform, or_(row.failures > 0, row.open_until.is_not(None)))
            .values(failures=0, open_until=None, open_s=0, probe_until=None)
        )
        was_open = self._was_open()
        with writing(self.engine) as connection:
            connection.execute(close)
        return "closed" if was_open else None

    def failure(self, now: datetime, run: str, *, at_once: bool = False) -> Change | None:
        """Counts a failed operation, once a run, however often that is tried; ``at_once`` opens without counting up to
        the limit."""
        with writing(self.engine) as connection:
            state.ensure(connection, self.platform)
            old = connection.execute(
                select(sync_state).where(sync_state.c.scope == self.platform).with_for_update()
            ).one()
            failures = old.failures + (old.failed_in != run)
            opens = at_once or old.open_until is not None or failures >= self.settings.breaker_failures
            values: dict[str, object] = {"failures": failures, "failed_in": run, "probe_until": None}
            if opens:
                seconds = self._next_seconds(old.open_s)
                values |= {"open_s": seconds, "open_until": now + timedelta(seconds=seconds)}
            connection.execute(update(sync_state).where(sync_state.c.scope == self.platform).values(values))
        return "opened" if opens else None

    def _next_seconds(self, last: int) -> int:
        return int(min(last * 2 or self.settings.breaker_open_s, self.settings.breaker_cap_s))

    def _was_open(self) -> bool:
        query = select(sync_state.c.open_until).where(sync_state.c.scope == self.platform)
        with reading(self.engine) as connection:
            return connection.scalar(query) is not None
