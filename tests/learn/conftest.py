"""The learning platform on a database of the test's own, with its jobs run as a node runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from apps.learn.blueprint import make_blueprint
from apps.learn.settings import Settings
from apps.learn.tables import metadata
from apps.loading import dump, load
from apps.own_tables import open_database
from rota import Rota
from rota.model import payload
from rota.recipes import bind
from rota.testing import ManualClock, run_due
from tests.learn.helpers import MIDNIGHT
from tests.prepared import application
from tests.servers import Make


@dataclass
class Learn:
    engine: Engine
    rota: Rota
    logs: Path
    clock: ManualClock

    def put(self, **tables: list[dict[str, Any]]) -> None:
        load(self.engine, metadata, tables)

    def run(
        self, job: str, *, due: datetime = MIDNIGHT, arguments: Mapping[str, Any] | None = None, **options: Any
    ) -> dict[str, Any]:
        """The result of one run, by hand."""
        handle = self.rota.options(**{"as_of": due, "due": due, **options}).trigger(f"learn/{job}", **(arguments or {}))
        run_due(self.rota)
        record = handle.record()
        assert record.result is not None, (record.state, record.error)
        return payload.load(record.result)

    def rows(self, table: str) -> dict[Any, dict[str, Any]]:
        """By the first column of each."""
        return {next(iter(row.values())): row for row in dump(self.engine, metadata, [table])[table]}

    def everything(self) -> dict[str, Any]:
        return dump(self.engine, metadata)


@pytest.fixture(scope="session")
def make_tables() -> Make:
    return application(Settings, metadata)


@pytest.fixture
def open_learn(database_url: str, tmp_path: Path, valkey_port: int) -> Iterator[Callable[..., Learn]]:
    opened: list[Learn] = []

    def open_(**settings: Any) -> Learn:
        logs = tmp_path / "logs"
        logs.mkdir(exist_ok=True)
        redis_url = f"redis://localhost:{valkey_port}"
        places = {"logs": logs, "redis_url": redis_url, "secrets_file": tmp_path / "secrets.env"}
        given = Settings(**{"database_url": database_url, **places, **settings})
        clock = ManualClock(MIDNIGHT)
        rota = Rota(f"sqlite:///{tmp_path}/ledger-{len(opened)}.db", clock=clock)
        rota.include(make_blueprint(given))
        engine = open_database(given, metadata)
        bind(metadata, engine)  # one that is closed with the test
        opened.append(Learn(engine, rota, logs, clock))
        return opened[-1]

    yield open_
    for each in opened:
        each.rota.close()
        each.engine.dispose()


@pytest.fixture
def learn(open_learn: Callable[..., Learn]) -> Learn:
    return open_learn()
