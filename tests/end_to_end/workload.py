"""The application that the end-to-end tests start as real processes."""

from __future__ import annotations

import ctypes
import os
import subprocess
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

    @rota.job("deaf", retry=Retry(attempts=1), timeout=5)
    def deaf() -> None:
        """In C, without ever letting go of the interpreter."""
        ctypes.PyDLL(None).sleep(600)

    @rota.job("orphans", retry=Retry(attempts=1))
    def orphans(count: int) -> int:
        """Children of children that die; and one child of its own, which is waited for."""
        for _ in range(count):
            subprocess.run(["sh", "-c", "sleep 0.2 & exit 0"], check=True)
        with subprocess.Popen(["sh", "-c", "sleep 0.5; exit 7"]) as own:
            return own.wait()

    rota.job("asks", retry=Retry(attempts=1))(ask)
    rota.job("asks apart", retry=Retry(attempts=1), executor="process")(ask)
    rota.job("notes its token", retry=Retry(attempts=1), timeout=None)(note_token)
    return rota


def ask(run: Run) -> list[bool]:
    run.step("charge", append_note, f"charged {run.id}")
    first = run.wait_for("approval", "2d", about="an order")
    run.step("mail", append_note, f"mailed {run.id}")
    return [first.approved, run.wait_for("never", timeout="1s").timed_out]


def note_token(run: Run, number: int) -> None:
    append_note(f"{run.id} {run.attempt}")
    time.sleep(0.2)


def append_note(text: str) -> None:
    file = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{text}\n".encode())
    os.close(file)


rota = declare(Rota.from_env())
