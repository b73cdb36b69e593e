"""Connections that broke, or fell silent, while they lay there or in use."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from rota.errors import StoreUnreachableError
from rota.store import Store, nodes, open_store
from rota.store.postgres_connections import CONNECT_SECONDS, STATEMENT_SECONDS
from tests.ledgers import migrated
from tests.proxy import Proxy

pytestmark = pytest.mark.long


@pytest.fixture
def proxy(postgres_url: str) -> Iterator[Proxy]:
    with Proxy(migrated(postgres_url)) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: Proxy) -> Iterator[Store]:
    store = open_store(proxy.url)
    yield store
    store.close()


def write(store: Store) -> None:
    with store.write() as tx:
        nodes.drain(tx, "nobody", 1)


def read(store: Store) -> None:
    with store.read() as tx:
        nodes.get(tx, "nobody")


def test_connections_that_broke_at_rest_are_replaced_unseen(store: Store, proxy: Proxy) -> None:
    with store.read(), store.read(), store.read(), store.read():
        pass
    proxy.cut()

    for _ in range(4):
        read(store)
        write(store)


def test_a_statement_on_a_connection_that_fell_silent_is_given_up(store: Store, proxy: Proxy) -> None:
    read(store)
    proxy.freeze()

    begun = time.monotonic()
    with pytest.raises(StoreUnreachableError, match="no answer within 10 s"):
        read(store)
    assert STATEMENT_SECONDS <= time.monotonic() - begun < STATEMENT_SECONDS + 8

    write(store)  # on a new one, whatever else the pool had


def test_a_host_that_falls_silent_gives_way_to_the_next_of_the_url(postgres_url: str) -> None:
    with Proxy(migrated(postgres_url)) as first, Proxy(postgres_url) as second:
        hosts = f"127.0.0.1:{first.port},127.0.0.1:{second.port}"
        store = open_store(first.url.replace(f"127.0.0.1:{first.port}", hosts) + "?target_session_attrs=read-write")
        write(store)
        first.silence()

        begun = time.monotonic()
        with pytest.raises(StoreUnreachableError):
            write(store)
        write(store)
        assert time.monotonic() - begun < STATEMENT_SECONDS + CONNECT_SECONDS + 8
        store.close()


def test_where_one_connection_fell_silent_the_others_of_its_time_are_not_tried(store: Store, proxy: Proxy) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(store.read())
    proxy.freeze()
    with pytest.raises(StoreUnreachableError):
        read(store)

    begun = time.monotonic()
    for _ in range(4):
        read(store)
    assert time.monotonic() - begun < STATEMENT_SECONDS


def test_what_a_silent_server_is_told_at_the_first_connection_has_an_end(postgres_url: str) -> None:
    with Proxy(postgres_url) as proxy:
        proxy.silence()
        store = open_store(proxy.url)

        begun = time.monotonic()
        with pytest.raises(StoreUnreachableError, match="connection timeout expired"):
            read(store)
        assert time.monotonic() - begun < CONNECT_SECONDS + 8
        store.close()
