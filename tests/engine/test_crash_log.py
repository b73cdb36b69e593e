"""A crash of a process that does a run has a line in the log, each time."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rota.engine.failures import FailureLog
from rota.engine.flood import MOST, Flood
from rota.engine.inflight import Over
from rota.executors.process.executor import ProcessExecutor
from rota.model.attempt import Caps, End, Ended
from rota.model.job import Job
from rota.testing import make_envelope

JOB = Job(name="shop/render", function=lambda: None, executor="process")
KILLED = "its process was killed by SIGSEGV"


def crash(run: int = 7, attempt: int = 1, error: str = KILLED) -> Over:
    executor = ProcessExecutor(1, [], lambda: 1, Caps(), lambda *_: None)
    envelope = make_envelope(job=JOB.name)._replace(id=run, attempt=attempt)
    return Over(executor.attempt(envelope, JOB), Ended(End.CRASHED, 1, 2, error=error))


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "rota.job"]


def test_each_is_a_warning_with_job_run_and_signal(caplog: pytest.LogCaptureFixture) -> None:
    FailureLog().tell(
        [(crash(), "crashed"), (crash(attempt=2, error="its process ended itself with code 3"), "crashed")]
    )

    assert lines(caplog) == [
        ("WARNING", f"shop/render crashed in attempt 1 of run 7: {KILLED}; it is tried again"),
        (
            "WARNING",
            "shop/render crashed in attempt 2 of run 7: its process ended itself with code 3; it is tried again",
        ),
    ]
    known: Any = caplog.records[0]
    assert (known.run, known.job, known.attempt) == (7, "shop/render", 1)


def test_the_one_that_gives_the_run_up_is_told_too(caplog: pytest.LogCaptureFixture) -> None:
    FailureLog().tell([(crash(attempt=3), "quarantined")])

    assert lines(caplog) == [("WARNING", f"shop/render crashed in attempt 3 of run 7: {KILLED}; it is not tried again")]


def test_many_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rota.job")
    log = FailureLog(Flood())

    log.tell([(crash(run), "crashed") for run in range(MOST + 3)])
    log.flush(last=True)

    assert len(lines(caplog)) == MOST + 1
    assert lines(caplog)[-1] == ("WARNING", "… and 3 more attempts crashed, to be tried again")
