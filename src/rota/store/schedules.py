"""The schedules of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rota.model.schedule import ScheduleRecord
from rota.store.database import Row, Transaction, record


@dataclass(frozen=True, slots=True)
class Edit:
    """Who changed a schedule, and when."""

    at: int
    by: str


def get(tx: Transaction, name: str) -> ScheduleRecord | None:
    """The schedule, held until the transaction ends: for changing it."""
    row = tx.one("schedules.get", name=name)
    return record(ScheduleRecord, row) if row else None


def peek(tx: Transaction, name: str) -> ScheduleRecord | None:
    row = tx.one("schedules.peek", name=name)
    return record(ScheduleRecord, row) if row else None


def page(tx: Transaction, job: str | None = None, after: str | None = None, limit: int = 200) -> list[ScheduleRecord]:
    """By name, from a cursor; removed ones are left out."""
    return [record(ScheduleRecord, row) for row in tx.all("schedules.all", job=job, after=after, limit=limit)]


def declared_by(tx: Transaction, owner: str) -> list[ScheduleRecord]:
    return [record(ScheduleRecord, row) for row in tx.all("schedules.declared_by", owner=owner)]


def insert(
    tx: Transaction,
    *,
    name: str,
    job: str,
    definition: str,
    declared: str | None,
    owner: str,
    now: int,
    next_due_at: int | None,
    edit: Edit | None = None,
) -> bool:
    """False: a schedule of this name is there already."""
    edited = (edit.at, edit.by) if edit else (None, None)
    row = (name, job, definition, declared, owner, now, next_due_at, now, *edited)
    return bool(insert_many(tx, [row]))


def insert_many(tx: Transaction, rows: Sequence[Row]) -> list[str]:
    """Rows of name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by."""
    return [row[0] for row in tx.rows("schedules.insert", rows)]


_KEEP = object()


def change(tx: Transaction, record: ScheduleRecord, *, edit: Edit | object | None = _KEEP, **changes: object) -> None:
    """Write a changed schedule; ``edit=None`` says that no person's edit stands any more."""
    if edit is not _KEEP:
        changes |= {"edited_at": edit.at, "edited_by": edit.by} if isinstance(edit, Edit) else _UNEDITED
    new = replace(record, **changes)  # type: ignore[arg-type]
    tx.run(
        "schedules.change",
        name=new.name,
        job=new.job,
        definition=new.definition,
        declared=new.declared,
        owner=new.owner,
        watermark=new.watermark,
        next_due_at=new.next_due_at,
        edited_at=new.edited_at,
        edited_by=new.edited_by,
    )


_UNEDITED = {"edited_at": None, "edited_by": None}


def pause(tx: Transaction, name: str, now: int, *, by: str, why: str | None) -> bool:
    return tx.run("schedules.pause", name=name, now=now, by=by, why=why) == 1


def resume(tx: Transaction, name: str, watermark: int, next_due_at: int | None) -> bool:
    return tx.run("schedules.resume", name=name, watermark=watermark, next_due_at=next_due_at) == 1


def remove(tx: Transaction, name: str, now: int) -> bool:
    return tx.run("schedules.remove", name=name, now=now) == 1
