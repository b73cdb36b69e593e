"""The stored contests: what an announcement changes in them, what an absence means, and their phases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, case, null, select, true, update

from apps.codenotify.contest import JUDGING, JUDGING_AT_MOST, Contest
from apps.codenotify.tables import contests
from rota.recipes import insert, record

if TYPE_CHECKING:
    from rota import Run

RESCHEDULED_FROM = timedelta(seconds=300)
MISSES_TO_CANCEL = 2
OURS = {"id", "is_active", "cancelled_at", "cancellations", "first_seen_at"}
_row = contests.c


@dataclass(slots=True)
class Plan:
    """What a batch of announcements changes. ``moved`` are pairs of stored row and announcement."""

    new: list[Contest] = field(default_factory=list)
    changed: list[tuple[Row[Any], Contest]] = field(default_factory=list)
    moved: list[tuple[Row[Any], Contest]] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        return Counter(
            new=len(self.new),
            updated=len(self.changed),
            unchanged=len(self.unchanged),
            rescheduled=len(self.moved),
            reinstated=sum(row.cancelled_at is not None for row, _ in self.changed),
        )


def compare(connection: Connection, batch: Sequence[Contest], as_of: datetime) -> Plan:
    """What the batch means for the rows that are there; they stay locked until the transaction ends."""
    keys = [contest.key for contest in batch]
    rows = connection.execute(select(contests).where(_row.contest_key.in_(keys)).with_for_update())
    known = {row.contest_key: row for row in rows}
    plan = Plan()
    for contest in batch:
        row = known.get(contest.key)
        if row is None:
            plan.new.append(contest)
        elif row.content_hash == contest.content_hash() and row.cancelled_at is None:
            plan.unchanged.append(row.id)
        else:
            plan.changed.append((row, contest))
            if _moved(row, contest, as_of):
                plan.moved.append((row, contest))
    return plan


def _moved(row: Row[Any], contest: Contest, as_of: datetime) -> bool:
    """Whether people have to hear of the new time; never once the contest has started. It is compared with the start
    that the version began with: many small shifts are a large one."""
    to_come = row.start_time > as_of and contest.start_time > as_of
    return to_come and abs(contest.start_time - (row.version_start_time or row.start_time)) > RESCHEDULED_FROM


def apply(connection: Connection, run: Run, plan: Plan) -> None:
    moved = {contest.key for _, contest in plan.moved}
    rows = [_fresh_row(contest, run.as_of, 1, contest.start_time) for contest in plan.new]
    for row, contest in plan.changed:
        is_new = contest.key in moved
        began = contest.start_time if is_new else row.version_start_time or row.start_time
        rows.append(_fresh_row(contest, run.as_of, row.schedule_version + is_new, began))
    if rows:
        connection.execute(_upsert(connection, rows))
    if plan.unchanged:
        touched = update(contests).where(_row.id.in_(plan.unchanged))
        connection.execute(touched.values(last_synced_at=run.as_of, missing_syncs=0))
    for row, contest in plan.moved:
        times = {"old": row.start_time.isoformat(), "new": contest.start_time.isoformat()}
        record(connection, run, "contest.rescheduled", "contests", target_id=row.id, details=times)


def _fresh_row(contest: Contest, as_of: datetime, version: int, began: datetime) -> dict[str, Any]:
    ours = {
        "is_active": True,
        "schedule_version": version,
        "version_start_time": began,
        "missing_syncs": 0,
        "cancelled_at": None,
    }
    return contest.columns(as_of) | ours | {"first_seen_at": as_of, "last_synced_at": as_of}


def _upsert(connection: Connection, rows: list[dict[str, Any]]) -> Any:
    """One statement. A contest that somebody hid stays hidden; one that we took for cancelled comes back."""
    statement = insert(connection, contests).values(rows)
    values = {column.key: statement.excluded[column.key] for column in contests.c if column.key not in OURS}
    returns = case((_row.cancelled_at.is_not(None), true()), else_=_row.is_active)
    values |= {"is_active": returns, "cancelled_at": null()}
    return statement.on_conflict_do_update(index_elements=[_row.platform, _row.platform_id], set_=values)


def absent(connection: Connection, platform: str, seen: Iterable[str] | None, as_of: datetime) -> list[Row[Any]]:
    """The platform's contests to come that its complete answer did not hold. If it said "unchanged" (``seen`` is
    None), those are missing that were missing before."""
    query = select(contests).where(_row.platform == platform, _row.start_time > as_of, _row.is_active)
    if seen is None:
        return list(connection.execute(query.where(_row.missing_syncs > 0)))
    present = set(seen)
    return [row for row in connection.execute(query) if row.contest_key not in present]


def note_absences(connection: Connection, run: Run, rows: Sequence[Row[Any]]) -> int:
    """Counts a miss for each row; returns how many are thereby taken for cancelled."""
    gone = [row for row in rows if row.missing_syncs + 1 >= MISSES_TO_CANCEL]
    missed = update(contests).where(_row.id.in_([row.id for row in rows]))
    connection.execute(missed.values(missing_syncs=_row.missing_syncs + 1))
    cancelled = update(contests).where(_row.id.in_([row.id for row in gone]))
    # One that is cancelled again is told again: the ledger knows the two apart by the version.
    again = case((_row.cancellations > 0, 1), else_=0)
    values = {"schedule_version": _row.schedule_version + again, "cancellations": _row.cancellations + 1}
    connection.execute(cancelled.values(is_active=False, cancelled_at=run.as_of, **values))
    for row in gone:
        record(connection, run, "contest.cancelled", "contests", target_id=row.id)
    return len(gone)


def refresh_phases(connection: Connection, platform: str, as_of: datetime) -> None:
    """Phases of all of the platform's rows by time: one that dropped out of the answers must not stay BEFORE."""
    by_time = case((_row.start_time > as_of, "BEFORE"), (_row.end_time > as_of, "CODING"), else_="FINISHED")
    judged = _row.phase.in_(JUDGING) & (_row.end_time <= as_of) & (_row.end_time > as_of - JUDGING_AT_MOST)
    stale = update(contests).where(_row.platform == platform, ~judged, _row.phase != by_time)
    connection.execute(stale.values(phase=by_time))
