from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, Table, create_engine, event, literal, make_url, select, update

from rota import JobResult
from rota.messages import Campaign, Mailing, Smtp, Templates, deliveries, tables
from rota.recipes import bind
from rota.recipes import tables as recipe_tables
from rota.testing import make_run
from tests.messages.servers import Mailbox, Provider
from tests.messages.tables import metadata, people
from tests.servers import Make

NEWS = Templates(
    {
        "news.txt": "{% block subject %}News for {{ name }}{% endblock %}"
        "{% block body %}Hello {{ name }}, it is new.{% endblock %}"
        "{% block short %}New: {{ name }}{% endblock %}"
    }
)["news"]


def engine_for(url: str) -> Engine:
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    engine = create_engine(address)
    if engine.dialect.name == "sqlite":  # no test is about a power cut
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF"))
    return engine


def prepared(url: str) -> None:
    engine = engine_for(url)
    metadata.create_all(engine)
    for each in (recipe_tables.metadata, tables.metadata):
        recipe_tables.ready(engine, each)
    engine.dispose()


@pytest.fixture(scope="session")
def make_tables() -> Make:
    return prepared


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """The user's own database, with its tables and those of messages."""
    engine = engine_for(database_url)
    bind(metadata, engine)
    yield engine
    engine.dispose()


@pytest.fixture
def put(engine: Engine) -> Callable[..., None]:
    def put_(table: Table, *rows: dict[str, Any]) -> None:
        with engine.begin() as connection:
            for row in rows:
                connection.execute(table.insert().values(row))

    return put_


@pytest.fixture
def anybody(engine: Engine) -> Callable[[int], None]:
    """So many people, with ids from 1 on."""

    def anybody_(count: int) -> None:
        rows = [{"id": n, "email": f"p{n}@example.org", "name": f"P{n}", "zone": "UTC"} for n in range(1, count + 1)]
        with engine.begin() as connection:
            connection.execute(people.insert(), rows)

    return anybody_


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def smtp(mailbox: Mailbox) -> Callable[..., Smtp]:
    def smtp_(**options: Any) -> Smtp:
        given = {"sender": "Shop <news@shop.example>", "connections": 2, "timeout": 5.0, "name": "smtp"}
        return Smtp("127.0.0.1", mailbox.port, **(given | options))

    return smtp_


@pytest.fixture
def ledger(engine: Engine) -> Callable[..., list[Any]]:
    """``ledger("status")``: that column of all rows, by recipient; without one, the rows."""

    def ledger_(*columns: str) -> list[Any]:
        wanted = [deliveries.c[name] for name in columns] or [deliveries]
        query = select(*wanted).order_by(deliveries.c.channel, deliveries.c.id)
        with engine.connect() as connection:
            found = connection.execute(query).all()
        return [row[0] if len(columns) == 1 else row for row in found]

    return ledger_


def news(channels: Any, **options: Any) -> Campaign:
    """To everybody, once a subject."""
    subject = options.pop("subject", "2026-03")
    given: dict[str, Any] = {
        "kind": "news",
        "plan": lambda _: select(people.c.id.label("recipient"), literal(subject).label("subject")),
        "to": people.c.id,
        "look": select(people.c.email.label("address"), people.c.name),
        "render": NEWS,
        "channels": channels if isinstance(channels, dict) else {"email": channels},
    }
    return Campaign(**(given | options))


def send(mailing: Mailing, **options: Any) -> JobResult:
    return mailing(make_run(**({"job": "shop/news", "as_of": datetime.now(UTC)} | options)))


def wait_over(engine: Engine) -> None:
    """What waits for its next try may have it now."""
    with engine.begin() as connection:
        connection.execute(update(deliveries).values(next_try_at=datetime.now(UTC)))


def told(result: JobResult) -> dict[str, int]:
    """The counts that are not 0."""
    return {name: count for name, count in result.counts.items() if count}
