"""The application that the end-to-end tests start as real processes."""

from __future__ import annotations

import os
import time

from rota import Retry, Rota, Run, every


def declare(rota: Rota) -> Rota:
    @rota.job("work", retry=Retry(attempts=1))
    def work(run: Run, number: int, seconds: float = 0.0) -> int:
        if seconds:
            time.sleep(seconds)
        return number

    @rota.job("second", schedule=every("1s"), overlap="allow", catch_up="all", catch_up_cap=1000)
    def second(run: Run) -> str:
        return run.due_at.isoformat()

    @rota.job("poison", retry=Retry(attempts=1))
    def poison() -> None:
        os.kill(os.getpid(), 9)

    @rota.job("stubborn", retry=Retry(attempts=1), timeout=None)
    def stubborn(run: Run, seconds: float) -> int:
        """Takes its time, whatever it is told."""
        time.sleep(seconds)
        return run.attempt

    @rota.job("obedient", retry=Retry(attempts=1), timeout=None)
    def obedient(run: Run) -> None:
        run.sleep(600)

    return rota


rota = declare(Rota.from_env())
