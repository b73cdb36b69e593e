from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rota import Rota
from rota.testing import ManualClock
from tests.ledgers import ledger_url, migrated_file, postgres_ledger, shared_postgres, sqlite_ledger

__all__ = ["ledger_url", "migrated_file", "postgres_ledger", "shared_postgres", "sqlite_ledger"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 5, 12, tzinfo=UTC))


@pytest.fixture
def rota(ledger_url: str, clock: ManualClock) -> Iterator[Rota]:
    app = Rota(ledger_url, clock=clock)
    yield app
    app.close()
