"""SG-1: no row is ever in neither place."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.savings import archive as module
from apps.savings.archive import restore
from apps.savings.tables import audit_logs
from rota.testing import run_due
from tests.savings.conftest import NOW, Savings, ago

Open = Callable[..., Savings]


def log(id_: Any, days: float, **values: Any) -> dict[str, Any]:
    return {"id": id_, "action": "GROUP_JOINED", "details": {"ü": None}, "created_at": ago(days), **values}


def parts(savings: Savings) -> list[Path]:
    assert savings.settings.archive is not None
    return sorted(savings.settings.archive.rglob("*.jsonl.gz"))


@pytest.mark.defect("SG-B1")
def test_old_rows_are_kept_in_parts_and_come_back_as_they_were(savings: Savings) -> None:
    savings.put(audit_logs=[log(n, 100 + n / 10) for n in range(12)] + [log(20, 90), log(21, 1)])
    before = savings.rows("audit_logs")

    result = savings.run("archive-audit-logs")

    assert (result["counts"]["archived"], result["counts"]["parts"]) == (12, 1)
    assert savings.rows("audit_logs", "id") == [20, 21]
    [file] = parts(savings)
    assert str(file).endswith("audit_logs/2026/08/18/part-0-11.jsonl.gz")
    manifest = json.loads(file.with_name("part-0-11.manifest.json").read_text())
    assert (manifest["rows"], manifest["keys"]) == (12, [0, 11])
    [(part, count)] = savings.rows("archive_parts", "part", "count")
    assert count == 12

    assert restore(savings.engine, savings.settings, part) == 12
    assert savings.rows("audit_logs") == before
    assert restore(savings.engine, savings.settings, part) == 0


def test_a_row_that_comes_late_with_an_old_date_gets_a_part_of_its_own(savings: Savings) -> None:
    savings.put(audit_logs=[log(n, 100) for n in (1, 2, 9)])
    savings.run("archive-audit-logs")
    with savings.engine.begin() as connection:
        connection.execute(audit_logs.insert(), [{"id": 5, "action": "LATE", "created_at": NOW - timedelta(days=100)}])

    assert savings.run("archive-audit-logs")["counts"]["archived"] == 1
    assert [path.name for path in parts(savings)] == ["part-1-9.jsonl.gz", "part-5-5.jsonl.gz"]
    assert savings.rows("archive_parts", "count") == [3, 1]


@pytest.mark.defect("SG-B1")
def test_a_part_that_was_put_back_and_is_archived_anew_replaces_none(savings: Savings) -> None:
    savings.put(audit_logs=[log(n, 100) for n in range(1, 11)])
    savings.run("archive-audit-logs")
    [first] = savings.rows("archive_parts", "part")
    restore(savings.engine, savings.settings, first)
    with savings.engine.begin() as connection:
        connection.execute(audit_logs.delete().where(audit_logs.c.id == 5))
        connection.execute(audit_logs.update().where(audit_logs.c.id == 6).values(action="CHANGED"))

    assert savings.run("archive-audit-logs")["counts"]["archived"] == 9

    second = next(part for part in savings.rows("archive_parts", "part") if part != first)
    assert sorted(savings.rows("archive_parts", "count")) == [9, 10]
    assert restore(savings.engine, savings.settings, second) == 9
    assert restore(savings.engine, savings.settings, first) == 1
    assert savings.rows("audit_logs", "id", "action")[4:6] == [(5, "GROUP_JOINED"), (6, "CHANGED")]


def test_nothing_old_makes_no_file(savings: Savings) -> None:
    savings.put(audit_logs=[log(1, 90)])

    assert savings.run("archive-audit-logs")["counts"]["archived"] == 0
    assert parts(savings) == []


def test_many_rows_make_several_parts(open_savings: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAFETY", module.SAFETY.with_(batch=5, pause=0))
    savings = open_savings()
    savings.put(audit_logs=[log(n, 100) for n in range(12)])

    assert savings.run("archive-audit-logs")["counts"]["parts"] == 3
    assert [path.name for path in parts(savings)] == [
        "part-0-4.jsonl.gz", "part-10-11.jsonl.gz", "part-5-9.jsonl.gz",
    ]  # fmt: skip


@pytest.mark.defect("SG-B1")
def test_where_it_cannot_be_written_nothing_is_deleted(open_savings: Open, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file, where a folder should be")
    savings = open_savings(archive=blocked)
    savings.put(audit_logs=[log(1, 100)])

    handle = savings.rota.trigger("savings/archive-audit-logs")
    run_due(savings.rota)

    assert handle.record().state != "succeeded"
    assert savings.rows("audit_logs", "id") == [1]


def test_they_may_go_into_a_table_or_be_deleted_where_that_is_asked_for(open_savings: Open) -> None:
    savings = open_savings(archive_mode="table")
    savings.put(audit_logs=[log(1, 100), log("two", 100)])
    before = savings.rows("audit_logs")

    assert savings.run("archive-audit-logs")["counts"]["archived"] == 2
    assert savings.rows("audit_logs_archive") == before
    assert savings.rows("audit_logs") == []


def test_deleted_only_leaves_no_archive(open_savings: Open) -> None:
    savings = open_savings(archive_mode="delete_only")
    savings.put(audit_logs=[log(1, 100)])

    assert savings.run("archive-audit-logs")["counts"] == {"archived": 1}
    assert (savings.rows("audit_logs_archive"), parts(savings)) == ([], [])
