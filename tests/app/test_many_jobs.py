"""An application with very many jobs in its code: what each of them costs, and what it does not."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

from rota import Rota, cron, every
from rota.testing import ManualClock

MANY = 2_000


def declared(url: str, count: int = MANY, changed: int = 0) -> Rota:
    app = Rota(url, clock=ManualClock())
    for number in range(count):

        def job() -> None: ...

        trigger = every("1h") if number < changed else cron(f"{number % 60} {number % 24} 1 1 *")
        app.job(f"s-{number:06d}", schedule=trigger)(job)
    return app


def taken(do: Callable[[], object]) -> tuple[int, int]:
    """The memory that it keeps, and the most that it needs meanwhile, in bytes."""
    tracemalloc.start()
    try:
        kept = do()
        size, peak = tracemalloc.get_traced_memory()
        del kept
    finally:
        tracemalloc.stop()
    return size, peak


def test_a_job_in_code_takes_less_than_a_kilobyte(sqlite_url: str) -> None:
    declared(sqlite_url, 100)  # what is made once

    size, _ = taken(lambda: declared(sqlite_url))

    assert size / MANY < 1_000


def test_a_node_at_rest_does_nothing_for_each_of_its_jobs(ledger_url: str) -> None:
    app = declared(ledger_url)
    app.prepare()
    node = app.node()
    node.identity.register()
    scheduler = next(duty for duty in node.duties if duty.name == "scheduler")
    scheduler.tick()

    _, peak = taken(scheduler.tick)

    assert peak < 20 * MANY
    app.close()


def test_a_start_of_unchanged_code_only_looks_who_else_is_there(ledger_url: str) -> None:
    app = declared(ledger_url)
    app.prepare()
    before = [record.watermark for record in app.schedules.page(limit=MANY)]

    again = declared(ledger_url)
    _, whole = taken(declared(ledger_url, changed=1).prepare)
    again.prepare()
    _, peak = taken(declared(ledger_url).prepare)

    assert peak < whole / 5
    assert [record.watermark for record in again.schedules.page(limit=MANY)][1:] == before[1:]
    for each in (app, again):
        each.close()


def test_what_changed_among_many_is_written_and_nothing_else(ledger_url: str) -> None:
    declared(ledger_url).prepare()

    app = declared(ledger_url, count=MANY - 1, changed=2)
    told = app.prepare()

    assert [event.subject for event in told] == [f"schedule:s-{MANY - 1:06d}"]
    records = app.schedules.page(limit=MANY)
    assert len(records) == MANY - 1
    assert ["every" in record.definition for record in records] == [True] * 2 + [False] * (MANY - 3)
    app.close()
