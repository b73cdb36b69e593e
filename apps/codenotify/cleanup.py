"""CN-3: remove what is old. Each step by itself: its own batches, counts, guard; one that fails leaves the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, delete, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from apps.codenotify import audit, warning
from apps.codenotify.people import INACTIVE_AFTER, last_activity
from apps.codenotify.services import Services
from apps.codenotify.settings import Settings
from apps.codenotify.tables import contests, deliveries, notifications, users
from apps.database import reading, writing
from rota import JobResult

if TYPE_CHECKING:
    from rota import Run

JOB = "codenotify/cleanup-old-data"
READ_RETENTION = timedelta(days=90)
LEDGER_AFTER_END = timedelta(days=7)
TOKEN_WITHOUT_EXPIRY = timedelta(days=7)
GUARD_ROWS, GUARD_FRACTION = 1_000, 0.5
Before = Callable[[Connection, list[int]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Rows of ``table`` that match ``where`` are changed to ``values``, or deleted if there are none."""

    name: str
    table: Table
    where: ColumnElement[bool]
    cutoff: datetime
    values: Mapping[str, Any] = field(default_factory=dict)
    before: Before | None = None
    batch: int = 1_000


class GuardError(Exception):
    """The step would touch more than half of its table: more likely a wrong setting than old data."""


def steps(settings: Settings, as_of: datetime) -> list[Step]:
    days = settings.contest_retention_days
    found = [
        _contests(as_of - timedelta(days=days)),
        _read_notifications(as_of),
        _inactive_users(as_of),
        _refresh_tokens(as_of),
    ]
    if settings.unread_retention_days is not None:
        found.insert(2, _unread_notifications(as_of, settings.unread_retention_days))
    return found


def _contests(cutoff: datetime) -> Step:
    """By time, not by phase: a phase may never have been brought up to date."""
    where = contests.c.end_time < cutoff
    return Step(name="contests_deleted", table=contests, where=where, cutoff=cutoff)


def _read_notifications(as_of: datetime) -> Step:
    cutoff, row = as_of - READ_RETENTION, notifications.c
    return Step(
        name="notifications_deleted",
        table=notifications,
        where=and_(row.read_at.is_not(None), row.created_at < cutoff),
        cutoff=cutoff,
        before=_ledger_of(as_of),
    )


def _unread_notifications(as_of: datetime, days: int) -> Step:
    cutoff, row = as_of - timedelta(days=days), notifications.c
    return Step(
        name="unread_deleted",
        table=notifications,
        where=and_(row.read_at.is_(None), row.created_at < cutoff),
        cutoff=cutoff,
        before=_ledger_of(as_of),
    )


def _ledger_of(as_of: datetime) -> Before:
    """The ledger's rows go with their notification once the contest is a week over; younger ones stay, because they
    keep a message from being sent again."""

    def remove(connection: Connection, ids: list[int]) -> None:
        over = deliveries.c.contest_end_time < as_of - LEDGER_AFTER_END
        connection.execute(delete(deliveries).where(deliveries.c.notification_id.in_(ids), over))

    return remove


def _inactive_users(as_of: datetime) -> Step:
    cutoff, row = as_of - INACTIVE_AFTER, users.c
    gone = {"is_active": False, "deactivated_at": as_of, "deactivation_reason": "inactive_180d"}
    return Step(
        name="users_deactivated",
        table=users,
        where=and_(row.role == "user", row.is_active, last_activity < cutoff),
        cutoff=cutoff,
        values=gone,
        batch=500,
    )


def _refresh_tokens(as_of: datetime) -> Step:
    row = users.c
    last_login = func.coalesce(row.last_login_at, row.created_at)
    forgotten = and_(row.refresh_token_expires_at.is_(None), last_login < as_of - TOKEN_WITHOUT_EXPIRY)
    return Step(
        name="tokens_cleared",
        table=users,
        where=and_(row.refresh_token_hash.is_not(None), or_(row.refresh_token_expires_at < as_of, forgotten)),
        cutoff=as_of,
        values={"refresh_token_hash": None, "refresh_token_expires_at": None},
    )


def cleanup_old_data(run: Run, services: Services) -> JobResult:
    """Do every step; ``partial`` if one failed, ``aborted_guard`` if one would have touched too much.

    Whoever will soon be inactive is warned, if that is on, before anybody is marked so.
    """
    result = JobResult(message="nothing was old enough")
    troubles: list[str] = []
    if services.settings.warns_inactive:
        with _by_itself(run, warning.STEP, run.as_of - warning.WARNED_AFTER, result, troubles):
            _guard(services, users, warning.due_at(run.as_of))
            warning.warn_inactive(run, services, result)
    for step in steps(services.settings, run.as_of):
        with _by_itself(run, step.name, step.cutoff, result, troubles):
            _guard(services, step.table, select(step.table.c.id).where(step.where))
            _work_off(run, services, step, result)
    result.status = _status(run, result, troubles)
    if done := {name: count for name, count in result.counts.items() if count}:
        result.message = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in done.items())
    return result


@contextmanager
def _by_itself(run: Run, name: str, cutoff: datetime, result: JobResult, troubles: list[str]) -> Iterator[None]:
    """A step's place in the result; what stops it is noted, and stops no other."""
    result.details[name] = {"cutoff": cutoff.isoformat()}
    result.counts[name] = 0
    try:
        yield
    except GuardError as error:
        troubles.append("guard")
        result.add_error(name, "guard", str(error))
    except SQLAlchemyError as error:
        troubles.append("failed")
        result.add_error(name, "database", type(error).__name__)
        run.log.warning("step failed", step=name, error=type(error).__name__)


def _status(
    run: Run, result: JobResult, troubles: list[str]
) -> Literal["success", "partial", "failed", "aborted_guard", "dry_run"]:
    if "guard" in troubles:
        return "aborted_guard"
    if result.error_count:
        return "failed" if len(troubles) == len(result.counts) else "partial"
    return "dry_run" if run.dry_run else "success"


def _guard(services: Services, table: Table, which: Select[Any]) -> None:
    """Raises ``GuardError`` if ``which`` are too many of the rows of ``table``."""
    with reading(services.engine) as connection:
        touched = connection.scalar(select(func.count()).select_from(which.subquery())) or 0
        if touched <= GUARD_ROWS:
            return
        everything = connection.scalar(select(func.count()).select_from(table)) or 0
    if touched > everything * GUARD_FRACTION:
        raise GuardError(f"would touch {touched} of {everything} rows")


def _work_off(run: Run, services: Services, step: Step, result: JobResult) -> None:
    """Batch by batch in the order of ids; the predicate holds again in the statement that changes, so a row that
    changed in between is left alone."""
    last = 0
    while True:
        run.check()
        page = select(step.table.c.id).where(step.where, step.table.c.id > last)
        page = page.order_by(step.table.c.id).limit(step.batch)
        if run.dry_run:
            with reading(services.engine) as connection:
                ids = list(connection.scalars(page))
            result.counts[step.name] += len(ids)
        else:
            with writing(services.engine) as connection:
                ids = list(connection.scalars(page))
                result.counts[step.name] += _change(connection, run, step, ids) if ids else 0
        if len(ids) < step.batch:
            return
        last = ids[-1]


def _change(connection: Connection, run: Run, step: Step, ids: list[int]) -> int:
    if step.before is not None:
        step.before(connection, ids)
    which = and_(step.table.c.id.in_(ids), step.where)
    change = update(step.table).where(which).values(**step.values) if step.values else delete(step.table).where(which)
    count = connection.execute(change).rowcount
    audit.record(connection, run, JOB, step.name, step.table.name, count=count, cutoff=step.cutoff, sample_ids=ids)
    return count
