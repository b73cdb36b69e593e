"""A ``Rota`` on a migrated database under a clock that stands still, and nodes whose duties the test ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count

import pytest

from rota import Rota
from rota.engine.node import Node
from rota.model.node import NodeSettings
from rota.testing import ManualClock
from tests.ledgers import ledger_url, migrated_file, postgres_ledger, shared_postgres, sqlite_ledger

__all__ = ["ledger_url", "migrated_file", "postgres_ledger", "shared_postgres", "sqlite_ledger"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 5, 12, tzinfo=UTC))


@pytest.fixture
def open_app(clock: ManualClock) -> Iterator[Callable[..., Rota]]:
    """Opens a ``Rota`` on a URL; another one on the same URL is another process or deployment."""
    opened: list[Rota] = []

    def open_(url: str, **options: object) -> Rota:
        opened.append(Rota(url, **{"clock": clock, **options}))  # type: ignore[arg-type]
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


@pytest.fixture
def app(open_app: Callable[..., Rota], ledger_url: str) -> Rota:
    return open_app(ledger_url)


@pytest.fixture
def lite(open_app: Callable[..., Rota], sqlite_ledger: str) -> Rota:
    """On SQLite alone: for what does not depend on the database."""
    return open_app(sqlite_ledger)


@pytest.fixture
def start() -> Callable[..., Node]:
    """Registers a node whose duties the test ticks; its lease lasts, unless the test says how long."""
    number = count()

    def start_(app: Rota, **settings: object) -> Node:
        app.prepare()
        node = app.node(NodeSettings(**{"lease": 10**9, "threads": 4, **settings}))  # type: ignore[arg-type]
        node.identity.id = f"node-{next(number)}"
        node.identity.register()
        return node

    return start_
