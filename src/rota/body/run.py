"""What the body of a job gets: who it is, how to report, where it left off, and whether to stop."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from itertools import islice
from typing import Any, NoReturn, ParamSpec, TypeVar, overload

from rota.body.desk import Desk
from rota.body.log import RunLogger
from rota.body.signal import StopSignal
from rota.clock import from_us
from rota.errors import ConfigError, Parked, PayloadError, RunLostError
from rota.model import payload
from rota.model.attempt import Envelope
from rota.model.duration import Duration, seconds
from rota.model.edge import Count, Length, Name, checks
from rota.model.policy import WHOLE, WORD
from rota.model.signal import ABOUT_CHARACTERS, Signal
from rota.model.step import STEP_BYTES, StepRecord
from rota.shown import shortened

T = TypeVar("T")
P = ParamSpec("P")
_UNREAD: Any = object()
_STEP_HINT = 'As in run.step("charge", charge, order_id): the function, and then its arguments.'
_NAMES_HINT = 'Give each its own name, as in run.step(f"charge:{order_id}", charge, order_id).'
_AWAIT_HINT = 'Give the async def itself: await run.step("fetch", fetch, url).'
_KEEP_HINT = "Return what JSON can hold, such as a key. To do the run again from its start: rota run retry ID --afresh"
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

    __slots__ = ("__weakref__", "_checkpoint", "_desk", "_envelope", "_logger", "_progress", "_signal", "_steps")

    def __init__(self, envelope: Envelope, desk: Desk, signal: StopSignal, progress: Progress) -> None:
        self._envelope = envelope
        self._desk = desk
        self._signal = signal
        self._progress = progress
        self._checkpoint: Any = _UNREAD
        self._logger: RunLogger | None = None
        self._steps: set[str] = set()

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

    @overload
    def step(
        self, name: str, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, T]: ...
    @overload
    def step(self, name: str, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    def step(self, name: str, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call the function and keep what it returned; once that is kept, no attempt of this run calls it again.

        Returns the value as JSON gives it back, the first time as well as any other. Of an ``async def`` it is to be
        awaited. Between the call and its keeping the process may die: then it is called again, so give whoever is
        asked to act a key that is the same, ``f"{run.idempotency_key}:{name}"``.

        Raises:
            ConfigError: this attempt had a step of that name before.
            PayloadError: what it returned cannot be kept. It is done all the same, and not called again.
            RunLostError: another node has the run by now; the result is not kept.
        """
        WORD.check("run.step", "name", name)
        if not callable(function):
            raise ConfigError(f"step {name!r} was given no function", hint=_STEP_HINT)
        if name in self._steps:
            raise ConfigError(f"step {name!r} was asked for twice in one body", hint=_NAMES_HINT)
        self._steps.add(name)
        self.check()
        if inspect.iscoroutinefunction(function):
            return self._awaited_step(name, function(*args, **kwargs))
        kept = self._desk.find_step(self._envelope, name)
        if kept is not None:
            return self._kept(kept)
        value = function(*args, **kwargs)
        if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            raise ConfigError(f"step {name!r} gave something to await, and was not done", hint=_AWAIT_HINT)
        return self._keep(name, value)

    async def _awaited_step(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> Any:
        kept = self._desk.find_step(self._envelope, name)
        if kept is not None:
            coroutine.close()
            return self._kept(kept)
        return self._keep(name, await coroutine)

    def _keep(self, name: str, value: Any) -> Any:
        """It is done, whatever became of the signal to stop meanwhile."""
        text, refused = None, None
        try:
            text = payload.dump(value, f"what step {name!r} returned", STEP_BYTES)
        except PayloadError as error:
            refused = error
        if not self._desk.keep_step(self._envelope, name, text, None if refused is None else str(refused)):
            self._lost()
        if text is None:
            raise PayloadError(f"{refused}; the step is done all the same", hint=_KEEP_HINT) from refused
        return payload.load(text)

    def _kept(self, step: StepRecord) -> Any:
        if step.result is None:
            raise PayloadError(f"{step.error}; the step is done all the same", hint=_KEEP_HINT)
        return payload.load(step.result)

    @checks
    def wait_for(self, name: Name, timeout: Length | None = None, about: str | None = None) -> Signal:
        """The signal of that name; while it has not come, the attempt ends, and the body begins again when it has.

        No place on a node is held meanwhile. After ``timeout`` the signal is one that says ``timed_out``. ``about`` is
        what people are told who are to answer: ``run.wait_for("approval", "2d", about="deletes 12,000 rows")``.
        """
        self.check()
        signal = self._desk.find_signal(self._envelope, name)
        if signal is not None:
            return signal
        told = None if about is None else shortened(about, ABOUT_CHARACTERS)
        self._signal.give(Parked(name, None if timeout is None else seconds(timeout), told))
        self._signal.check()
        raise AssertionError("unreachable: the signal to stop was given")

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
