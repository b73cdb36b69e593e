"""The loop that ticks a duty: at its interval, at once when woken, ever later while it fails, until it is stopped."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from rota.engine.service import LONGEST_BACKOFF, Outage, Runner
from rota.errors import StoreUnreachableError
from tests.engine.helpers import until


class Duty:
    name = "duty"

    def __init__(self, interval: float = 60.0) -> None:
        self.interval = interval
        self.ticks = 0
        self.more = 0
        self.failing = False
        self.gate: threading.Event | None = None

    def tick(self) -> bool:
        self.ticks += 1
        if self.gate is not None:
            self.gate.wait(60)
        if self.failing:
            raise RuntimeError("out of paper")
        self.more -= 1
        return self.more >= 0


def test_it_ticks_at_once_again_while_there_is_more_and_then_waits_to_be_woken() -> None:
    duty = Duty()
    duty.more = 5
    runner = Runner(duty)

    runner.start()
    until(lambda: duty.ticks == 6)
    threading.Event().wait(0.02)
    assert duty.ticks == 6
    runner.wake()
    until(lambda: duty.ticks == 7)

    assert runner.stop(5)
    assert duty.ticks == 7


def test_a_wake_during_a_tick_is_not_lost() -> None:
    duty = Duty()
    duty.gate = threading.Event()
    runner = Runner(duty)
    runner.start()
    until(lambda: duty.ticks == 1)

    runner.wake()
    duty.gate.set()

    until(lambda: duty.ticks == 2)
    assert runner.stop(5)


def test_stopping_waits_for_the_tick_under_way_and_tells_when_it_is_too_long() -> None:
    duty = Duty()
    duty.gate = threading.Event()
    runner = Runner(duty)
    runner.start()
    until(lambda: duty.ticks == 1)

    assert not runner.stop(0.01)
    duty.gate.set()
    assert runner.stop(5)
    assert duty.ticks == 1


def test_a_duty_that_fails_is_tried_again_ever_later_and_noted(caplog: pytest.LogCaptureFixture) -> None:
    duty = Duty()
    duty.failing = True
    runner = Runner(duty)

    pauses = []
    with caplog.at_level(logging.INFO, logger="rota.engine"):
        for _ in range(12):
            assert not runner._tick()
            pauses.append(runner._pause())
        assert runner.pulse.error == "RuntimeError: out of paper"
        assert runner.pulse.failed_at is not None
        assert runner.pulse.ticked_at is None
        duty.failing = False
        runner._tick()

    for number, pause in enumerate(pauses, 1):
        longest = min(LONGEST_BACKOFF, 0.2 * 2**number)
        assert longest / 2 <= pause <= longest
    assert runner._pause() == 60
    assert runner.pulse.ticked_at is not None
    assert runner.pulse.ticked_at <= time.monotonic()
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 2  # not one line a second for ever
    assert "works again after 12 failures" in caplog.text


def test_a_failing_duty_keeps_its_loop_alive() -> None:
    duty = Duty()
    duty.failing = True
    runner = Runner(duty)
    runner.start()
    until(lambda: duty.ticks >= 1)

    duty.failing = False
    runner.wake()
    until(lambda: runner.pulse.ticked_at is not None)

    assert runner.stop(5)


def test_one_that_was_never_started_is_stopped_already() -> None:
    assert Runner(Duty()).stop(0)


def test_what_fails_right_after_an_outage_is_no_second_one(caplog: pytest.LogCaptureFixture) -> None:
    outage, away = Outage(), StoreUnreachableError("cannot reach it")

    with caplog.at_level(logging.INFO):
        for _ in range(3):
            outage.begin(away, outage.now())
        outage.end()
        outage.begin(away, outage.now())  # a connection that broke then, and that nobody had used since
        outage.end()

    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_an_outage_lasts_from_the_first_question_that_got_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    now = [1_000.0]
    outage = Outage(lambda: now[0])

    class Asking(Duty):
        def tick(self) -> bool:
            if self.failing:
                now[0] += 50  # it hangs until the connection is given up
                raise StoreUnreachableError("no answer")
            return False

    duty = Asking()
    duty.failing = True
    runner = Runner(duty, outage)
    with caplog.at_level(logging.INFO):
        runner._tick()
        duty.failing = False
        runner._tick()
        outage.begin(StoreUnreachableError("no answer"), asked_at=1_001.0)  # another duty, which hung as long

    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["no answer; trying again until it answers", "the database answers again, after 50 s"]
