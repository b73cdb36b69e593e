"""What all nodes share of a sender, in one row of the database: how fast it may go, how long it rests, and its breaker.

The pace is a bucket that holds a second's worth: whoever wants to send takes its share of time, and waits until that
begins. The breaker opens after so many failures in a row:

closed ── ten failures in a row ──► open ── its time is over ──► half open: one of all nodes tries a little
   ▲                                  ▲                              │
   └───────────── it worked ──────────┼──────────────────────────────┤
                                      └── it did not: twice the time, up to a cap
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, or_, select, update

from rota.messages.outcome import Held, Later, Outcome, Refused, Sent, Unsure
from rota.messages.senders.sender import Sender
from rota.messages.tables import senders
from rota.recipes.database import insert

OPENS_AFTER = 10
OPEN_SECONDS, OPEN_AT_MOST = 60, 3_600
PROBE_WITHIN = timedelta(minutes=5)
WAIT_AT_MOST = timedelta(minutes=1)
"""A sender that is to rest longer is left alone by this run."""
_row = senders.c


@dataclass(frozen=True, slots=True)
class Open:
    """Send ``most`` after ``wait`` seconds. ``probe``: all others wait to see what becomes of it."""

    most: int
    wait: float = 0.0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Shut:
    why: Literal["breaker_open", "resting"]
    until: datetime


def ask(connection: Connection, sender: Sender, want: int) -> Open | Shut:
    """May this many be sent, and when?"""
    now = _now(connection)
    row = _locked(connection, sender.name)
    if row.rest_until is not None and row.rest_until > now + WAIT_AT_MOST:
        return Shut("resting", row.rest_until)
    if row.open_until is not None:
        if now < max(row.open_until, row.probe_until or row.open_until):
            return Shut("breaker_open", row.open_until)
        _write(connection, sender.name, probe_until=now + PROBE_WITHIN)
        return Open(min(want, sender.per_request), probe=True)
    most, start = want, row.rest_until if row.rest_until is not None and row.rest_until > now else now
    rate, values = sender.rate, {}
    if rate.requests:
        most = min(most, max(1, int(rate.requests)) * sender.per_request)
    if rate.messages:
        most = min(most, max(1, int(rate.messages)))
        values["messages_at"] = (_free(row.messages_at, now), most / rate.messages)
    if rate.requests:
        values["requests_at"] = (_free(row.requests_at, now), -(-most // sender.per_request) / rate.requests)
    start = max([start, *(begin for begin, _ in values.values())])
    taken = {name: start + timedelta(seconds=length) for name, (_, length) in values.items()}
    if taken:
        _write(connection, sender.name, **taken)
    return Open(most, (start - now).total_seconds())


def report(connection: Connection, name: str, outcomes: Iterable[Outcome]) -> Literal["opened", "closed"] | None:
    """Count what became of tries, in their order; what that changed, if anything."""
    failures, worked, rest = 0, False, 0.0
    for outcome in outcomes:
        match outcome:
            case Sent() | Refused() | Later(down=False):
                failures, worked = 0, True
            case Later() | Unsure():
                failures += 1
            case Held():
                pass
        if isinstance(outcome, Later):
            rest = max(rest, outcome.retry_after or 0.0)
    if rest:
        until = _now(connection) + timedelta(seconds=rest)
        _locked(connection, name)
        _write(connection, name, rest_until=until)
    if not failures:
        return _worked(connection, name) if worked else None
    return _failed(connection, name, failures, fresh=worked)


def _worked(connection: Connection, name: str) -> Literal["closed"] | None:
    was_open = connection.scalar(select(_row.open_until).where(_row.name == name))
    amiss = (_row.name == name, or_(_row.failures > 0, _row.open_until.is_not(None)))
    well = {"failures": 0, "open_until": None, "open_seconds": 0, "probe_until": None}
    connection.execute(update(senders).where(*amiss).values(well))
    return "closed" if was_open is not None else None


def _failed(connection: Connection, name: str, failures: int, *, fresh: bool) -> Literal["opened"] | None:
    now, row = _now(connection), _locked(connection, name)
    failures += 0 if fresh else row.failures
    probed = row.probe_until is not None
    if failures < OPENS_AFTER and not probed:
        _write(connection, name, failures=failures)
        return None
    if row.open_until is not None and not probed:  # what was under way when it opened
        return None
    seconds = min(OPEN_AT_MOST, row.open_seconds * 2 or OPEN_SECONDS)
    until = now + timedelta(seconds=seconds)
    _write(connection, name, failures=failures, open_until=until, open_seconds=seconds, probe_until=None)
    return "opened"


def _free(at: datetime | None, now: datetime) -> datetime:
    """When the next share begins. One that is far ahead is of a clock that was set back since."""
    return now if at is None or at < now or at > now + timedelta(hours=1) else at


def _locked(connection: Connection, name: str) -> Row[Any]:
    mine = select(senders).where(_row.name == name).with_for_update()
    found = connection.execute(mine).one_or_none()
    if found is None:
        connection.execute(insert(connection, senders).values(name=name).on_conflict_do_nothing())
        found = connection.execute(mine).one()
    return found


def _write(connection: Connection, name: str, **values: Any) -> None:
    connection.execute(update(senders).where(_row.name == name).values(values))


def _now(connection: Connection) -> datetime:
    """The database's time: nodes' clocks differ, and a file has one machine's."""
    if connection.dialect.name != "postgresql":
        return datetime.now(UTC)
    moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment.astimezone(UTC)
