"""What the body of a job gets: who it is, how to report, where it left off, and whether to stop."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from itertools import islice
from typing import Any, NoReturn, TypeVar

from rota.body.desk import Desk
from rota.body.log import RunLogger
from rota.body.signal import StopSignal
from rota.clock import from_us
from rota.errors import RunLostError
from rota.model import payload
from rota.model.attempt import Envelope
from rota.model.duration import Duration, seconds
from rota.model.edge import Count, Length, Name, checks
from rota.model.policy import WHOLE, WORD

T = TypeVar("T")
_UNREAD: Any = object()
_job_logger = logging.getLogger("rota.job")


class Progress:
    """How far a body is; ``changed``: since the ledger was last told."""

    __slots__ = ("changed", "done", "total")

    def __init__(self) -> None:
        self.done = 0
        self.total: int | None = None
        self.changed = False


class Run:
    """One attempt of a run, as its body sees it. Everything here may be called from any thread of the body.

    >>> def send(run: Run, to: list[str]) -> None:
    ...     for batch in run.batches(to, size=100):
    ...         deliver(batch)
    """

    __slots__ = ("_checkpoint", "_desk", "_envelope", "_logger", "_progress", "_signal")

    def __init__(self, envelope: Envelope, desk: Desk, signal: StopSignal, progress: Progress) -> None:
        self._envelope = envelope
        self._desk = desk
        self._signal = signal
        self._progress = progress
        self._checkpoint: Any = _UNREAD
        self._logger: RunLogger | None = None

    @property
    def id(self) -> int:
        return self._envelope.id

    @property
    def job(self) -> str:
        """The job's full name."""
        return self._envelope.job

    @property
    def attempt(self) -> int:
        """The fencing token: grows with every claim of the run, also after a hand-back."""
        return self._envelope.attempt

    @property
    def due_at(self) -> datetime:
        """The moment that the run stands for: the due moment of its schedule, else when this attempt was to start."""
        return from_us(self._envelope.fire_due_at or self._envelope.due_at)

    @property
    def as_of(self) -> datetime:
        """The "now" of every rule, frozen over retries: the start of the first attempt; in a backfill, its moment."""
        return from_us(self._envelope.as_of)

    @property
    def schedule(self) -> str | None:
        return self._envelope.schedule

    @property
    def actor(self) -> str | None:
        """Who or what asked for the run, where somebody did."""
        return self._envelope.asked_by

    @property
    def dry_run(self) -> bool:
        """The body must look and count, and change nothing."""
        return self._envelope.mode == "dry_run"

    @property
    def muted(self) -> bool:
        """Senders must not send (so it is in staging, and in every dry run)."""
        return self._envelope.mode in {"muted", "dry_run"}

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
        progress = self._progress
        progress.done, progress.total = _whole("done", done), None if total is None else _whole("total", total)
        progress.changed = True

    @property
    def checkpoint(self) -> Any:
        """What this run last saved, in this attempt or an earlier one; ``None`` at first."""
        if self._checkpoint is _UNREAD:
            text = self._envelope.checkpoint
            self._checkpoint = None if text is None else payload.load(text)
        return self._checkpoint

    def save_checkpoint(self, value: Any, connection: Any = None) -> None:
        """Keep a place to go on from; with a ``connection`` to the store's database, in the caller's transaction.

        Raises:
            PayloadError: the value has no JSON form.
            RunLostError: another node has the run by now; the place is not moved.
        """
        self.check()
        if not self._desk.save_checkpoint(self._envelope, payload.dump(value, "checkpoint"), connection):
            self._lost()
        self._checkpoint = value

    @property
    def cancelled(self) -> bool:
        """Whether the body should stop: cancelled, out of time, or its node is stopping. Returning then is enough."""
        return self._signal.is_given()

    def check(self) -> None:
        """Raise if the body should stop: ``RunCancelledError``, ``RunTimedOutError`` or ``RunLostError``."""
        self._signal.check()

    def sleep(self, duration: Duration) -> None:
        """Sleep that ends at once, raising as ``check`` does, when the body should stop."""
        self._signal.sleep(seconds(duration))

    @checks
    def batches(self, items: Iterable[T], size: Count = 1_000, pause: Duration = 0) -> Iterator[list[T]]:
        """The items in lists of ``size``; looks between two whether to stop, rests for ``pause``, counts progress."""
        total = len(items) if isinstance(items, Sequence) else None
        rest, done = iter(items), 0
        while batch := list(islice(rest, size)):
            self.check()
            if done and seconds(pause):
                self.sleep(pause)
            yield batch
            done += len(batch)
            self.progress(done, total)

    @checks
    def fan_out(
        self,
        job: Any,
        items: Iterable[Any],
        size: Count | None = None,
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
        name = WORD.check("run.fan_out", "job", getattr(job, "name", job))
        next_name = None if then is None else WORD.check("run.fan_out", "then", getattr(then, "name", then))
        batch = self._desk.fan_out(self._envelope, name, list(items), next_name, then_arguments or {})
        if batch is None:
            self._lost()
        return batch

    @checks
    def lock(self, name: Name, ttl: Length = 30, wait: Duration = 0) -> AbstractContextManager[Any]:
        """As ``rota.lock``."""
        return self._desk.lock(name, seconds(ttl), seconds(wait))

    @checks
    def emit(self, event: Name, /, **data: Any) -> None:
        """Record an event of the application's own, and hand it to listeners: ``run.emit("breaker.opened", …)``.

        Raises ``PayloadError`` for what JSON cannot hold.
        """
        payload.dump(data, event)
        self._desk.emit(self._envelope, event, data)

    def _lost(self) -> NoReturn:
        lost = RunLostError("the run was given to another node")
        self._signal.give(lost)
        self._signal.check()
        raise lost


def _whole(name: str, number: float) -> int:
    with suppress(TypeError, ValueError, OverflowError):  # it is told below
        number = int(number)
    whole: int = WHOLE.check("run.progress", name, number)
    return whole
