"""The schedules of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rota.model.run import PausedRun
from rota.model.schedule import DueSchedule, NewSchedule, ScheduleRecord
from rota.store.database import Transaction
from rota.store.rows import as_row, record


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changed a schedule, and when."""

    at: int
    by: str


def due(tx: Transaction, owner: str, leave: Iterable[str], now: int, limit: int) -> list[DueSchedule]:
    """Due schedules of an application but for some, most overdue first, locked until the transaction ends."""
    rows = tx.over("schedules.due", [(name,) for name in leave], owner=owner, now=now, limit=limit)
    return [record(DueSchedule, row) for row in rows]


def due_among(tx: Transaction, names: Iterable[str], now: int) -> list[DueSchedule]:
    """Those of these that are due, as ``due`` gives them."""
    rows = tx.over("schedules.due_among", [(name,) for name in names], now=now)
    return [record(DueSchedule, row) for row in rows]


def next_due(tx: Transaction, owner: str, leave: Iterable[str], now: int) -> int | None:
    """The next moment at which a schedule of an application is due, but for some, and for those set aside."""
    [[moment]] = tx.over("schedules.next_due", [(name,) for name in leave], owner=owner, now=now)
    return None if moment is None else int(moment)


def advance(tx: Transaction, marks: Sequence[tuple[str, int, int | None]]) -> None:
    """Name, watermark and next due moment; a watermark never goes back, so that no moment is judged twice."""
    tx.over("schedules.advance", marks)


def get(tx: Transaction, name: str) -> ScheduleRecord | None:
    row = tx.one("schedules.get", name=name)
    return record(ScheduleRecord, row) if row else None


def lock(tx: Transaction, name: str) -> ScheduleRecord | None:
    """As ``get``, and nobody else changes or judges it before the transaction ends."""
    row = tx.one("schedules.lock", name=name)
    return record(ScheduleRecord, row) if row else None


def page(tx: Transaction, job: str | None = None, after: str | None = None, limit: int = 200) -> list[ScheduleRecord]:
    """By name, from a cursor; removed ones are left out."""
    return [record(ScheduleRecord, row) for row in tx.all("schedules.page", job=job, after=after, limit=limit)]


def declared_by(tx: Transaction, owner: str) -> frozenset[str]:
    """The names of an application's schedules that are from its code."""
    return frozenset(name for (name,) in tx.all("schedules.declared_by", owner=owner))


def differing(
    tx: Transaction, owner: str, said: Sequence[tuple[str, str, int]]
) -> list[tuple[str, ScheduleRecord | None]]:
    """Of the name, definition and "off here" that the code says: those that the ledger does not have like that."""
    rows = tx.over("schedules.differing", said, owner=owner)
    return [(row[0], None if row[1] is None else record(ScheduleRecord, row[1:])) for row in rows]


def among(tx: Transaction, names: Sequence[str]) -> list[ScheduleRecord]:
    return [record(ScheduleRecord, row) for row in tx.over("schedules.among", [(name,) for name in names])]


def hand_over(tx: Transaction, jobs: Sequence[str], owner: str) -> None:
    """The schedules of these jobs are another application's from now on."""
    if jobs:
        tx.over("schedules.hand_over", [(job,) for job in jobs], owner=owner)


def insert(tx: Transaction, schedules: Sequence[NewSchedule]) -> list[str]:
    """The names of those that are new: one whose name is taken is left out."""
    if not schedules:
        return []
    return [name for (name,) in tx.over("schedules.insert", [as_row(each) for each in schedules])]


_KEEP = object()


def change(tx: Transaction, record: ScheduleRecord, *, edit: Edit | object | None = _KEEP, **changes: object) -> None:
    """Write a changed schedule; ``edit=None`` says that no person's edit stands any more."""
    if edit is not _KEEP:
        changes |= {"edited_at": edit.at, "edited_by": edit.by} if isinstance(edit, Edit) else _UNEDITED
    write(tx, [replace(record, **changes)])  # type: ignore[arg-type]


def write(tx: Transaction, changed: Sequence[ScheduleRecord]) -> None:
    """What a definition, its owner, its watermark and its editor are now; none of them counts as removed any more."""
    if changed:
        tx.over("schedules.write", [as_row(each) for each in changed])


_UNEDITED = {"edited_at": None, "edited_by": None}


def set_aside(tx: Transaction, name: str, until: int, why: str) -> None:
    """Nobody judges it before that moment."""
    tx.run("schedules.set_aside", name=name, until=until, why=why)


def aside(tx: Transaction, limit: int) -> list[ScheduleRecord]:
    """Those that are set aside, or were when somebody came to them last."""
    return [record(ScheduleRecord, row) for row in tx.all("schedules.aside", limit=limit)]


def pause(tx: Transaction, name: str, now: int, *, by: str, why: str | None) -> bool:
    return tx.run("schedules.pause", name=name, now=now, by=by, why=why) == 1


def resume(tx: Transaction, name: str, watermark: int, next_due_at: int | None) -> bool:
    return tx.run("schedules.resume", name=name, watermark=watermark, next_due_at=next_due_at) == 1


def remove(tx: Transaction, name: str, now: int) -> bool:
    return tx.run("schedules.remove", name=name, now=now) == 1


def count(tx: Transaction) -> int:
    row = tx.one("schedules.count")
    return int(row[0]) if row else 0


def overdue(tx: Transaction, before: int, limit: int) -> list[ScheduleRecord]:
    """Those that were due before a moment, most overdue first."""
    return [record(ScheduleRecord, row) for row in tx.all("schedules.overdue", before=before, limit=limit)]


def count_overdue(tx: Transaction, before: int) -> int:
    row = tx.one("schedules.count_overdue", before=before)
    return int(row[0]) if row else 0


def paused(tx: Transaction, limit: int) -> list[ScheduleRecord]:
    """Last paused first."""
    return [record(ScheduleRecord, row) for row in tx.all("schedules.paused", limit=limit)]


def judged_ahead(tx: Transaction, after: int) -> tuple[int, int | None]:
    """How many are judged up to a moment that has not come yet (``after``), and the last such moment."""
    count, last = tx.one("schedules.judged_ahead", after=after) or (0, None)
    return count, last


# The runs that they have made, and that have not begun.


def hold_runs(tx: Transaction, schedule: str, now: int) -> None:
    """Let none of them start until they are released; see ``rota.model.run.PAUSED``."""
    tx.run("schedules.hold_runs", schedule=schedule, now=now)


def hold_due(tx: Transaction, now: int) -> None:
    """The same for all that has come due of schedules that are paused."""
    tx.run("schedules.hold_due", now=now)


def held_runs(tx: Transaction, schedule: str) -> list[PausedRun]:
    """Those held, by the moment that they stand for."""
    return [PausedRun._make(row) for row in tx.all("schedules.held_runs", schedule=schedule)]


def release_runs(tx: Transaction, schedule: str) -> None:
    tx.run("schedules.release_runs", schedule=schedule)


def give_up_runs(tx: Transaction, ids: Iterable[int], now: int, reason: str) -> dict[int, int | None]:
    """Returns those that were still waiting, each with its batch."""
    rows = tx.over("schedules.give_up_runs", [(each,) for each in ids], now=now, reason=reason)
    return {run: batch for run, batch in rows}
