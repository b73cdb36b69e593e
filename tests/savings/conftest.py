"""The savings groups on a database of the test's own, with their jobs run as a node runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from apps.loading import dump, load
from apps.own_tables import open_database
from apps.savings.blueprint import make_blueprint
from apps.savings.settings import Settings
from apps.savings.tables import metadata
from rota import Rota
from rota.model import payload
from rota.recipes import bind
from rota.testing import ManualClock, run_due
from tests.prepared import application
from tests.servers import Make

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ago(days: float = 0, **more: float) -> str:
    return (NOW - timedelta(days=days, **more)).isoformat()


@dataclass
class Savings:
    engine: Engine
    rota: Rota
    settings: Settings
    clock: ManualClock

    def put(self, **tables: list[dict[str, Any]]) -> None:
        load(self.engine, metadata, tables)

    def run(self, job: str, **options: Any) -> dict[str, Any]:
        """The result of one run, by hand."""
        handle = self.rota.options(**{"as_of": NOW, **options}).trigger(f"savings/{job}")
        run_due(self.rota)
        record = handle.record()
        assert record.result is not None, (record.state, record.error)
        return payload.load(record.result)

    def rows(self, table: str, *columns: str) -> list[Any]:
        found = dump(self.engine, metadata, [table])[table]
        if len(columns) == 1:
            return [row[columns[0]] for row in found]
        return [tuple(row[name] for name in columns) for row in found] if columns else found

    def everything(self) -> dict[str, Any]:
        return dump(self.engine, metadata)


@pytest.fixture(scope="session")
def make_tables() -> Make:
    return application(Settings, metadata)


@pytest.fixture
def open_savings(database_url: str, tmp_path: Path, valkey_port: int) -> Iterator[Callable[..., Savings]]:
    opened: list[Savings] = []

    def open_(**settings: Any) -> Savings:
        given = Settings(
            **{
                "database_url": database_url,
                "archive": tmp_path / "archive",
                "redis_host": "127.0.0.1",
                "redis_port": valkey_port,
                **settings,
            }
        )
        clock = ManualClock(NOW)
        rota = Rota(f"sqlite:///{tmp_path}/ledger-{len(opened)}.db", clock=clock)
        rota.include(make_blueprint(given))
        engine = open_database(given, metadata)
        bind(metadata, engine)  # one that is closed with the test
        opened.append(Savings(engine, rota, given, clock))
        return opened[-1]

    yield open_
    for each in opened:
        each.rota.close()
        each.engine.dispose()


@pytest.fixture
def savings(open_savings: Callable[..., Savings]) -> Savings:
    return open_savings()
