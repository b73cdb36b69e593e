"""The faf groups on a database of the test's own, with their jobs run as a node runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from apps.faf.blueprint import make_blueprint
from apps.faf.settings import Settings
from apps.faf.tables import metadata
from apps.loading import dump, load
from apps.own_tables import open_database
from rota import Rota
from rota.model import payload
from rota.model.run import RunRecord
from rota.recipes import bind
from rota.testing import ManualClock, run_due
from tests.prepared import application
from tests.servers import Make

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def ago(days: float = 0, **more: float) -> str:
    return (NOW - timedelta(days=days, **more)).isoformat()


@dataclass
class Faf:
    engine: Engine
    rota: Rota
    settings: Settings
    ledger: Path

    def put(self, **tables: list[dict[str, Any]]) -> None:
        load(self.engine, metadata, tables)

    def run_any(self, job: str, **options: Any) -> RunRecord:
        """One run, by hand, however it ends."""
        handle = self.rota.options(**{"as_of": NOW, **options}).trigger(f"faf/{job}")
        run_due(self.rota)
        return handle.record()

    def run(self, job: str, **options: Any) -> dict[str, Any]:
        """The result of one run, by hand."""
        record = self.run_any(job, **options)
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
def open_faf(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Faf]]:
    opened: list[Faf] = []

    def open_(**settings: Any) -> Faf:
        given = Settings(**{"database_url": database_url, **settings})
        ledger = tmp_path / f"ledger-{len(opened)}.db"
        rota = Rota(f"sqlite:///{ledger}", clock=ManualClock(NOW))
        rota.include(make_blueprint(given, lambda: rota))
        engine = open_database(given, metadata)
        bind(metadata, engine)  # one that is closed with the test
        opened.append(Faf(engine, rota, given, ledger))
        return opened[-1]

    yield open_
    for each in opened:
        each.rota.close()
        each.engine.dispose()


@pytest.fixture
def faf(open_faf: Callable[..., Faf]) -> Faf:
    return open_faf()
