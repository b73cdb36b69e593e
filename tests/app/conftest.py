from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from rota import Rota
from rota.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 5, 12, tzinfo=UTC))


@pytest.fixture
def rota(database_url: str, clock: ManualClock) -> Iterator[Rota]:
    app = Rota(database_url, clock=clock)
    yield app
    app.close()
