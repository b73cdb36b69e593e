"""One SQL text on two databases: tables of parameters, odd values, transactions, threads."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from rota.model.attempt import Claimant
from rota.model.payload import storable
from rota.model.run import NewRun, RunState
from rota.store import Store, migrate, open_store, queues, runs, schedules
from rota.testing import ManualClock

ODD = [
    "quote ' and ''",
    'double " and \\ and \\u0000',
    "percent % %s %(name)s %%",
    "parameter :word ::cast :rows",
    "-- name: x /* rows(a text) */ ; DROP TABLE rota_run;",
    "emoji 🦆 é \u2028",
    "line\nbreak\ttab\r",
    "",
    " ",
    storable("nul \0 half \ud800 \udfff"),
    "x" * 1_000_000,
]


@pytest.fixture
def store(ledger_url: str) -> Iterator[Store]:
    store = open_store(ledger_url, ManualClock())
    yield store
    store.close()


@pytest.fixture
def analysed_never(postgres_url: str) -> Iterator[Store]:
    store = open_store(postgres_url, ManualClock())
    migrate.migrate(store.database, 1)
    yield store
    store.close()


def new_run(**changes: Any) -> NewRun:
    run = NewRun(job="job", queue="default", state=RunState.AVAILABLE, due_at=1, created_at=1, arguments="{}")
    return run._replace(**changes)


def insert(store: Store, *made: NewRun) -> list[int]:
    with store.write() as tx:
        return runs.insert(tx, made)


def insert_and_raise(store: Store, error: type[BaseException]) -> None:
    with store.write() as tx:
        runs.insert(tx, [new_run()])
        tx.announce()
        raise error


def count(store: Store) -> int:
    with store.read() as tx:
        return len(runs.page(tx, limit=10_000))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_text_of_any_kind_comes_back_as_it_went_in(store: Store, text: str) -> None:
    [first] = insert(store, new_run(job=text[:200], arguments=text, asked_by=text))
    with store.write() as tx:
        second, _ = runs.insert_one(tx, new_run(job=text[:200], arguments=text, asked_by=text))

    with store.read() as tx:
        for run_id in (first, second):
            record = runs.get(tx, run_id)
            assert record is not None
            assert (record.job, record.arguments, record.asked_by) == (text[:200], text, text)
        assert len(runs.page(tx, job=text[:200])) == 2


def test_odd_texts_beside_each_other_stay_apart(store: Store) -> None:
    texts = [*ODD, "NULL", "null", ",", "{}", '"', "\\", '","', '{"a":"b"}', '\\"', "$1"]
    ids = insert(store, *(new_run(arguments=text) for text in texts))

    with store.read() as tx:
        assert [record.arguments for each in ids if (record := runs.get(tx, each))] == texts


def test_a_nul_shifts_no_text_into_the_next_row(analysed_never: Store) -> None:
    with pytest.raises(Exception, match="NUL"):
        insert(analysed_never, new_run(arguments="a\0b"), new_run(arguments="c"))

    assert count(analysed_never) == 0


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("runs.claim_chosen", "rota_run_pkey"),
        ("runs.succeed", "rota_run_pkey"),
        ("runs.settle", "rota_run_pkey"),
        ("runs.rescue", "rota_run_pkey"),
        ("runs.hand_back", "rota_run_pkey"),
        ("attempts.save_progress", "rota_run_pkey"),
        ("runs.places_free", "rota_run_held_key"),
        ("runs.count_rated_ahead", "rota_run_claimable"),
        ("queues.waiting_of", "rota_run_claimable"),
        ("runs.expire", "rota_run_expires"),
        ("runs.next_moment", "rota_run_expires"),
        ("runs.waiting_jobs", "rota_run_claimable"),
        ("runs.claim", "rota_run_claimable"),
        ("queues.survey", "rota_run_claimable"),
        ("runs.kept", "rota_run_kept"),
        ("runs.expire_kept", "rota_run_kept"),
        ("runs.next_moment", "rota_run_waits_until"),
        ("runs.waited_out", "rota_run_waits_until"),
        ("runs.answered", "rota_run_waiting"),
        ("runs.waiting_page", "rota_run_waiting"),
        ("runs.count_waiting", "rota_run_waiting"),
        ("runs.running_by_key", "rota_run_busy_key"),
        ("runs.wake", "rota_run_pkey"),
    ],
)
def test_hundreds_of_runs_are_found_by_index_in_a_table_nobody_has_analysed(
    analysed_never: Store, statement: str, index: str
) -> None:
    insert(analysed_never, *(new_run(limit_key="k") for _ in range(10_000)))
    database = analysed_never.database
    query = database._queries[statement]  # type: ignore[attr-defined]
    names = re.findall(r"%\((?!rows_)(\w+)\)s", query.sql)
    rows = {f"rows_{name}": [str(n) if kind == "text" else n for n in range(600)] for name, kind in query.columns}

    given: dict[str, Any] = {**dict.fromkeys(names, "1"), "host": "web-1" if "kept" in statement else ""}

    with psycopg.connect(database.url) as connection:  # type: ignore[attr-defined]
        explained = connection.execute("EXPLAIN " + query.sql, given | rows).fetchall()

    plan = "\n".join(row[0] for row in explained)
    assert re.search(rf"(using|Index Scan on) {index}\b", plan), plan
    assert not re.search(r"Seq Scan on rota_run\b", plan), plan


def test_an_empty_table_of_parameters_changes_and_finds_nothing(store: Store) -> None:
    with store.write() as tx:
        assert runs.insert(tx, []) == []
        assert runs.succeed(tx, "node", []) == set()
        assert runs.settle(tx, "node", [], 1) == {}
        assert runs.running_by_key(tx, []) == {}
        queues.ensure(tx, [])
        schedules.advance(tx, [])
        assert queues.survey(tx, "host") == []


def test_nulls_stand_beside_values_in_every_column(store: Store) -> None:
    ids = insert(
        store,
        new_run(),
        new_run(asked_by="anna", mode="muted", schedule="s", fire_id=1, fire_due_at=2, batch_id=3, unique_key="k",
                unique_until="start", limit_key="l"),
        new_run(),
    )  # fmt: skip

    with store.read() as tx:
        first, second, third = (runs.get(tx, each) for each in ids)
    assert first is not None
    assert third is not None
    assert second is not None
    assert replace(first, id=0) == replace(third, id=0)
    assert (first.asked_by, first.batch_id, first.limit_key) == (None, None, None)
    assert (second.asked_by, second.batch_id, second.unique_key, second.limit_key) == ("anna", 3, "k", "l")


def test_moments_of_any_size_that_fits_come_back(store: Store) -> None:
    moments = [0, -1, 1, 2**31, 2**53 + 1, 2**62, -(2**62)]
    ids = insert(store, *(new_run(due_at=moment, priority=moment) for moment in moments))

    with store.read() as tx:
        found = [runs.get(tx, each) for each in ids]
    assert [each and (each.due_at, each.priority) for each in found] == [(moment, moment) for moment in moments]


def test_many_rows_at_once_are_numbered_in_order(store: Store) -> None:
    ids = insert(store, *(new_run(priority=number) for number in range(5_000)))

    with store.read() as tx:
        page = runs.page(tx, limit=10_000)[::-1]
    assert [run.id for run in page] == ids
    assert [run.priority for run in page] == list(range(5_000))


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, GeneratorExit])
def test_a_transaction_that_raises_never_was(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error):
        insert_and_raise(store, error)

    assert count(store) == 0
    assert len(insert(store, new_run())) == 1  # and the connection is good


def test_a_statement_that_fails_leaves_the_store_in_order(store: Store) -> None:
    for _ in range(3):
        with pytest.raises(Exception, match=r"(?i)null"):
            insert(store, new_run(), new_run(job=None))

    assert count(store) == 0
    assert len(insert(store, new_run())) == 1


def test_what_is_not_committed_is_not_seen_by_others(store: Store) -> None:
    with store.write() as tx:
        runs.insert(tx, [new_run()])
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(count(store)))
        thread.start()
        thread.join(60)

    assert seen == [0]
    assert count(store) == 1


def test_a_wake_is_told_after_the_commit_and_not_of_what_was_rolled_back(store: Store) -> None:
    told: list[int] = []
    store.wakes.append(lambda: told.append(count(store)))

    with store.write() as tx:
        runs.insert(tx, [new_run()])
        tx.announce()
    with pytest.raises(ZeroDivisionError):
        insert_and_raise(store, ZeroDivisionError)

    assert told == [1]


def test_threads_and_stores_on_one_database_lose_and_double_nothing(ledger_url: str) -> None:
    """Two stores, as two processes have them, and four threads each: claims of eight claimers never meet."""
    stores = [open_store(ledger_url) for _ in range(2)]
    ids = insert(stores[0], *(new_run() for _ in range(400)))
    with stores[0].write() as tx:
        queues.ensure(tx, ["default"])
    claimed: list[int] = []
    failed: list[BaseException] = []

    def claim(store: Store, node: str) -> None:
        numbers = itertools.count(1)
        try:
            while True:
                with store.single(durable=False) as tx:
                    got = runs.claim(tx, "default", "job", Claimant(node, next(numbers)), 7, 1)
                if not got:
                    return
                with store.write() as tx:
                    rows = [(*each.key, 1, 2, None, None) for each in got]
                    claimed.extend(runs.succeed(tx, node, rows))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=claim, args=(store, f"{place}-{n}")) for place, store in enumerate(stores)
               for n in range(4)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert sorted(claimed) == ids
    for store in stores:
        store.close()


def test_the_time_is_the_databases_and_goes_on(ledger_url: str) -> None:
    store = open_store(ledger_url)
    moments = [store.now_us() for _ in range(100)]
    store.close()

    assert moments == sorted(moments)
    assert not store.manual
