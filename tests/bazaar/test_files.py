"""Uploaded files that nothing shows any more, and those that something does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.bazaar.settings import Settings
from rota.errors import SettingsError
from tests.bazaar.conftest import NOW, Bazaar, OpenBazaar

JOB = "cleanup-orphaned-files"


def upload(bazaar: Bazaar, id_: int, *, days: float = 31, **values: Any) -> dict[str, Any]:
    (bazaar.uploads / f"{id_}.png").write_bytes(b"1234")
    created = (NOW - timedelta(days=days)).isoformat()
    return {"id": id_, "filename": f"{id_}.png", "path": f"{id_}.png", "created_at": created, **values}


def user(id_: int, **values: Any) -> dict[str, Any]:
    return {"id": id_, "email": f"{id_}@x.org", "created_at": "2020-01-01T00:00:00Z", **values}


def put_shown(bazaar: Bazaar) -> None:
    """Five uploads that something shows, each in its own way, one that is new, and two orphans."""
    bazaar.put(
        users=[
            user(1, avatar_url="https://bazaar.example/api/uploads/1?size=64"),
            user(2, avatar_url="/uploads/2.png", deleted_at="2026-11-01T00:00:00Z"),
        ],
        projects=[
            {"id": 1, "title": "A", "image_url": "http://old.example/api/uploads/3/thumb"},
            {"id": 2, "title": "B", "description": "![plan](/api/uploads/4) and more"},
        ],
        ideas=[{"id": 1, "user_id": 1, "description": "see [it](/uploads/5%2Epng)"}],
        uploads=[*(upload(bazaar, id_) for id_ in (1, 2, 3, 4, 5, 7, 8)), upload(bazaar, 6, days=30)],
    )


def files(bazaar: Bazaar) -> list[str]:
    return sorted(path.name for path in bazaar.uploads.iterdir() if path.is_file())


@pytest.mark.defect("MB-B5")
def test_an_orphan_waits_a_day_in_quarantine_and_then_goes(bazaar: Bazaar) -> None:
    put_shown(bazaar)

    first = bazaar.run(JOB)
    left = files(bazaar)
    second = bazaar.run(JOB, as_of=NOW + timedelta(hours=24))
    third = bazaar.run(JOB, as_of=NOW + timedelta(hours=24))

    assert left == ["1.png", "2.png", "3.png", "4.png", "5.png", "6.png"]
    assert (first["counts"]["checked_count"], first["counts"]["orphaned_count"], first["counts"]["quarantined"]) == (
        7,
        2,
        2,
    )
    assert (second["counts"]["deleted_records"], second["counts"]["deleted_files"]) == (2, 2)
    assert not any(third["counts"][name] for name in ("quarantined", "deleted_records", "deleted_files", "bytes_freed"))


def test_without_quarantine_an_orphan_goes_at_once(open_bazaar: OpenBazaar) -> None:
    bazaar = open_bazaar(quarantine_hours=0)
    put_shown(bazaar)

    counts = bazaar.run(JOB)["counts"]

    assert (counts["deleted_records"], counts["deleted_files"], counts["bytes_freed"]) == (2, 2, 8)
    assert bazaar.rows("uploads", "id") == [1, 2, 3, 4, 5, 6]


@pytest.mark.defect("MB-B6")
def test_a_grace_lets_an_orphan_be_until_it_was_seen_so_long_ago(open_bazaar: OpenBazaar) -> None:
    bazaar = open_bazaar(quarantine_hours=0, orphan_grace_days=30)
    put_shown(bazaar)

    found = [bazaar.run(JOB, as_of=NOW + timedelta(days=days))["counts"]["deleted_files"] for days in (0, 29, 30)]

    assert found == [0, 0, 2]


@pytest.mark.defect("MB-B6")
def test_a_file_that_is_gone_already_is_no_failure_and_a_path_that_leads_out_is(open_bazaar: OpenBazaar) -> None:
    bazaar = open_bazaar(quarantine_hours=0)
    bazaar.put(uploads=[upload(bazaar, 1), upload(bazaar, 2), upload(bazaar, 3, path="../../etc/passwd")])
    (bazaar.uploads / "1.png").unlink()

    result = bazaar.run(JOB)

    counts = result["counts"]
    assert (counts["already_missing"], counts["deleted_files"], counts["failed"]) == (1, 1, 1)
    assert result["status"] == "partial"
    assert bazaar.rows("uploads", "id", "state") == [(3, "live")]


@pytest.mark.defect("MB-B13")
def test_the_wrong_folder_changes_nothing(bazaar: Bazaar) -> None:
    put_shown(bazaar)
    bazaar.uploads.rename(bazaar.uploads.with_name("elsewhere"))
    before = bazaar.everything()

    result = bazaar.run(JOB)

    assert (result["status"], bazaar.everything()) == ("aborted_guard", before)


@pytest.mark.defect("MB-B5")
def test_more_than_half_of_the_files_are_not_removed_in_one_night(bazaar: Bazaar) -> None:
    bazaar.put(uploads=[upload(bazaar, id_) for id_ in range(1, 103)])

    assert bazaar.run(JOB)["status"] == "aborted_guard"
    assert len(files(bazaar)) == 102


@pytest.mark.defect("MB-B13")
def test_production_has_to_say_where_the_uploads_are() -> None:
    with pytest.raises(SettingsError, match="UPLOADS_PATH: production needs it"):
        Settings.from_env({"APP_ENV": "production", "BAZAAR_SUBJECT_KEY": "one of its own"})
