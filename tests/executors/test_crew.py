"""However many threads are at it, everything is worked off, once, and nothing waits for ever."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

from rota.executors.crew import Crew
from tests.engine.helpers import until


def test_each_item_is_worked_off_once_whatever_comes_when() -> None:
    seen: Counter[int] = Counter()
    crew: Crew[int] = Crew(8, lambda item: seen.update([item]), "crew")

    for start in range(0, 20_000, 500):
        crew.add(range(start, start + 500))
        if start % 3_000 == 0:
            until(lambda: not crew.line)

    until(lambda: sum(seen.values()) == 20_000)
    assert set(seen.values()) == {1}
    crew.stop()


def test_a_long_line_of_brief_work_is_left_to_one_thread_and_one_that_waits_brings_the_others_back(
    tmp_path: Path,
) -> None:
    file = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
    gate, stuck = threading.Event(), threading.Event()

    def work(item: int) -> None:
        os.write(file, b"x")
        if crew._awake == 1 and crew._alone and not stuck.is_set():
            stuck.set()  # it waits while it is the only one at work
            gate.wait(60)

    crew: Crew[int] = Crew(4, work, "crew")
    while not stuck.is_set():
        crew.add(range(5_000))
        until(lambda: len(crew.line) < 2_500)

    until(lambda: not crew.line)
    gate.set()
    crew.stop()
    until(lambda: crew._started == 0)  # the last of them may still be about to write
    os.close(file)


def test_work_that_begins_to_wait_a_little_brings_the_others_back() -> None:
    """Too little for the one to look stuck: it ends one item after the other."""
    waits = threading.Event()

    def work(item: int) -> None:
        if waits.is_set():
            time.sleep(0.0005)

    crew: Crew[int] = Crew(16, work, "crew")
    until(lambda: crew.add([0] * 2_000) or crew._alone)

    waits.set()

    until(lambda: crew.add([0] * 20 if len(crew.line) < 2_000 else []) or (not crew._alone and crew._awake > 8))
    crew.line.clear()
    crew.stop()


def test_the_last_few_of_a_long_line_are_not_left_to_one_that_waits() -> None:
    gate, waiting = threading.Event(), []

    def work(item: int) -> None:
        if item:
            waiting.append(item)
            gate.wait(60)

    crew: Crew[int] = Crew(4, work, "crew")
    crew._alone = True
    crew.add([0] * 200 + [1, 2, 3, 4])

    until(lambda: len(waiting) == 4)
    gate.set()
    crew.stop()


def test_threads_that_are_too_many_end_when_they_are_idle() -> None:
    gate, inside = threading.Event(), []

    def work(item: int) -> None:
        inside.append(item)
        gate.wait(60)

    crew: Crew[int] = Crew(1, work, "crew")
    crew.add([1, 2, 3])
    until(lambda: len(inside) == 1)
    crew.resize(+1)
    until(lambda: len(inside) == 2)

    crew.resize(-1)
    gate.set()

    until(lambda: crew._started == 1 and not crew.line)
    crew.stop()
    until(lambda: crew._started == 0)
