"""What the ledger promises under `kill -9`: nothing lost, nothing done twice with two valid results."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from rota import Rota
from rota.store import counters
from tests.end_to_end.processes import kill_group, nodes, open_app, until

pytestmark = pytest.mark.long

RUNS, CRASHES = int(os.environ.get("RUNS", "1200")), int(os.environ.get("CRASHES", "3"))
"""The runs are shared out over so many crashes, and an end."""


@pytest.mark.parametrize("count", [1, 3])
def test_killing_every_process_again_and_again_loses_no_run_and_doubles_none(
    database_url: str, count: int, tmp_path: Path
) -> None:
    app = open_app(database_url)
    items = [{"number": number, "seconds": 0.002 if number % 5 == 0 else 0.0} for number in range(RUNS)]
    app.handles["work"].enqueue_many(items)
    dice, log = random.Random(7), tmp_path / "log"

    for _ in range(CRASHES):
        before = ended(app)
        with nodes(database_url, count, log, "--threads", "4") as started:
            until("some progress", lambda before=before: ended(app) > before, log=log)
            time.sleep(dice.uniform(0.0, 0.08))
            kill_group(started)
    with nodes(database_url, count, log, "--threads", "4"):
        until("all runs over", lambda: ended(app) >= RUNS, within=300, log=log)

    states, results = ledger(app)
    assert states == {"succeeded": RUNS}
    assert sorted(results) == list(range(RUNS))
    assert counted(app) == RUNS  # counted in the transaction that takes a result: no result was taken twice


def ended(app: Rota) -> int:
    with app.store.read() as tx:
        measures = counters.totals(tx, 0, "work").get("work", {})
    return sum(measures[name].total() for name in measures.keys() & {"succeeded", "failed"})


def counted(app: Rota) -> int:
    with app.store.read() as tx:
        return counters.totals(tx, 0, "work")["work"]["succeeded"].total()


def ledger(app: Rota) -> tuple[dict[str, int], list[int]]:
    states: Counter[str] = Counter()
    results: list[int] = []
    before = None
    while page := app.runs.page(job="work", before=before, limit=1_000):
        states.update(run.state for run in page)
        results += [int(run.result) for run in page if run.result is not None]
        before = page[-1].id
    return dict(states), results
