from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, DateTime, Engine, ForeignKey, Integer, MetaData, Table, Text, event, select, update

from rota.errors import Parked
from rota.recipes import OrphanFiles, Reference, Safety, audit, bind
from rota.recipes.references import in_urls
from rota.testing import FakeHome
from tests.recipes.conftest import NOW, cook

metadata = MetaData()
uploads = Table(
    "upload",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("filename", Text),
    Column("path", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("state", Text, nullable=False, default="live"),
    Column("unreferenced_since", DateTime(timezone=True)),
    Column("claimed_at", DateTime(timezone=True)),
)
users = Table(
    "person", metadata, Column("id", Integer, primary_key=True), Column("avatar_url", Text), Column("bio", Text)
)
covers = Table(
    "cover", metadata, Column("id", Integer, primary_key=True), Column("upload_id", ForeignKey(uploads.c.id))
)
DAY = timedelta(days=1)
GENTLE = Safety(most_rows=10_000, most_fraction=0.5, floor=100, batch=2, pause=0, on_guard="abort")
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]
Upload = Callable[..., Path]


@pytest.fixture(autouse=True)
def made(engine: Engine) -> None:
    metadata.create_all(engine)
    bind(metadata, engine)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def upload(root: Path, put: Put) -> Upload:
    """``upload(1, "a.png", days=40)``: a row, and its file of four bytes."""

    def upload_(number: int, name: str | None = None, days: float = 40, **more: Any) -> Path:
        name = name or f"{number}.png"
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(path, (at, at))
        row = {"id": number, "filename": path.name, "path": name, "created_at": NOW - timedelta(days=days)}
        put(uploads, row | more)
        return path

    return upload_


def recipe(root: Path, **options: Any) -> OrphanFiles:
    of = uploads.c
    given = {
        "path": of.path,
        "state": of.state,
        "age": of.created_at,
        "unreferenced_since": of.unreferenced_since,
        "claimed_at": of.claimed_at,
        "root": root,
        "references": [Reference(users.c.avatar_url), Reference(users.c.bio)],
        "safety": GENTLE,
    }
    return OrphanFiles(uploads, **(given | options))


def scan(root: Path, day: float = 0, *, dry_run: bool = False, home: FakeHome | None = None, **options: Any) -> Any:
    number = int(day * 100) + 1
    return cook(recipe(root, **options), as_of=NOW + day * DAY, id=number, dry_run=dry_run, home=home)


def done(result: Any) -> dict[str, int]:
    others = ("checked_count", "orphaned_count", "untracked_files", "bytes_freed")
    return {name: count for name, count in result.counts.items() if count and name not in others}


def states(rows_of: RowsOf) -> dict[int, str]:
    return {row.id: row.state for row in rows_of(uploads)}


def test_a_file_goes_after_two_scans_a_day_apart_and_a_day_in_quarantine(
    upload: Upload, root: Path, rows_of: RowsOf
) -> None:
    path = upload(1)
    upload(2, days=30)

    first, soon, second, third, last = (scan(root, day) for day in (0, 0.5, 1, 1.5, 2))

    assert [done(each) for each in (first, soon, second, third, last)] == [
        {}, {}, {"quarantined": 1}, {"quarantined": 1}, {"purged": 1, "deleted_records": 1, "deleted_files": 1},
    ]  # fmt: skip
    assert (first.counts["checked_count"], first.counts["orphaned_count"]) == (1, 1)  # exactly 30 days is not older
    assert not path.exists()
    assert last.counts["bytes_freed"] == 4
    assert states(rows_of) == {2: "quarantined"}
    actions = [(row.action, row.count, row.sample) for row in rows_of(audit) if row.action != "scan"]
    assert actions == [
        ("mark", 1, [1]), ("mark", 1, [2]), ("quarantined", 1, [1]), ("quarantined", 1, [2]), ("deleting", 1, [1]),
        ("delete", 1, [1]),
    ]  # fmt: skip


def test_in_quarantine_it_lies_aside_and_is_put_back_when_something_refers_to_it_again(
    upload: Upload, root: Path, put: Put, rows_of: RowsOf
) -> None:
    path = upload(1, "deep/a.png")
    scan(root)
    scan(root, 1)
    assert not path.exists()
    assert [each.name for each in (root / ".trash" / "2026-03-06").iterdir()] == ["1-a.png"]

    put(users, {"id": 1, "avatar_url": "/uploads/deep/a.png"})
    result = scan(root, 2)

    assert done(result) == {"restored": 1}
    assert path.read_bytes() == b"1234"
    [row] = rows_of(uploads)
    assert (row.state, row.unreferenced_since, row.claimed_at) == ("live", None, None)


@pytest.mark.parametrize(
    "text",
    [
        "https://cdn.example.org/api/uploads/7?width=200#top",
        "/api/uploads/7/thumb",
        "/uploads/a%20b.png",
        "see ![it](/api/uploads/7) and more",
        '<img src="https://x.example/uploads/A%20B.PNG">',
        "https://proxy.example/?url=https%3A%2F%2Fx%2Fapi%2Fuploads%2F7",
        "It is at /uploads/7.",
    ],
)
def test_what_refers_to_a_file_keeps_it_however_it_is_written(
    text: str, upload: Upload, root: Path, put: Put, rows_of: RowsOf
) -> None:
    upload(7, "a b.png", 800)
    put(users, {"id": 1, "bio": text})

    for day in range(4):
        scan(root, day)

    assert states(rows_of) == {7: "live"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.png", "&#x2F;uploads&#x2F;a.png"),
        ("a.png", "/uploads/a.png&amp;w=3"),
        ("a&b.png", "/uploads/a&amp;b.png"),
        ("a.png", json.dumps({"src": "/uploads/a.png"}).replace("/", "\\/")),
        ("a.png", "\\u002fuploads\\u002fa.png"),
        ("a.png", "%252Fuploads%252Fa.png"),
        ("a.png", "uploads/a.png"),
        ("a.png", "/Uploads/A.PNG"),
        ("a.png", "/uploads/a.png;x=1"),
        ("a.png", "/uploads/a.png,w_300"),
        ("a.png", "`/uploads/a.png`"),
        ("a.png", "/uploads/t_300/a.png|b"),
        ("a.png", "/uploads//a.png"),
        ("\U0001f600.png", "\\/uploads\\/\\ud83d\\ude00.png and half of one: \\ud83d"),
        ("a b.png", "/uploads/a b.png"),
        ("a b.png", "/uploads/a+b.png"),
        ("Report (1).png", '<img src="/uploads/Report (1).png">'),
        ("a[1].png", "![it](/uploads/a[1].png)"),
        ("a'b.png", "/uploads/a'b.png"),
        ("a#1?.png", "/uploads/a#1?.png"),
        ("a.png.", "/uploads/a.png. And more"),
        ("caf\u00e9.png", "/uploads/cafe\u0301.png"),
        ("cafe\u0301.png", "/uploads/caf%C3%A9.png"),
        ("a%20b.png", "/uploads/a%20b.png"),
        ("a%20b.png", "/uploads/a%2520b.png"),
        ("deep/my own (2).png", "/uploads/deep/my own (2).png"),
    ],
)
def test_what_may_mean_a_file_keeps_it(name: str, text: str, upload: Upload, root: Path, put: Put) -> None:
    path = upload(7, name)
    upload(8, "k.png")
    put(users, {"id": 1, "bio": "/uploads/k.png"}, {"id": 2, "bio": text})

    for day in range(3):
        result = scan(root, day)

    assert (path.exists(), result.counts["orphaned_count"], result.status) == (True, 0, "success")


def test_a_reference_to_another_file_keeps_none(upload: Upload, root: Path, put: Put) -> None:
    upload(7)
    put(users, {"id": 1, "bio": "/uploads/77.png, /api/uploads/70, /projects/7, /uploads/7-a.png"})

    assert scan(root).counts["orphaned_count"] == 1


def test_a_foreign_key_is_a_reference_unasked_and_others_may_be_plain_keys(
    upload: Upload, root: Path, put: Put
) -> None:
    for number in (1, 2, 3):
        upload(number)
    put(covers, {"id": 1, "upload_id": 1})
    put(users, {"id": 1, "bio": "2"})

    result = scan(root, references=[Reference(users.c.bio, str)])

    assert result.counts["orphaned_count"] == 1


def test_a_reference_that_comes_between_scan_and_claim_keeps_the_file(
    upload: Upload, root: Path, engine: Engine, rows_of: RowsOf
) -> None:
    upload(1)
    scan(root)
    reads = 0

    def extract(value: str) -> set[str]:
        """The scan finds nothing; by the claim, somebody has used it."""
        nonlocal reads
        reads += 1
        return in_urls(value) if reads > 1 else set()

    with engine.begin() as connection:
        connection.execute(users.insert().values(id=1, avatar_url="/api/uploads/1"))
    result = scan(root, 1, references=[Reference(users.c.avatar_url, extract)])

    assert (done(result), states(rows_of)) == ({}, {1: "live"})
    assert reads > 1
    assert rows_of(uploads, uploads.c.unreferenced_since) == [None]  # its evidence begins anew


def test_evidence_is_forgotten_when_it_is_referred_to_between(upload: Upload, root: Path, engine: Engine) -> None:
    upload(1)
    scan(root)
    with engine.begin() as connection:
        connection.execute(users.insert().values(id=1, avatar_url="/api/uploads/1"))
    scan(root, 1)
    with engine.begin() as connection:
        connection.execute(users.delete())

    assert done(scan(root, 2)) == {}
    assert done(scan(root, 3)) == {"quarantined": 1}


@pytest.mark.defect("MB-B5")
def test_where_references_collapse_nothing_is_touched(upload: Upload, root: Path, put: Put, engine: Engine) -> None:
    for number in range(1, 41):
        upload(number)
        put(users, {"id": number, "avatar_url": f"/api/uploads/{number}"})
    scan(root)
    with engine.begin() as connection:  # the application has another form of URL from now on
        connection.execute(update(users).values(avatar_url=users.c.avatar_url.op("||")("-x")))

    results = [scan(root, day) for day in (1, 2, 3)]

    assert [each.status for each in results] == ["aborted_guard"] * 3
    assert "0 files are referred to, and 40 were at the last scan" in results[0].message
    assert len(list(root.iterdir())) == 40
    with engine.connect() as connection:
        assert connection.scalars(select(uploads.c.unreferenced_since).distinct()).all() == [None]


def test_a_young_installation_in_which_nothing_refers_to_anything_is_warned(upload: Upload, root: Path) -> None:
    upload(1)

    result = scan(root)

    assert (result.status, result.warnings) == ("success", ["nothing refers to any file"])


def test_too_many_orphans_wait_for_a_person_and_go_when_they_may(upload: Upload, root: Path) -> None:
    for number in range(5):
        upload(number)
    safety = GENTLE.with_(floor=2, on_guard="park")
    home = FakeHome()

    with pytest.raises(Parked) as parked:
        scan(root, safety=safety, home=home)
    assert "upload: nothing needs 5 of 5 files, more than 50%" in str(parked.value.about)

    home.give("approval", {"approved": False}, by="anna", why="not now")
    refused = scan(root, safety=safety, home=home)
    assert (refused.status, refused.counts["orphaned_count"]) == ("aborted_guard", 5)
    home.give("approval", {"approved": True}, by="anna")
    assert scan(root, safety=safety, home=home).details["approved_by"] == "anna"
    assert done(scan(root, 1, safety=safety, home=home)) == {"quarantined": 5}


def test_an_approval_is_for_the_files_that_were_shown_and_for_the_rule(upload: Upload, root: Path) -> None:
    for number in range(5):
        upload(number)
    safety, home = GENTLE.with_(floor=2, on_guard="park"), FakeHome()
    with pytest.raises(Parked):
        scan(root, safety=safety, home=home)
    home.give("approval", {"approved": True}, by="anna")

    with pytest.raises(Parked) as another:
        scan(root, safety=safety, home=home, older_than="20d")
    for number in range(10, 15):
        upload(number)
    with pytest.raises(Parked) as more:
        scan(root, safety=safety, home=home)

    assert [another.value.name, more.value.name] == ["approval:2", "approval:3"]
    assert "nothing needs 10 of 10 files" in str(more.value.about)


def test_a_path_that_leads_out_of_the_root_is_told_and_nothing_is_touched(
    upload: Upload, root: Path, put: Put, tmp_path: Path, rows_of: RowsOf
) -> None:
    outside = tmp_path / "secret"
    outside.write_text("mine")
    (root / "link.png").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "directory").mkdir()
    upload(9, days=1)
    bad = ["../secret", str(outside), "link.png", "folder/secret", "directory", ""]
    for number, path in enumerate(bad):
        put(uploads, {"id": number, "path": path, "created_at": NOW - 99 * DAY})

    scan(root)
    result = scan(root, 1)

    assert (result.status, result.error_count) == ("failed", len(bad))
    assert {each["message"] for each in result.errors} == {
        "its path leads out of the root", "its path is that of no regular file",
    }  # fmt: skip
    assert outside.read_text() == "mine"
    assert (root / "link.png").is_symlink()
    assert set(states(rows_of).values()) == {"live"}


@pytest.mark.parametrize("quarantine", [".trash", None])
@pytest.mark.defect("MB-B6")
def test_a_file_that_cannot_be_moved_or_deleted_keeps_its_row(
    quarantine: str | None, upload: Upload, root: Path, rows_of: RowsOf
) -> None:
    path = upload(1)
    other = upload(2)
    scan(root, quarantine=quarantine)

    path.unlink()
    path.mkdir()  # what refuses everybody, also root
    result = scan(root, 1, quarantine=quarantine)

    assert (result.status, result.errors) == (
        "partial", [{"item": "1", "kind": "file", "message": "its path is that of no regular file"}],
    )  # fmt: skip
    assert states(rows_of)[1] == "live"
    assert not other.exists()

    path.rmdir()
    path.write_text("1")
    result = scan(root, 2, quarantine=quarantine)
    assert (result.status, path.exists()) == ("success", False)


def test_without_a_quarantine_a_crash_between_file_and_row_is_made_good(
    upload: Upload, root: Path, put: Put, rows_of: RowsOf
) -> None:
    upload(1, days=1)
    left = upload(2, state="deleting", claimed_at=NOW)
    put(uploads, {"id": 3, "path": "3.png", "created_at": NOW - 99 * DAY, "state": "deleting", "claimed_at": NOW})

    result = scan(root, quarantine=None)

    assert done(result) == {"deleted_records": 2, "deleted_files": 1, "already_missing": 1}
    assert not left.exists()
    assert states(rows_of) == {1: "live"}


@pytest.mark.parametrize("day", [1.5, 2])
def test_where_the_quarantine_was_emptied_by_hand_a_new_file_at_the_path_stays(
    day: float, upload: Upload, root: Path
) -> None:
    path = upload(1)
    upload(2, days=1)
    scan(root)
    assert done(scan(root, 1)) == {"quarantined": 1}
    shutil.rmtree(root / ".trash")
    path.write_text("new, and its row comes in a minute")

    result = scan(root, day)

    assert done(result) == ({"already_missing": 1, "deleted_records": 1} if day == 2 else {})
    assert path.read_text().startswith("new")


def test_a_crash_between_claim_and_move_is_made_good(upload: Upload, root: Path) -> None:
    path = upload(1, state="quarantined", claimed_at=NOW)
    upload(2, days=1)

    scan(root, 0.5)
    assert not path.exists()
    assert (root / ".trash" / "2026-03-05" / "1-1.png").exists()
    assert done(scan(root, 1)) == {"purged": 1, "deleted_records": 1, "deleted_files": 1}
    assert not (root / ".trash" / "2026-03-05").exists()


def test_a_crash_at_any_commit_ends_as_if_there_had_been_none(upload: Upload, root: Path, engine: Engine) -> None:
    class CrashError(Exception):
        pass

    for number in range(1, 6):
        upload(number)
    upload(9, days=1)
    left, crashes = 0, 0

    def crash(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise CrashError

    for day in (0, 1, 2):
        for tried in range(2, 60, 2):
            left = tried
            event.listen(engine, "commit", crash)
            event.listen(engine, "before_cursor_execute", crash)
            try:
                scan(root, day)
                break
            except CrashError:
                crashes += 1
            finally:
                event.remove(engine, "commit", crash)
                event.remove(engine, "before_cursor_execute", crash)
        scan(root, day)

    assert crashes > 15
    with engine.connect() as connection:
        assert connection.scalars(select(uploads.c.id)).all() == [9]
    assert sorted(each.name for each in root.iterdir()) == [".trash", "9.png"]
    assert list((root / ".trash").iterdir()) == []


def test_a_file_that_a_living_upload_shares_stays(upload: Upload, root: Path, put: Put, rows_of: RowsOf) -> None:
    path = upload(1)
    put(uploads, {"id": 2, "path": "1.png", "created_at": NOW - 99 * DAY})
    put(covers, {"id": 1, "upload_id": 2})
    recipe_ = {"references": [], "names": ()}

    for day in range(3):
        result = scan(root, day, **recipe_)

    # Row 1 has the name of the file as well, but nothing names it; row 2 is kept by its foreign key.
    assert done(result) == {"deleted_records": 1, "shared": 1}
    assert path.exists()
    assert states(rows_of) == {2: "live"}


@pytest.mark.parametrize("written", ["./1.png", "sub/../1.png", "{root}/1.png", "linked/1.png", "sub/./../1.png"])
@pytest.mark.parametrize("quarantine", [".trash", None])
def test_it_stays_however_the_other_writes_its_path(
    written: str, quarantine: str | None, upload: Upload, root: Path, put: Put, rows_of: RowsOf
) -> None:
    path = upload(1)
    (root / "sub").mkdir()
    (root / "linked").symlink_to(root)
    put(uploads, {"id": 2, "path": written.format(root=root), "created_at": NOW - 99 * DAY})
    put(covers, {"id": 1, "upload_id": 2})

    for day in range(3):
        scan(root, day, references=[], quarantine=quarantine)

    assert (path.exists(), states(rows_of)) == (True, {2: "live"})


def test_a_wrong_root_is_seen_and_a_marker_says_that_it_is_right(upload: Upload, root: Path, tmp_path: Path) -> None:
    upload(1)
    (tmp_path / "empty").mkdir()

    missing, wrong = scan(tmp_path / "nowhere"), scan(tmp_path / "empty")
    assert (missing.status, wrong.status) == ("aborted_guard", "aborted_guard")
    assert "has none of the files" in wrong.message

    (tmp_path / "empty" / ".uploads").touch()
    assert scan(tmp_path / "empty").status == "success"


def test_files_without_a_row_are_told_and_removed_only_where_that_is_asked_for(upload: Upload, root: Path) -> None:
    def file(name: str, age: timedelta) -> Path:
        path = root / name
        path.write_bytes(b"12")
        at: datetime = NOW - age
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path

    kept = upload(1, "./deep/../deep/kept.png", days=1)
    os.utime(kept, (0, 0))
    old, young = file("old.png", 2 * DAY), file("young.png", timedelta(hours=23))

    told = scan(root)
    assert (told.counts["untracked_files"], old.exists()) == (1, True)
    assert list(recipe(root).untracked(NOW)) == [old.resolve()]

    removed = scan(root, remove_untracked=True)
    assert (removed.counts["deleted_files"], removed.counts["bytes_freed"]) == (1, 2)
    assert (old.exists(), young.exists(), kept.exists()) == (False, True, True)


def test_a_dry_run_writes_nothing(
    upload: Upload, root: Path, engine: Engine, rows_of: RowsOf, database_url: str
) -> None:
    upload(1)
    upload(2, state="deleting", claimed_at=NOW)
    upload(3, days=1)
    scan(root)
    before = (rows_of(uploads), rows_of(audit), sorted(map(str, root.rglob("*"))))

    result = scan(root, 5, dry_run=True, safety=GENTLE.with_(floor=0))

    assert (result.status, result.counts["orphaned_count"]) == ("dry_run", 1)
    assert result.details["trips"] == ["nothing needs 1 of 1 files, more than 50%"]
    assert (rows_of(uploads), rows_of(audit), sorted(map(str, root.rglob("*")))) == before
