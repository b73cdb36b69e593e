"""The file of a SQLite database: fixed when the store opens, private, and not to be replaced in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rota import Rota
from rota.errors import StoreReplacedError
from rota.model.node import NodeSettings
from rota.store import open_store, queues
from tests.ledgers import migrated


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_relative_path_stays_where_it_was_when_somebody_changes_the_directory(home: Path) -> None:
    (home / "elsewhere").mkdir()
    store = open_store(migrated("sqlite:///app.db"))

    with store.write() as tx:
        queues.ensure(tx, ["mail"])
    os.chdir("elsewhere")
    with store.read() as tx, store.read() as another:  # one connection is new
        assert [queue.name for queue in queues.survey(tx, "h")] == [queue.name for queue in queues.survey(another, "h")]
    store.close()

    assert list((home / "elsewhere").iterdir()) == []


def test_a_new_file_is_for_its_user_alone(home: Path) -> None:
    migrated("sqlite:///app.db")

    assert oct((home / "app.db").stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize("what", ["was deleted", "is another file"])
def test_a_file_that_is_replaced_in_use_is_told_and_ends_the_node(home: Path, what: str) -> None:
    app = Rota(migrated("sqlite:///app.db"))
    app.job("work")(lambda: 1)

    with app.running(NodeSettings(poll=0.1, heartbeat=0.1)) as node:
        app.enqueue("work").wait(60)
        for name in ("app.db", "app.db-wal", "app.db-shm"):
            (home / name).unlink(missing_ok=True)
        if what != "was deleted":
            (home / "app.db").touch()
        assert node.asked_to_stop.wait(60)
    assert what in str(node.fatal)

    with pytest.raises(StoreReplacedError, match=what):
        app.enqueue("work")
    app.close()
