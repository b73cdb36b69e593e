"""SG-1: audit logs of more than ninety days are kept elsewhere, verified, and only then deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import Connection, Engine

from apps.savings.settings import Settings
from apps.savings.tables import archive_parts, audit_logs, audit_logs_archive
from rota.recipes import ArchiveTo, Retention, Safety, insert, writing
from rota.recipes.archive import Sink
from rota.recipes.archive_rows import decode
from rota.recipes.rows import Key, Rows

if TYPE_CHECKING:
    from rota import Run

SAFETY = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort", batch=5_000)


def archive_audit_logs(settings: Settings) -> Retention:
    return Retention(
        audit_logs,
        age=audit_logs.c.created_at,
        older_than=f"{settings.audit_retention_days}d",
        counted_as="archived",
        archive_to=_sink(settings),
        safety=SAFETY,
    )


def _sink(settings: Settings) -> Sink | None:
    if settings.archive_mode == "delete_only":
        return None
    if settings.archive_mode == "table" or settings.archive is None:
        return ArchiveTo.table(audit_logs_archive)
    return Parts(ArchiveTo.folder(settings.archive, name=_name, manifest=True))


def _name(rows: Rows, found: Sequence[Mapping[str, Any]]) -> str:
    """By the day of its oldest row, and by the keys of its first and its last: the same part has the same name."""
    oldest = min(row["created_at"] for row in found)
    return f"{rows.table.name}/{oldest:%Y/%m/%d}/part-{found[0]['id']}-{found[-1]['id']}"


@dataclass(frozen=True, slots=True)
class Parts:
    """Also writes each part down, in the transaction that deletes its rows."""

    sink: ArchiveTo
    counted: ClassVar[tuple[str, ...]] = ArchiveTo.counted

    @property
    def disk(self) -> Path | None:
        return self.sink.disk

    def of(self, rows: Rows) -> Any:
        keep = self.sink.of(rows)

        def keep_and_note(connection: Connection, run: Run, keys: Sequence[Key]) -> dict[str, Any]:
            place = keep(connection, run, keys)
            if place["rows"]:
                part = {
                    "part": place["object"],
                    "count": place["rows"],
                    "sha256": place["sha256"],
                    "created_at": run.as_of,
                }
                connection.execute(insert(connection, archive_parts).values(part).on_conflict_do_nothing())
            return place

        return keep_and_note

    def read(self, connection: Connection, place: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        return self.sink.read(connection, place)


def restore(engine: Engine, settings: Settings, part: str) -> int:
    """Put the rows of a part back; those that are there stay as they are. Returns how many came back."""
    assert settings.archive is not None  # noqa: S101 - there is one where there are parts
    sink = ArchiveTo.folder(settings.archive)
    with writing(engine) as connection:
        row = connection.execute(archive_parts.select().where(archive_parts.c.part == part)).one()
        found = sink.read(connection, {"object": part, "rows": row.count, "sha256": row.sha256})
        rows = [decode(audit_logs, each) for each in found]
        statement = insert(connection, audit_logs).on_conflict_do_nothing().returning(audit_logs.c.id)
        return len(connection.execute(statement, rows).all()) if rows else 0
