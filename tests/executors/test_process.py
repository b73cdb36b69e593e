"""A slot whose child cannot be started, or dies while it is idle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from rota.executors.process.executor import ProcessExecutor
from rota.executors.process.slot import Slot
from rota.model.attempt import Caps, End, Ended
from rota.model.job import Job
from rota.testing import make_envelope
from tests.engine.helpers import until

JOB = Job(name="process/where", function=lambda: None, executor="process")
CHILD = [sys.executable, "-m", "rota.cli.slot", "tests.executors.bodies:rota"]
SLOW = (
    "asyncio.",
    "click.",
    "concurrent.",
    "multiprocessing.",
    "psycopg.",
    "pydantic.",
    "rich.",
    "ssl.",
    "subprocess.",
)
SLOWER = ("pathlib.", "socket.", "sqlite3.", "rota.config.", "rota.engine.node.", "rota.model.run.", "rota.store.")


def performed(slot: Slot) -> Ended:
    attempt = ProcessExecutor(1, [], lambda: 1, Caps(), lambda *_: None).attempt(make_envelope(job=JOB.name), JOB)
    slot.perform(attempt)
    assert attempt.ended is not None
    return attempt.ended


def refused(child: Sequence[str]) -> tuple[ProcessExecutor, Ended]:
    ended: list[Ended] = []
    executor = ProcessExecutor(2, child, lambda: 1, Caps(), lambda _, end: ended.append(end))
    executor.submit([executor.attempt(make_envelope(job=JOB.name), JOB)])
    until(lambda: ended)
    executor.stop()
    return executor, ended[0]


def test_an_application_that_cannot_be_loaded_in_a_child_leaves_its_runs_to_other_nodes() -> None:
    executor, ended = refused([sys.executable, "-m", "rota.cli.slot", "nowhere:rota"])

    assert (ended.end, ended.started_at) == (End.HANDED_BACK, 0)
    assert "there is no module 'nowhere'" in (ended.error or "")
    assert executor.size == 0  # for a while, nothing more is claimed for it


def test_a_child_that_ends_before_it_says_a_word_is_told() -> None:
    _, ended = refused([sys.executable, "-c", "import sys; sys.exit(3)"])

    assert "ended itself with code 3" in (ended.error or "")


def test_a_child_that_died_while_it_was_idle_swallows_no_attempt() -> None:
    slot = Slot(CHILD)
    first: Any = performed(slot).result
    os.kill(int(first), signal.SIGKILL)

    second = performed(slot)

    assert second.end is End.SUCCEEDED
    assert second.result != first
    slot.close()


def test_a_child_that_takes_no_orders_is_told_as_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.executors.process.slot.SEND_SECONDS", 0.05)
    says_ready = "import os, sys, time; os.write(int(sys.argv[1]), b'\\0\\0\\0\\x0d[\"ready\", 1]\\n'); time.sleep(60)"
    slot = Slot([sys.executable, "-c", says_ready])
    attempt = ProcessExecutor(1, [], lambda: 1, Caps(), lambda *_: None).attempt(
        make_envelope(job=JOB.name, arguments={"text": "x" * 1_000_000}), JOB
    )

    slot.perform(attempt)

    assert attempt.ended is not None
    assert attempt.ended.end is End.HANDED_BACK
    assert (
        attempt.ended.error == "no process could be started for it: its process is frozen: the other end does not read"
    )


@pytest.mark.parametrize(("step", "slow"), [("", SLOW + SLOWER), ("app.desk", SLOW)])
def test_a_child_imports_nothing_slow_that_its_application_does_not_ask_for(step: str, slow: tuple[str, ...]) -> None:
    """Neither to be ready, nor, with all that a body may ask of the ledger, to begin the first one."""
    program = f"import sys; from rota.cli import slot; app = slot._load({'tests.executors.plain:rota'!r}); {step}"
    environment = {**os.environ, "ROTA_DATABASE": "sqlite:///nowhere.db"}

    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )

    assert [module for module in done.stdout.split() if f"{module}.".startswith(slow)] == []
