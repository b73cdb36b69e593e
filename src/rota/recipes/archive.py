"""Keep what goes, before it goes: verified by reading it back, and to be put back for as long as it is kept."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sqlalchemy import Connection, Table, select, tuple_

from rota.errors import ConfigError
from rota.recipes.archive_rows import ArchiveError, as_json, encode, fetch, key_of, line_of, own_columns
from rota.recipes.database import insert, table_of
from rota.recipes.rows import Key, Rows, read_key

if TYPE_CHECKING:
    from rota import Run

PRECONDITION_FAILED = 412
Keeping = Callable[[Connection, "Run", Sequence[Key]], dict[str, Any]]


class Sink(Protocol):
    """Where rows are kept."""

    def of(self, rows: Rows) -> Keeping:
        """What keeps a batch of these rows; returns where they are, as JSON."""

    def read(self, connection: Connection, place: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        """The rows of one batch, as ``encode`` made them; raises ``ArchiveError`` where they are not as they were."""


Naming = Callable[[Rows, Sequence[Mapping[str, Any]]], str]


class Objects(Protocol):
    """A store of bytes under names: a folder, S3, or a dict of a test."""

    def put(self, name: str, data: bytes) -> None:
        """Raises ``FileExistsError`` rather than replace other bytes of that name."""

    def get(self, name: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ArchiveTo:
    """Into a store of objects: each batch is one, lines of JSON, compressed.

    ``ArchiveTo.folder("/var/archive")``, ``ArchiveTo.s3(client, "bucket")``; or ``ArchiveTo.table(old_notes)``.
    """

    objects: Objects
    name: Naming | None = None
    """Names each batch, from its rows: so one that is kept once more, after a crash, is put where it was. Where another
    batch has the name, a checksum is put behind it."""
    manifest: bool = False
    """Beside each batch ``NAME.manifest.json``: how many rows, of which keys, and their checksum."""
    counted: ClassVar[tuple[str, ...]] = ("parts", "bytes")

    @property
    def disk(self) -> Path | None:
        """The folder, where it is one of this machine."""
        return getattr(self.objects, "root", None)

    @classmethod
    def folder(cls, root: str | os.PathLike[str], **options: Any) -> ArchiveTo:
        return cls(Folder(Path(root)), **options)

    @staticmethod
    def table(table: Any) -> Sink:
        """A table with columns of the same names, in the same database."""
        return IntoTable(table_of(table))

    @classmethod
    def s3(cls, client: Any, bucket: str, prefix: str = "", **options: Any) -> ArchiveTo:
        """With a client of boto3."""
        return cls(Bucket(client, bucket, prefix), **options)

    def of(self, rows: Rows) -> Keeping:
        def keep(connection: Connection, run: Run, keys: Sequence[Key]) -> dict[str, Any]:
            found = fetch(connection, rows.table, rows.among(keys))
            found.sort(key=lambda row: tuple(row[column.key] for column in rows.key))
            name = (
                self.name(rows, found) if self.name and found else f"{run.job}/{run.as_of:%Y-%m-%d}/{rows.table.name}"
            )
            return self._keep(connection, rows, found, name, is_named=self.name is not None)

        return keep

    def _keep(
        self, connection: Connection, rows: Rows, found: list[dict[str, Any]], name: str, *, is_named: bool
    ) -> dict[str, Any]:
        if not found:
            return {"rows": 0}
        lines = b"".join(line_of(rows.table, row).encode() + b"\n" for row in found)
        data = gzip.compress(lines, mtime=0)
        digest = hashlib.sha256(data).hexdigest()
        place: dict[str, Any] = {"sha256": digest, "rows": len(found)}
        about = {"table": rows.table.name, "keys": [key_of(rows, found[0]), key_of(rows, found[-1])]}
        unique = f"{name}-{digest[:12]}"
        try:
            place["object"] = self._put(name if is_named else unique, data, place | about)
        except FileExistsError:  # rows that were put back and have changed since
            place["object"] = self._put(unique, data, place | about)
        self.read(connection, place)
        return place | {"counts": {"parts": 1, "bytes": len(data)}}

    def _put(self, name: str, data: bytes, manifest: dict[str, Any]) -> str:
        object_ = f"{name}.jsonl.gz"
        self.objects.put(object_, data)
        if self.manifest:
            told = json.dumps(manifest | {"object": object_}, sort_keys=True)
            self.objects.put(f"{name}.manifest.json", told.encode())
        return object_

    def read(self, connection: Connection, place: Mapping[str, Any]) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        data = self.objects.get(place["object"]) if place["rows"] else b""
        if place["rows"] and hashlib.sha256(data).hexdigest() != place["sha256"]:
            raise ArchiveError(f"{place['object']} is not what was written there")
        lines = gzip.decompress(data).splitlines() if data else []
        if len(lines) != place["rows"]:
            raise ArchiveError(f"{place['object']} has {len(lines)} rows, and {place['rows']} were written")
        return [json.loads(line) for line in lines]


@dataclass(frozen=True, slots=True)
class IntoTable:
    """In the transaction that deletes. A row that is there already stays; where it is another, nothing is deleted."""

    table: Table

    def of(self, rows: Rows) -> Keeping:
        names = self._names(rows.table)
        missing = sorted({*own_columns(rows.table)} - {*self.table.columns.keys()})
        if missing:
            raise ConfigError(f"{self.table.name} has no column {missing[0]!r}, which {rows.table.name} has")

        def keep(connection: Connection, run: Run, keys: Sequence[Key]) -> dict[str, Any]:
            found = select(*(rows.table.columns[name] for name in names)).where(rows.among(keys))
            kept = fetch(connection, rows.table, rows.among(keys))
            connection.execute(insert(connection, self.table).from_select(names, found).on_conflict_do_nothing())
            self._check(connection, rows, kept)
            return {"rows": len(kept), "keys": [key_of(rows, row) for row in kept], "run": run.id}

        return keep

    def _names(self, table: Table) -> list[str]:
        """The columns that are copied."""
        own = {*own_columns(self.table)}
        return [column.key for column in table.columns if column.key in own]

    def _check(self, connection: Connection, rows: Rows, kept: Sequence[Mapping[str, Any]]) -> None:
        """Whether each is there as it is here: one of its key may have been kept before, with other content."""
        keys = [self.table.columns[column.key] for column in rows.key]
        here = [tuple(row[column.key] for column in rows.key) for row in kept]
        names = self._names(rows.table)

        def line(row: Mapping[str, Any]) -> str:
            return json.dumps({name: as_json(row[name]) for name in names}, sort_keys=True)

        lines = {line(row) for row in fetch(connection, self.table, tuple_(*keys).in_(here))} if here else set()
        for row in kept:
            if line(row) not in lines:
                raise ArchiveError(f"{self.table.name} has another row with the key {key_of(rows, row)!r} already")

    def read(self, connection: Connection, place: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
        rows = Rows.older(self.table, None, None, None, datetime.now(UTC))
        keys = [key for each in place["keys"] if (key := read_key(rows, each)) is not None]
        found = fetch(connection, self.table, rows.among(keys)) if keys else []
        if len(found) != place["rows"]:
            raise ArchiveError(f"{self.table.name} has {len(found)} of the {place['rows']} rows that were put there")
        return [encode(self.table, row) for row in found]


@dataclass(frozen=True, slots=True)
class Folder:
    root: Path

    def put(self, name: str, data: bytes) -> None:
        """On disk before this returns, under its name only when it is whole."""
        path = self._path(name)
        if path.exists():
            if path.read_bytes() != data:
                raise FileExistsError(f"{name} is in {self.root} already, with other content")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.name}.partial")
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)

    def get(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError as error:
            raise ArchiveError(f"{name} is not in {self.root} any more") from error

    def _path(self, name: str) -> Path:
        path = (self.root / name).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise ConfigError(f"{name!r} leads out of {self.root}")
        return path


@dataclass(frozen=True, slots=True)
class Bucket:
    client: Any
    bucket: str
    prefix: str

    def put(self, name: str, data: bytes) -> None:
        try:
            self.client.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=data, IfNoneMatch="*")
        except Exception as error:
            if _status(error) != PRECONDITION_FAILED:
                raise
            if self.get(name) != data:
                raise FileExistsError(f"{name} is in {self.bucket} already, with other content") from error

    def get(self, name: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()
        return body


def _status(error: Exception) -> int | None:
    """That of the answer, where it is a ``ClientError`` of boto3."""
    status: int | None = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status
