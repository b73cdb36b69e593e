from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rota.errors import ConfigError
from rota.recipes import PruneLogs
from tests.recipes.conftest import NOW, cook

Log = Callable[..., Path]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """``log(name, days, content)``: a file that was last changed so many days ago."""

    def make(name: str, ago: float = 0, content: bytes = b"line\n", mode: int = 0o640) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(mode)
        at = (NOW - timedelta(days=ago)).timestamp()
        os.utime(path, (at, at))
        return path

    return make


def prune(place: Path, *, as_of: datetime = NOW, dry_run: bool = False, **options: Any) -> Any:
    return cook(PruneLogs(place, **options), as_of=as_of, dry_run=dry_run)


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def done(result: Any) -> dict[str, int]:
    return {name: count for name, count in result.counts.items() if count and not name.startswith("bytes")}


@pytest.mark.defect("LP-B5")
def test_old_rotated_files_go_and_active_ones_never(log: Log, tmp_path: Path) -> None:
    log("app.log", 400)
    log("app.log.1", 31)
    log("app.log.2.gz", 29.98)
    log("app.log.20260101", 1)
    log("app-2026-01-02.log", 1)
    log("notes.txt", 400)

    result = prune(tmp_path, compress=False)

    assert names(tmp_path) == ["app.log", "app.log.2.gz", "notes.txt"]
    assert done(result) == {"deleted_age": 3}
    assert result.details["skipped"] == {"foreign": 1}
    assert result.counts["bytes_freed"] == 15


@pytest.mark.defect("LP-B5")
def test_too_many_of_one_name_go_but_none_that_is_young(log: Log, tmp_path: Path) -> None:
    log("app.log")
    for number in range(1, 13):
        log(f"app.log.{number}", 5 + number / 100)
        log(f"other.log.{number}", number / 100)

    result = prune(tmp_path, compress=False)

    assert done(result) == {"deleted_count": 2}
    assert "app.log.10" in names(tmp_path)
    assert not {"app.log.11", "app.log.12"} & set(names(tmp_path))
    assert "other.log.12" in names(tmp_path)


@pytest.mark.defect("LP-B5")
def test_a_large_file_is_rotated_and_its_writer_told(log: Log, tmp_path: Path) -> None:
    large = log("app.log", 0, b"x" * 200)
    log("app.log.20260305-120000", 0)
    told: list[Path] = []

    result = prune(tmp_path, max_megabytes=100 / 2**20, reopen=told.append, compress=False)

    assert done(result) == {"rotated": 1}
    assert (tmp_path / "app.log.20260305-120000-2").read_bytes() == b"x" * 200
    assert told == [large.resolve()]
    assert not large.exists()


def test_where_the_writer_cannot_be_told_the_file_is_copied_and_emptied(log: Log, tmp_path: Path) -> None:
    large = log("app.log", 0, b"x" * 200)
    number = large.stat().st_ino

    prune(tmp_path, max_megabytes=100 / 2**20, mode="copytruncate", compress=False)

    assert (large.stat().st_size, large.stat().st_ino) == (0, number)
    assert (tmp_path / "app.log.20260305-120000").stat().st_size == 200


@pytest.mark.defect("LP-B5")
def test_what_is_compressed_keeps_its_age_and_its_rights(log: Log, tmp_path: Path) -> None:
    content = b"a long line, again and again\n" * 1_000
    before = log("app.log.1", 2, content, 0o600).stat()
    log("app.log.2", 0.01)

    result = prune(tmp_path)

    packed = tmp_path / "app.log.1.gz"
    assert gzip.decompress(packed.read_bytes()) == content
    assert (packed.stat().st_mtime_ns, packed.stat().st_mode) == (before.st_mtime_ns, before.st_mode)
    assert names(tmp_path) == ["app.log.1.gz", "app.log.2"]  # this one may still be written to
    assert result.counts["bytes_saved_by_compression"] == len(content) - packed.stat().st_size
    assert result.details["skipped"] == {"in_use": 1}
    assert done(prune(tmp_path)) == {}
    assert done(prune(tmp_path, as_of=NOW + timedelta(days=29))) == {"deleted_age": 1, "compressed": 1}


@pytest.mark.defect("LP-B5")
def test_an_archive_of_the_same_name_is_never_written_over(log: Log, tmp_path: Path) -> None:
    """As Python's RotatingFileHandler and others make a new ``app.log.1`` each day."""
    log("app.log")
    log("app-20260301.log.gz", 4, b"no archive at all")
    log("app-20260301.log", 4, b"of March")
    for ago, content in ((9, b"day 9\n"), (8, b"day 8\n"), (7, b"day 7\n"), (7, b"of the same second\n")):
        log("app.log.1", ago, content)
        prune(tmp_path)

    assert (tmp_path / "app-20260301.log.gz").read_bytes() == b"no archive at all"
    packed = [path for path in tmp_path.glob("app.log.*")]
    assert {path.name: gzip.decompress(path.read_bytes()) for path in packed} == {
        "app.log.1.gz": b"day 9\n", "app.log.20260225-120000.gz": b"day 8\n", "app.log.20260226-120000.gz": b"day 7\n",
        "app.log.20260226-120000-2.gz": b"of the same second\n", "app.log.20260301-000000.gz": b"of March",
    }  # fmt: skip
    assert done(prune(tmp_path, max_files=1)) == {"deleted_count": 5}  # they are still known for what they are


def test_what_a_crash_left_after_its_archive_is_not_kept_twice(log: Log, tmp_path: Path) -> None:
    source = log("app.log.1", 2)
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(source.read_bytes()))

    prune(tmp_path)

    assert names(tmp_path) == ["app.log.1.gz"]


def test_what_a_crash_left_half_compressed_is_done_again(log: Log, tmp_path: Path) -> None:
    log("app.log.1", 2)
    log("app.log.1.gz.tmp", 1, b"half")

    prune(tmp_path)

    assert names(tmp_path) == ["app.log.1.gz"]


def test_a_dated_file_is_rotated_only_where_there_is_one_without(log: Log, tmp_path: Path) -> None:
    log("svc-20200101.log", 900)
    log("app-20200101.log", 900)
    log("app.log")

    prune(tmp_path)

    assert names(tmp_path) == ["app.log", "svc-20200101.log"]


def test_links_folders_and_files_elsewhere_are_left_alone(log: Log, tmp_path: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside") / "secret"
    outside.write_text("mine")
    (tmp_path / "app.log.1").symlink_to(outside)
    (tmp_path / "app.log.2").mkdir()
    for each in (outside, tmp_path / "app.log.1", tmp_path / "app.log.2"):
        os.utime(each, (0, 0), follow_symlinks=False)

    result = prune(tmp_path)

    assert outside.read_text() == "mine"
    assert names(tmp_path) == ["app.log.1", "app.log.2"]
    assert result.details["skipped"] == {"symlink": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_cannot_be_read_leaves_the_others_their_turn_for_a_user(log: Log, tmp_path: Path) -> None:
    log("app.log.1", 2, mode=0o000)
    log("app.log.2", 2)

    result = prune(tmp_path)

    assert (result.status, done(result)) == ("partial", {"compressed": 1})


def test_a_file_that_refuses_leaves_the_others_their_turn(log: Log, tmp_path: Path) -> None:
    log("app.log.1", 2)
    log("app.log.2", 2)
    (tmp_path / "app.log.1.gz.tmp").mkdir()

    result = prune(tmp_path)

    assert (result.status, done(result), result.error_count) == ("partial", {"compressed": 1}, 1)
    assert (tmp_path / "app.log.1").exists()


def test_a_directory_has_a_size_that_it_may_have(log: Log, tmp_path: Path) -> None:
    for number in range(1, 6):
        log(f"app.log.{number}", number, b"x" * 100)
    log("app.log", 0, b"x" * 100)

    prune(tmp_path, max_total_megabytes=350 / 2**20, compress=False)

    assert names(tmp_path) == ["app.log", "app.log.1", "app.log.2"]


def test_a_dry_run_touches_nothing_and_counts_the_same(log: Log, tmp_path: Path) -> None:
    log("app.log", 0, b"x" * 200)
    log("app.log.1", 2)
    log("app.log.2", 90)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    dry = prune(tmp_path, max_megabytes=100 / 2**20, dry_run=True)

    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert dry.status == "dry_run"
    assert (
        done(dry)
        == done(prune(tmp_path, max_megabytes=100 / 2**20))
        == {"rotated": 1, "deleted_age": 1, "compressed": 1}
    )


def test_a_directory_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no directory"):
        prune(tmp_path / "nowhere")
