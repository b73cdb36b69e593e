from __future__ import annotations

import enum
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import time, timedelta
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Computed,
    Engine,
    Enum,
    Float,
    Identity,
    Integer,
    Interval,
    MetaData,
    PickleType,
    Table,
    Text,
    Time,
    cast,
    null,
    select,
    update,
)

from rota.errors import ConfigError, ConflictError, NotFoundError
from rota.recipes import Age, Anonymise, Archive, ArchiveTo, Child, Retention, Safety, Update, audit, bind
from rota.recipes.archive import Sink
from rota.recipes.archive_rows import ArchiveError
from rota.recipes.recipe import RowRecipe
from rota.recipes.rows import Rows
from rota.recipes.undo import Undone, undo
from tests.recipes.conftest import cook, days
from tests.recipes.tables import comments, metadata, notes

ANY = Safety(most_fraction=None, runaway=None, pause=0, batch=2)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]
kept_notes = notes.to_metadata(metadata, name="kept_note")


class PreconditionFailedError(Exception):
    """As botocore's ClientError."""

    response: ClassVar = {"ResponseMetadata": {"HTTPStatusCode": 412}}


class Store:
    """As boto3's client of S3, as far as it is used."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str) -> None:  # noqa: N803 - boto3's words
        assert IfNoneMatch == "*"
        if (Bucket, Key) in self.objects:
            raise PreconditionFailedError
        self.objects[Bucket, Key] = Body

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(self.objects[Bucket, Key])}


@pytest.fixture(params=["folder", "objects", "table"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Sink:
    sinks: dict[str, Sink] = {
        "folder": ArchiveTo.folder(tmp_path / "archive"),
        "objects": ArchiveTo.s3(Store(), "old", "notes/"),
        "table": ArchiveTo.table(kept_notes),
    }
    return sinks[request.param]


def old(sink: Sink) -> Retention:
    return Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY, archive_to=sink)


def put_back(engine: Engine, recipe: RowRecipe, within: str = "30d", run: str = "shop/clean:1") -> Undone:
    [part] = recipe.parts(days(0)[0])
    assert recipe.archive_to is not None
    return undo(engine, recipe.archive_to, part.rows, run, by="anna", within=Age.of(within))


@pytest.fixture
def notes_put(put: Put) -> list[int]:
    put(notes, *({"id": id_, "created_at": at, "text": f"é {id_}"} for id_, at in enumerate(days(*[100] * 5, 1), 1)))
    return [1, 2, 3, 4, 5, 6]


def test_what_a_run_removed_is_put_back_as_it_was(
    engine: Engine, sink: Sink, notes_put: list[int], rows_of: RowsOf
) -> None:
    before = rows_of(notes)
    assert cook(old(sink)).counts["deleted"] == 5
    assert rows_of(notes, notes.c.id) == [6]

    assert put_back(engine, old(sink)) == Undone(5, [])

    assert rows_of(notes) == before
    assert [(row.action, row.count, row.actor) for row in rows_of(audit)][3:] == [
        ("undo", 1, "anna"),
        ("undo", 2, "anna"),
        ("undo", 2, "anna"),
    ]
    assert put_back(engine, old(sink)) == Undone(0, [5, 3, 4, 1, 2])


def test_rows_that_are_there_again_are_left_as_they_are(
    engine: Engine, sink: Sink, notes_put: list[int], put: Put, rows_of: RowsOf
) -> None:
    cook(old(sink))
    put(notes, {"id": 2, "created_at": days(1)[0], "text": "new"})

    assert put_back(engine, old(sink)) == Undone(4, [2])
    assert rows_of(notes, notes.c.text)[1] == "new"


def by_first_key(rows: Rows, found: Sequence[Mapping[str, Any]]) -> str:
    return f"{rows.table.name}-{found[0]['id']}"


@pytest.mark.parametrize("kind", ["folder", "objects"])
def test_a_part_whose_name_another_has_gets_its_checksum_in_its_name(
    kind: str, engine: Engine, notes_put: list[int], rows_of: RowsOf, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"name": by_first_key, "manifest": True}
    sink = ArchiveTo.folder(tmp_path, **options) if kind == "folder" else ArchiveTo.s3(Store(), "old", **options)
    cook(old(sink))
    put_back(engine, old(sink))
    with engine.begin() as connection:
        connection.execute(update(notes).where(notes.c.id == 2).values(text="changed"))

    cook(old(sink), id=2)  # the two other parts are put where they were
    batches = [row.archive for row in rows_of(audit) if row.archive]
    with engine.connect() as connection:
        read = {each["object"]: [row["text"] for row in sink.read(connection, each)] for each in batches}

    changed = f"note-1-{batches[3]['sha256'][:12]}.jsonl.gz"
    assert read == {
        "note-1.jsonl.gz": ["é 1", "é 2"], "note-3.jsonl.gz": ["é 3", "é 4"], "note-5.jsonl.gz": ["é 5"],
        changed: ["é 1", "changed"],
    }  # fmt: skip
    told = json.loads(sink.objects.get(changed.replace("jsonl.gz", "manifest.json")))
    assert (told["object"], told["sha256"], told["keys"]) == (changed, batches[3]["sha256"], [1, 2])


def test_a_table_that_has_another_row_of_the_key_keeps_the_rows(
    engine: Engine, notes_put: list[int], rows_of: RowsOf
) -> None:
    recipe = old(ArchiveTo.table(kept_notes))
    cook(recipe)
    put_back(engine, recipe)
    assert cook(recipe, id=2).counts["deleted"] == 5  # the same rows once more are no matter
    put_back(engine, recipe, run="shop/clean:2")
    with engine.begin() as connection:
        connection.execute(update(notes).where(notes.c.id == 2).values(text="changed"))

    with pytest.raises(ArchiveError, match="kept_note has another row with the key 2 already"):
        cook(recipe, id=3)
    assert rows_of(notes, notes.c.id) == notes_put


def test_after_its_window_it_is_refused(engine: Engine, sink: Sink, notes_put: list[int]) -> None:
    cook(old(sink))
    with engine.begin() as connection:
        connection.execute(audit.update().values(at=days(200)[0] - timedelta(days=1)))

    with pytest.raises(ConflictError, match="longer ago than 30d"):
        put_back(engine, old(sink))


def test_a_run_that_kept_nothing_is_told(engine: Engine, sink: Sink, notes_put: list[int]) -> None:
    cook(Retention(notes, age=notes.c.created_at, older_than="90d", safety=ANY))

    with pytest.raises(NotFoundError, match="has kept no rows of note"):
        put_back(engine, old(sink))


def test_an_archive_that_cannot_be_read_back_keeps_the_rows(
    engine: Engine, notes_put: list[int], rows_of: RowsOf
) -> None:
    class Lossy(Store):
        def put_object(self, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str) -> None:  # noqa: N803
            super().put_object(Bucket, Key, Body[:-1], IfNoneMatch)

    with pytest.raises(ArchiveError, match="is not what was written there"):
        cook(old(ArchiveTo.s3(Lossy(), "old")))

    assert rows_of(notes, notes.c.id) == notes_put
    assert rows_of(audit) == []


def test_one_that_was_changed_since_is_not_put_back(
    engine: Engine, notes_put: list[int], rows_of: RowsOf, tmp_path: Path
) -> None:
    recipe = old(ArchiveTo.folder(tmp_path))
    cook(recipe)
    file = next(tmp_path.rglob("*.jsonl.gz"))
    assert {"id", "text"} <= set(json.loads(gzip.decompress(file.read_bytes()).splitlines()[0]))
    file.write_bytes(gzip.compress(b"{}\n"))

    with pytest.raises(ArchiveError):
        put_back(engine, recipe)
    file.unlink()
    with pytest.raises(ArchiveError, match="is not in"):
        put_back(engine, recipe)


def test_a_table_without_the_columns_is_refused(engine: Engine, notes_put: list[int]) -> None:
    with pytest.raises(ConfigError, match="note_comment has no column 'created_at', which note has"):
        cook(old(ArchiveTo.table(comments)))


class Colour(enum.StrEnum):
    RED = "r"


@pytest.mark.parametrize(("type_", "value", "comes_back"), [
    (Time(), time(3, 4, 5, 6), True), (Interval(), timedelta(days=-1, microseconds=7), True),
    (JSON(), {"a": [None]}, True), (JSON(), "text", True), (Float(), float("inf"), True),
    (Enum(Colour), Colour.RED, True),
    (Enum(Colour, values_callable=lambda of: [each.value for each in of]), Colour.RED, False),
    (PickleType(), {1, 2}, False),
])  # fmt: skip
def test_what_does_not_come_back_as_it_was_is_not_deleted(
    type_: Any, value: Any, comes_back: bool, engine: Engine, tmp_path: Path
) -> None:
    own = MetaData()
    table = Table("kind", own, Column("id", Integer, primary_key=True), Column("v", type_))
    own.create_all(engine)
    bind(own, engine)
    with engine.begin() as connection:
        connection.execute(table.insert().values(id=1, v=value))
    recipe = Archive(table, where=table.c.id > 0, archive_to=ArchiveTo.folder(tmp_path), safety=ANY)

    if comes_back:
        assert cook(recipe).counts["archived"] == 1
        put_back(engine, recipe)
    else:
        with pytest.raises(ArchiveError, match=r"kind\.v has a (Colour|set), which would not come back"):
            cook(recipe)
    with engine.connect() as connection:
        assert connection.execute(select(table)).all() == [(1, value)]


def sink_of(kind: str, table: Table, tmp_path: Path) -> Sink:
    """A folder, or a table of its own with the same columns."""
    if kind == "folder":
        return ArchiveTo.folder(tmp_path)
    return ArchiveTo.table(table.metadata.tables["old"])


@pytest.mark.parametrize("kind", ["folder", "table"])
@pytest.mark.parametrize("is_computed", [True, False])
def test_what_the_database_makes_itself_is_left_to_it_on_the_way_back(
    kind: str, is_computed: bool, engine: Engine, tmp_path: Path
) -> None:
    own = MetaData()
    twice = (Column("twice", Integer, Computed("a * 2")), Column("twice", Integer, *[Computed("a * 2")][:is_computed]))
    number = Column("id", Integer, Identity(always=True), primary_key=True)
    table = Table("made", own, number, Column("a", Integer), twice[0])
    Table("old", own, Column("id", Integer, primary_key=True), Column("a", Integer), twice[1])
    own.create_all(engine)
    bind(own, engine)
    with engine.begin() as connection:
        connection.execute(table.insert(), [{"a": 1}, {"a": None}, {"a": 3}])
        before = connection.execute(select(table).order_by(number)).all()
    recipe = Archive(table, where=table.c.id > 0, archive_to=sink_of(kind, table, tmp_path), safety=ANY)

    assert cook(recipe).counts["archived"] == 3
    assert put_back(engine, recipe) == Undone(3, [])

    with engine.connect() as connection:
        assert (
            connection.execute(select(table).order_by(number)).all()
            == before
            == [(1, 1, 2), (2, None, None), (3, 3, 6)]
        )


@pytest.mark.parametrize("kind", ["folder", "table"])
@pytest.mark.parametrize("none_as_null", [True, False])
def test_null_comes_back_as_null_and_the_null_of_json_as_that(
    kind: str, none_as_null: bool, engine: Engine, tmp_path: Path
) -> None:
    own = MetaData()
    type_ = JSON(none_as_null=none_as_null)
    columns = [[Column("id", Integer, primary_key=True), Column("v", type_), Column("w", type_)] for _ in range(2)]
    table, _ = Table("kind", own, *columns[0]), Table("old", own, *columns[1])
    own.create_all(engine)
    bind(own, engine)
    values = [null(), JSON.NULL, {"a": None}, "null"]
    with engine.begin() as connection:
        for number, (v, w) in enumerate(product(values, values)):
            connection.execute(table.insert().values(id=number, v=v, w=w))
    kinds = select(table, table.c.v.is_(null()), table.c.w.is_(null()), cast(table.c.v, Text)).order_by(table.c.id)
    with engine.connect() as connection:
        before = connection.execute(kinds).all()
    recipe = Archive(table, where=table.c.id >= 0, archive_to=sink_of(kind, table, tmp_path), safety=ANY)

    assert cook(recipe).counts["archived"] == 16
    assert put_back(engine, recipe).restored == 16

    with engine.connect() as connection:
        assert connection.execute(kinds).all() == before


@pytest.mark.parametrize(("kind", "options"), [
    (Update, {"where": notes.c.text.is_not(None), "set_values": {"text": None}}),
    (Anonymise, {"set_values": {"text": "-"}, "marker": notes.c.read_at}),
])  # fmt: skip
def test_what_was_changed_and_not_removed_is_told_and_left(
    kind: Any, options: Any, engine: Engine, sink: Sink, notes_put: list[int], rows_of: RowsOf
) -> None:
    recipe = kind(notes, age=notes.c.created_at, older_than="90d", safety=ANY, archive_to=sink, **options)
    assert cook(recipe).status == "success"
    before = rows_of(notes)

    with pytest.raises(ConflictError, match=rf"has changed rows of note \({kind.action}\) and removed none"):
        put_back(engine, recipe)

    assert rows_of(notes) == before


@pytest.mark.parametrize("kind", [Retention, Archive])
def test_children_that_no_archive_would_keep_are_refused(kind: type[Retention], tmp_path: Path) -> None:
    given: Any = {"archive_to": ArchiveTo.folder(tmp_path), "children": (Child(comments, comments.c.note_id),)}

    with pytest.raises(ConfigError, match="children= would go without an archive") as told:
        kind(notes, age=notes.c.created_at, older_than="90d", **given)
    assert "note_comment" in str(told.value.hint)


def test_an_archive_says_where_it_is(engine: Engine, put: Put, rows_of: RowsOf, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="archive of note: nothing says where to"):
        Archive(notes, age=notes.c.created_at, older_than="90d")
    put(notes, {"id": 1, "created_at": days(100)[0]})

    result = cook(Archive(notes, age=notes.c.created_at, older_than="90d", archive_to=ArchiveTo.folder(tmp_path)))

    assert (result.counts["archived"], result.counts["parts"], rows_of(notes, notes.c.id)) == (1, 1, [])
