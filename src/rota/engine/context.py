"""What the body of a job gets: who it is, how to report, where it left off, and whether to stop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import islice
from typing import Any, Protocol, TypeVar

from rota.clock import from_us
from rota.engine.logs import LogLines, RunLogger
from rota.errors import ConfigError, Interrupted
from rota.model import payload
from rota.model.duration import Duration, seconds
from rota.model.job import Job
from rota.model.node import resident_bytes
from rota.model.outcome import Outcome
from rota.model.run import Claim

T = TypeVar("T")
_making_stop = threading.Lock()
_UNREAD: Any = object()
_job_logger = logging.getLogger("rota.job")


class Home(Protocol):
    """What a run needs of the node that it is on."""

    def save_checkpoint(self, run: Run, text: str, connection: Any) -> bool:
        """False: the run is no longer this attempt's."""

    def fan_out(
        self,
        run: Run,
        job: str,
        items: Sequence[Mapping[str, Any]],
        then: str | None,
        then_arguments: Mapping[str, Any],
    ) -> int: ...

    def emit(self, run: Run, kind: str, data: Mapping[str, Any]) -> None: ...

    def lock(self, name: str, ttl: float, wait: float) -> AbstractContextManager[Any]: ...


class Run:
    """One attempt of a run, as its body sees it. Everything here may be called from any thread of the body.

    >>> def send(run: Run, to: list[str]) -> None:
    ...     for batch in run.batches(to, size=100):
    ...         deliver(batch)
    """

    __slots__ = (
        "_checkpoint",
        "_claim",
        "_home",
        "_interrupt",
        "_logger",
        "_noticed",
        "_stop",
        "_task",
        "deadline",
        "ended_us",
        "job_spec",
        "log_lines",
        "node_id",
        "outcome",
        "peak_rss",
        "progress_changed",
        "progress_done",
        "progress_total",
        "started_us",
        "traceback",
    )

    def __init__(self, claim: Claim, job: Job, home: Home, node_id: str, log_lines: LogLines) -> None:
        self._claim = claim
        self._home = home
        self._checkpoint: Any = _UNREAD
        self._interrupt: Interrupted | None = None
        self._noticed = False
        self._stop: threading.Event | None = None
        self._task: Callable[[], object] | None = None
        self._logger: RunLogger | None = None
        self.job_spec = job
        self.node_id = node_id
        self.log_lines = log_lines
        self.progress_done: int | None = None
        self.progress_total: int | None = None
        self.progress_changed = False
        self.peak_rss: int | None = None
        self.started_us = 0
        self.ended_us = 0
        self.deadline: float | None = None
        self.outcome: Outcome | Interrupted | None = None
        self.traceback: str | None = None

    @property
    def id(self) -> int:
        return self._claim.id

    @property
    def job(self) -> str:
        """The job's full name."""
        return self._claim.job

    @property
    def attempt(self) -> int:
        """The fencing token: grows with every claim of the run, also after a hand-back."""
        return self._claim.attempt

    @property
    def due_at(self) -> datetime:
        """The moment that the run stands for: the due moment of its schedule, else when this attempt was to start."""
        return from_us(self._claim.fire_due_at or self._claim.due_at)

    @property
    def as_of(self) -> datetime:
        """The "now" of every rule, frozen over retries: the start of the first attempt; in a backfill, its moment."""
        return from_us(self._claim.as_of)

    @property
    def schedule(self) -> str | None:
        return self._claim.schedule

    @property
    def actor(self) -> str | None:
        """Who or what asked for the run, where somebody did."""
        return self._claim.asked_by

    @property
    def dry_run(self) -> bool:
        """The body must look and count, and change nothing."""
        return self._claim.mode == "dry_run"

    @property
    def muted(self) -> bool:
        """Senders must not send (so it is in staging, and in every dry run)."""
        return self._claim.mode in {"muted", "dry_run"}

    @property
    def idempotency_key(self) -> str:
        """The same over all attempts of this run: give it to whoever is asked to act."""
        return f"{self.job}:{self.id}"

    @property
    def log(self) -> RunLogger:
        """A logger whose lines are kept with the run: ``run.log.info("fetched", platform=name, rows=12)``."""
        if self._logger is None:
            self._logger = RunLogger(_job_logger, {"run": self.id, "job": self.job, "attempt": self.attempt})
        return self._logger

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far the work is; cheap, it is written every half second or so."""
        self.progress_done, self.progress_total = int(done), None if total is None else int(total)
        self.progress_changed = True

    @property
    def checkpoint(self) -> Any:
        """What this run last saved, in this attempt or an earlier one; ``None`` at first."""
        if self._checkpoint is _UNREAD:
            text = self._claim.checkpoint
            self._checkpoint = None if text is None else payload.load(text)
        return self._checkpoint

    def save_checkpoint(self, value: Any, connection: Any = None) -> None:
        """Keep a place to go on from; with a ``connection`` to the store's database, in the caller's transaction.

        Raises:
            PayloadError: the value has no JSON form.
            RunLostError: another node has the run by now; the place is not moved.
        """
        self.check()
        if not self._home.save_checkpoint(self, payload.dump(value, "checkpoint"), connection):
            from rota.errors import RunLostError

            self.interrupt(RunLostError("the run was given to another node"))
            self.check()
        self._checkpoint = value

    @property
    def cancelled(self) -> bool:
        """Whether the body should stop: cancelled, out of time, or its node is stopping. Returning then is enough."""
        self._noticed = self._noticed or self._interrupt is not None
        return self._interrupt is not None

    def check(self) -> None:
        """Raise if the body should stop: ``RunCancelledError``, ``RunTimedOutError`` or ``RunLostError``."""
        if self._interrupt is not None:
            self._noticed = True
            raise self._interrupt

    def sleep(self, duration: Duration) -> None:
        """Sleep that ends at once, raising as ``check`` does, when the body should stop."""
        self.check()
        with _making_stop:  # two threads of one body must wait for the same
            self._stop = self._stop or threading.Event()
        if self._interrupt is None:
            self._stop.wait(seconds(duration))
        self.check()

    def batches(self, items: Iterable[T], size: int = 1_000, pause: Duration = 0) -> Iterator[list[T]]:
        """The items in lists of ``size``; looks between two whether to stop, rests for ``pause``, counts progress."""
        if size < 1:
            raise ConfigError(f"size={size} is no size of a batch", hint="Give 1 or more.")
        total = len(items) if isinstance(items, Sequence) else None
        rest, done = iter(items), 0
        while batch := list(islice(rest, size)):
            self.check()
            if done and seconds(pause):
                self.sleep(pause)
            yield batch
            done += len(batch)
            self.progress(done, total)

    def fan_out(
        self,
        job: Any,
        items: Iterable[Any],
        size: int | None = None,
        then: Any = None,
        then_arguments: Mapping[str, Any] | None = None,
    ) -> int:
        """Make a run of ``job`` for each item, as one batch; when all are over, one of ``then``. Returns the batch id.

        An item is a dict of arguments. With ``size``, items are anything, and each child gets up to that many of them
        as its argument ``items``. ``then`` is given ``batch`` (its id, total and counts) beside ``then_arguments``.
        """
        self.check()
        if size is not None:
            rest = iter(items)
            items = [{"items": chunk} for chunk in iter(lambda: list(islice(rest, size)), [])]
        name = getattr(job, "name", job)
        next_name = getattr(then, "name", then)
        return self._home.fan_out(self, name, list(items), next_name, then_arguments or {})

    def lock(self, name: str, ttl: Duration = 30, wait: Duration = 0) -> AbstractContextManager[Any]:
        """As ``rota.lock``."""
        return self._home.lock(name, seconds(ttl), seconds(wait))

    def emit(self, event: str, /, **data: Any) -> None:
        """Record an event of the application's own, and hand it to listeners: ``run.emit("breaker.opened", …)``."""
        self._home.emit(self, event, data)

    # What the engine does with a run; a body has no use for it.

    @property
    def claim(self) -> Claim:
        return self._claim

    @property
    def interrupted(self) -> Interrupted | None:
        return self._interrupt

    @property
    def noticed(self) -> bool:
        """Whether the body was seen to look at the signal."""
        return self._noticed

    def interrupt(self, reason: Interrupted) -> None:
        """Give the signal to stop; the first reason stays."""
        if self._interrupt is not None:
            return
        self._interrupt = reason
        if self._stop is not None:
            self._stop.set()
        if self._task is not None:
            self._task()

    def attach(self, task: asyncio.Task[Any] | None, loop: asyncio.AbstractEventLoop) -> None:
        """Let the signal cancel this task too."""
        assert task is not None  # noqa: S101 - it is the caller's own
        self._task = lambda: loop.call_soon_threadsafe(task.cancel)
        if self._interrupt is not None:
            task.cancel()

    def begin(self, now_us: int) -> None:
        self.started_us = now_us
        timeout = self.job_spec.timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout

    def measure(self) -> None:
        """Note the memory of the process, if it is the most so far."""
        now = resident_bytes()
        if now is not None and now > (self.peak_rss or 0):
            self.peak_rss = now
