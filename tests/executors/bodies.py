"""The bodies of the contract: each is a job of every executor, ``thread/NAME`` and ``process/NAME``."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rota import Cancelled, Failed, JobResult, Retry, Rota, Run, Snoozed

rota = Rota()
EATER = [
    sys.executable,
    "-c",
    "import time\nkept = []\nwhile True:\n    kept.append(bytearray(25_000_000)); time.sleep(0.02)",
]
MOST_DESCRIPTORS = 4_096
"""Those of a slot have the numbers that they have in its node, which may have very many open."""
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


def everywhere(**policies: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def declare(body: Callable[..., Any]) -> Callable[..., Any]:
        for executor in ("thread", "process"):
            rota.job(f"{executor}/{body.__name__}", **{"executor": executor, "retry": 1, **policies})(body)
        return body

    return declare


def apart(**policies: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What only a process of its own survives."""

    def declare(body: Callable[..., Any]) -> Callable[..., Any]:
        rota.job(f"process/{body.__name__}", **{"executor": "process", "retry": 1, **policies})(body)
        return body

    return declare


def note(text: str) -> None:
    """Where the test can read it, whatever becomes of this process."""
    with Path(os.environ["NOTES"]).open("a") as file:
        file.write(f"{text}\n")


@everywhere()
def returns(value: Any) -> Any:
    return value


@everywhere()
def where() -> int:
    return os.getpid()


@everywhere()
def outcome(kind: str) -> Any:
    return {
        "fails": Failed("no", permanent=True),
        "gives up": Cancelled("enough"),
        "reports": JobResult(status="failed", message="all of them", counts={"items": 3}),
    }[kind]


@everywhere()
def parks(run: Run) -> list[Any]:
    charged = run.step("charge", note, f"charged {run.id}")
    signal = run.wait_for("approval", "1h", about=f"run {run.id}")
    return [charged, signal.approved, signal.by, signal.why, run.attempt]


@everywhere()
async def parks_async(run: Run) -> list[Any]:
    async def charge() -> str:
        note(f"charged {run.id}")
        return "c-1"

    charged = await run.step("charge", charge)
    return [charged, run.wait_for("approval", 0.05).timed_out, run.attempt]


@everywhere(retry=Retry(attempts=2, delays=[0.01]))
def flaky(run: Run) -> str:
    if run.attempt == 1:
        raise ValueError("broken")
    return "well"


@everywhere()
def snoozes(run: Run) -> Any:
    return Snoozed(0.01, "later") if run.attempt == 1 else "awake"  # type: ignore[arg-type]


@everywhere()
async def awaited() -> int:
    await asyncio.sleep(0.001)
    return 7


@everywhere()
def long() -> str:
    return "x" * 5_000_000


@everywhere()
def odd() -> Any:
    return {1, 2}


@everywhere()
def talks(run: Run) -> None:
    run.log.info("half way", rows=3)
    run.progress(1, 2)


@everywhere()
def asks(run: Run) -> Any:
    run.save_checkpoint({"page": 2})
    run.emit("city.seen", city="Lyon")
    batch = run.fan_out(run.job.replace("asks", "returns"), [{"value": n} for n in range(3)])
    with run.lock("billing"):
        return {"batch": batch, "checkpoint": run.checkpoint}


@everywhere(timeout=0.3)
def sleeps(run: Run) -> None:
    note(f"begun {run.id}")
    run.sleep(60)


@everywhere(timeout=0.3)
async def awaits_long() -> None:
    await asyncio.sleep(60)


@everywhere(timeout=None)
def waits_for_cancel(run: Run) -> None:
    note(f"begun {run.id}")
    run.sleep(60)


@apart(timeout=0.2)
def stuck_in_sleep(run: Run) -> None:
    try:
        time.sleep(60)
    finally:
        note(f"finally {run.id}")


def start_daemon(command: list[str]) -> int:
    """In a session of its own, and nobody's child: as a program does that puts itself in the background."""
    number, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        daemon = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.write(told, str(daemon.pid).encode())
        os._exit(0)
    os.wait()
    return int(os.read(number, 20))


@apart(timeout=0.2, hard_timeout=1.0)
def holds_the_gil(run: Run) -> None:
    note(f"pid {os.getpid()}")
    ctypes.PyDLL(None).usleep(60_000_000)  # a call into C that keeps the interpreter to itself


@apart(timeout=0.2, hard_timeout=1.0)
def ignores_sigterm(run: Run) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen(SLEEPER)
    note(f"pid {os.getpid()}")
    note(f"pid {child.pid}")
    note(f"pid {subprocess.Popen(SLEEPER, start_new_session=True).pid}")
    note(f"pid {start_daemon(SLEEPER)}")
    while True:
        time.sleep(60)


@apart(timeout=None)
def stays() -> None:
    """Four processes that nobody but the warden ends."""
    child = subprocess.Popen(SLEEPER)
    note(f"pid {subprocess.Popen(SLEEPER, start_new_session=True).pid}")
    note(f"pid {start_daemon(SLEEPER)}")
    note(f"pid {child.pid}")
    note(f"pid {os.getpid()}")
    ctypes.PyDLL(None).usleep(600_000_000)


@apart(memory="300MB")
def hog() -> None:
    kept = []
    while True:
        kept.append(bytearray(25_000_000))
        time.sleep(0.02)


@apart(memory="300MB")
def hog_by_a_grandchild() -> None:
    subprocess.run(EATER, check=True)


@apart(memory="300MB")
def hog_by_a_daemon() -> None:
    start_daemon(EATER)
    time.sleep(60)


@apart(retry=Retry(attempts=5, delays=[0.01]))
def dies(run: Run) -> None:
    run.log.info("the last word")
    os._exit(3)


@apart(retry=Retry(attempts=1, delays=[0.01]))
def writes_to_every_pipe() -> None:
    """Not into files: a body before it in this process may have opened the ledger."""
    for descriptor in range(3, MOST_DESCRIPTORS):
        with suppress(OSError):
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.write(descriptor, b"xxxxxxxx")
    time.sleep(60)


@apart(retry=Retry(attempts=1, delays=[0.01]))
def closes_every_descriptor() -> None:
    """As a library does that makes itself a daemon."""
    os.closerange(3, MOST_DESCRIPTORS)
    time.sleep(60)


@apart()
def closes_its_output() -> int:
    sys.stdout.close()
    return os.getpid()


@apart()
def forks_and_comes_back() -> str:
    if os.fork() == 0:
        return "child"
    time.sleep(0.3)
    return "parent"


@apart(timeout=10.0)
def waits_for_all_its_children() -> int:
    kept = subprocess.Popen(["true"])  # else its own end would wait for it
    ended = 0
    with suppress(ChildProcessError):
        while True:
            ended += os.wait()[0] == kept.pid
    return ended


@apart()
def leaves_a_child_behind() -> list[int]:
    return [subprocess.Popen(SLEEPER).pid, start_daemon(SLEEPER)]
