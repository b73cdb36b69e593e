"""A user of the database with just the rights of `docs/other-tables.md` can do what that page says, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from rota import Rota, every
from rota.engine.pruner import Pruner
from rota.errors import StoreUnreachableError
from rota.model.node import NodeSettings
from rota.store import Store, migrate, open_store, runs
from rota.testing import ManualClock, run_due
from tests.ledgers import newer_code

PAGE = Path(__file__).parents[2] / "docs" / "other-tables.md"
BEFORE, AFTERWARDS = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Users:
    """The three users of the page, under names of the test's own: roles are the server's, not the database's."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.mark = uuid4().hex[:8]
        self.names = {name: f"{name}_{self.mark}" for name in ("shop_owner", "shop_reader", "shop")}
        self.stores: list[Store] = []

    def run(self, sql: str) -> None:
        for name, own in self.names.items():
            sql = re.sub(rf"\b{name}\b", own, sql)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.encode())

    def store(self, name: str) -> Store:
        store = open_store(f"{self.url}?options=-c%20role%3D{self.names[name]}", ManualClock(), schema="rota")
        self.stores.append(store)
        return store

    def application(self, name: str) -> Rota:
        app = Rota(self.url, clock=ManualClock())
        app.__dict__["store"] = store = self.store(name)
        store.tell = app.listeners.tell
        return app


@pytest.fixture(params=[BEFORE, AFTERWARDS], ids=["before", "afterwards"])
def users(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[Users]:
    """Rights given before the tables were made, or afterwards."""
    users = Users(postgres_url)
    users.run("".join(f"CREATE ROLE {name};" for name in users.names))
    schema, usage, *_ = BEFORE.splitlines()
    users.run(BEFORE if request.param == BEFORE else f"{schema} {usage}")
    migrate.migrate(users.store("shop_owner").database, 1)
    if request.param == AFTERWARDS:
        users.run(AFTERWARDS)
    yield users
    for store in users.stores:
        store.close()
    users.run("".join(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name};" for name in users.names))


def test_who_runs_can_do_everything_but_change_tables(users: Users) -> None:
    app = users.application("shop")
    done: list[int] = []
    app.job("child", concurrency=1)(lambda n: done.append(n))
    app.job("parent")(lambda run: (run.save_checkpoint(1), run.fan_out("child", [{"n": 1}, {"n": 2}], then="last")))
    app.job("last")(lambda batch: done.append(batch["total"]))
    app.job("bad", retry=1, schedule=every("1h"))(lambda: 1 / 0)
    app.prepare()
    app.enqueue("parent")
    with app.lock("billing"):
        run_due(app)
    app.store._clock.advance(hours=1)  # type: ignore[union-attr]
    run_due(app)
    [dead] = app.runs.page(state="failed")
    app.runs.retry(dead.id, "anna")
    app.queues.pause("default", "anna")
    app.schedules.pause("bad", by="anna")
    Pruner(app.store, NodeSettings()).tick()
    app.status()
    app.store.database.probe()
    app.close()

    assert sorted(done) == [1, 2, 2]


def test_who_looks_sees_everything_and_changes_nothing(users: Users) -> None:
    app = users.application("shop")
    app.job("job")(lambda: 7)
    app.prepare()
    app.enqueue("job")
    reader = users.application("shop_reader")

    assert [run.job for run in reader.runs.page()] == ["job"]
    assert reader.status().schema.current
    assert "no node is alive" in reader.why_run(1).summary.lower()
    migrate.check(reader.store.database)
    for change in (lambda: reader.queues.pause("default", "anna"), reader.store.database.probe):
        with pytest.raises(StoreUnreachableError, match="may not do this") as caught:
            change()
        assert "docs/other-tables.md" in caught.value.hint


def test_who_runs_does_not_migrate(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    newer_code(monkeypatch)

    with pytest.raises(StoreUnreachableError, match="may not do this"):
        migrate.migrate(users.store("shop").database, 2)
    assert migrate.migrate(users.store("shop_owner").database, 2) == ["0009_more"]


def test_who_was_given_nothing_is_told_so(users: Users) -> None:
    users.run("REVOKE USAGE ON SCHEMA rota FROM shop")

    with pytest.raises(StoreUnreachableError, match="permission denied for schema rota"):
        look(users.store("shop"))


def look(store: Store) -> Any:
    with store.read() as tx:
        return runs.get(tx, 1)
