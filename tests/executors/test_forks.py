"""A body that forks makes no second worker."""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest

from rota import Rota
from rota.clock import ManualClock
from rota.testing import run_due


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # that it is unwise is the point
def test_the_child_of_a_body_that_forks_does_none_of_the_work(sqlite_url: str) -> None:
    rota = Rota(sqlite_url, clock=ManualClock())
    read, write = os.pipe()

    @rota.job("fork")
    def fork() -> None:
        if os.fork() == 0:
            sys.exit(0)  # which a worker's thread would swallow
        os.wait()

    @rota.job("work")
    def work(number: int) -> None:
        os.write(write, bytes([number]))

    fork.options(priority=-1).enqueue()
    work.enqueue_many([{"number": number} for number in range(50)])
    run_due(rota)

    os.close(write)
    done = Counter(os.read(read, 1_000))
    os.close(read)
    assert done == Counter(range(50))
