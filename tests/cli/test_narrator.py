"""What the console of `rota up` says of runs and schedules."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from rota import Failed, Retry, Rota
from rota.cli.narrator import Narrator
from rota.cli.up import _Working
from rota.clock import ManualClock
from rota.engine.events import Listeners
from rota.engine.flood import MOST, WINDOW, Flood
from rota.explain.events import TOLD
from rota.model.event import KINDS, Event
from rota.testing import run_due
from tests.cli.conftest import SOURCE, open_shop


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def event(kind: str = "run.quarantined", **data: object) -> Event:
    return Event(at=0, kind=kind, subject="run:7", run_id=7, data={"job": "shop/sync", "attempt": 1, **data})


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (record.levelname, record.getMessage()) for record in caplog.records if record.name in {"rota.runs", "rota.job"}
    ]


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rota.runs")
    caplog.set_level(logging.INFO, "rota.job")


def test_each_kind_it_tells_is_one_that_rota_makes() -> None:
    assert set(TOLD) <= set(KINDS)


def test_a_retry_a_failure_and_a_success_are_a_line_each(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    rota = Rota(sqlite_url, clock=clock)

    @rota.job("shop/breaks", retry=Retry(attempts=2, delays=[90]))
    def breaks() -> Failed:
        raise ValueError("no\npaper")

    @rota.job("shop/works")
    def works() -> None: ...

    Narrator().listen(rota.listeners)
    broken, fine = breaks.enqueue(), works.enqueue()

    run_due(rota)
    clock.advance(seconds=90)
    run_due(rota)

    lines = told(caplog)
    assert ("INFO", "shop/works succeeded") in lines
    assert ("WARNING", r"shop/breaks failed in attempt 1: ValueError: no\npaper; it is tried again") in lines
    last = rf"shop/breaks failed for good in attempt 2: ValueError: no\npaper; see: rota run show {broken.id}"
    assert ("ERROR", last) in lines
    assert {getattr(record, "run", None) for record in caplog.records} >= {broken.id, fine.id}
    rota.close()


def test_missed_moments_are_told_with_their_schedule(caplog: pytest.LogCaptureFixture) -> None:
    data = {"due_at": 0, "through_at": 0, "reason": "nobody was there"}

    Narrator().hear(Event(at=0, kind="fire.missed", subject="schedule:nightly", data={**data, "moments": 1}))
    Narrator().hear(Event(at=0, kind="fire.skipped", subject="schedule:nightly", data={**data, "moments": 3}))

    (level, one), (_, more) = told(caplog)
    assert (level, one.startswith("schedule nightly: its due moment ")) == ("WARNING", True)
    assert one.endswith(" was missed: nobody was there")
    assert more.startswith("schedule nightly: 3 due moments from ")


def test_a_flood_is_cut_and_what_was_left_out_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Seconds()
    narrator = Narrator(Flood(clock))

    for _ in range(MOST + 1_500):
        narrator.hear(event("run.succeeded"))
    narrator.hear(event(crashes=3))
    narrator.flush()
    clock.now += WINDOW
    narrator.hear(event("run.succeeded"))

    lines = [text for _, text in told(caplog)]
    assert lines.count("shop/sync succeeded") == MOST + 1
    assert [text for text in lines if "is given up" in text] == [lines[MOST]]
    assert lines[-2:] == ["… and 1,500 more runs succeeded", "shop/sync succeeded"]


def test_what_is_left_out_is_told_at_the_end_at_the_latest(caplog: pytest.LogCaptureFixture) -> None:
    narrator = Narrator(Flood(Seconds()))
    for _ in range(MOST + 2):
        narrator.hear(event("run.succeeded"))

    narrator.flush(last=True)
    narrator.flush(last=True)

    assert told(caplog)[MOST:] == [("INFO", "… and 2 more runs succeeded")]


def test_it_listens_to_all_that_it_tells_and_not_to_the_start_of_each_run() -> None:
    listeners = Listeners()

    Narrator().listen(listeners)

    assert [kind for kind in TOLD if not listeners.wants(kind)] == []
    assert not listeners.wants("run.started")


def test_what_nobody_would_read_is_not_listened_to(caplog: pytest.LogCaptureFixture) -> None:
    listeners = Listeners()
    caplog.set_level(logging.ERROR, "rota.runs")

    Narrator().listen(listeners)

    assert not listeners.wants("run.succeeded")
    assert not listeners.wants("run.failed")  # which the engine logs itself
    assert listeners.wants("run.quarantined")


def test_rota_up_tells_it(place: Path, sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    app = open_shop(place, sqlite_url, SOURCE).app
    app.prepare()
    work = _Working(app, app.node())
    work.start()
    try:
        run = app.enqueue("shop/breaks")
        run.wait(60)
    finally:
        work.stop()
        app.close()

    text = f"shop/breaks failed for good in attempt 1: ValueError: no paper; see: rota run show {run.id}"
    assert ("ERROR", text) in told(caplog)


def test_a_run_that_expires_is_a_warning(sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    rota = Rota(sqlite_url, clock=clock)
    rota.job("shop/remind", start_within="1h")(lambda: None)
    Narrator().listen(rota.listeners)
    run_due(rota)
    rota.enqueue("shop/remind")
    clock.advance(hours=1)
    run_due(rota)
    rota.close()

    line = "shop/remind expired, as it had not begun within 1h of its due moment; see: rota run why 1"
    assert told(caplog) == [("WARNING", line)]
