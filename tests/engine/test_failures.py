"""A failure is in the log of the process that works, whatever kind of process that is."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from rota import Failed, Retry, Rota, Run
from rota.engine.flood import MOST, WINDOW, Flood
from rota.engine.node import Node
from rota.testing import ManualClock, run_due
from tests.engine.helpers import work


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(each.levelname, each.getMessage()) for each in caplog.records if each.name == "rota.job"]


def test_a_failure_is_told_once_with_its_traceback_and_a_retry_in_a_line(
    app: Rota, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    @app.job("shop/breaks", retry=Retry(attempts=2, delays=[90]))
    def breaks() -> None:
        raise ValueError("no\npaper\x1b[2J")

    handle = breaks.enqueue()
    run_due(app)
    clock.advance(seconds=90)
    run_due(app)

    again = r"shop/breaks failed in attempt 1: ValueError: no\npaper\x1b[2J; it is tried again"
    for_good = (
        rf"shop/breaks failed for good in attempt 2: ValueError: no\npaper\x1b[2J; see: rota run show {handle.id}"
    )
    assert told(caplog) == [("WARNING", again), ("ERROR", for_good)]
    shown = logging.Formatter("%(message)s").format(caplog.records[-1])
    assert 'raise ValueError("no' in shown
    assert "\x1b" not in shown
    assert [line for line in shown.split("\n")[1:] if not line.startswith("  ")] == []
    assert app.runs.logs(handle.id) == {}


def test_an_end_that_is_refused_is_no_failure_of_the_run(
    app: Rota, start: Callable[..., Node], clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    @app.job(retry=1)
    def breaks(run: Run) -> Failed:
        with app.store.write() as tx:
            tx.script("UPDATE rota_run SET claim = claim + 1000;")
        return Failed("no paper")

    breaks.enqueue()
    work(start(app))

    assert told(caplog) == []


def test_a_flood_of_failures_is_cut_and_counted(app: Rota, caplog: pytest.LogCaptureFixture) -> None:
    app.job("breaks", retry=1)(lambda: Failed("no paper"))
    app.enqueue_many("breaks", [{}] * (MOST + 5))

    run_due(app)

    assert len(told(caplog)) == MOST


def test_what_was_left_out_is_told_once_its_window_is_over() -> None:
    now = [0.0]
    flood = Flood(lambda: now[0])
    assert [flood.lets_by("failed") for _ in range(MOST + 2)] == [True] * MOST + [False] * 2

    assert flood.left_out() == {}
    now[0] += WINDOW
    assert flood.left_out() == {"failed": 2}
    assert flood.left_out(last=True) == {}
    assert flood.lets_by("failed")
