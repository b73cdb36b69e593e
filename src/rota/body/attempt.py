"""An attempt in this process: its body is called, and whatever it does becomes an ``Ended``."""

from __future__ import annotations

import inspect
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal, get_args

from rota.body import log
from rota.body import signal as stop
from rota.body.desk import Desk
from rota.body.log import LogLines
from rota.body.run import Progress, Run
from rota.body.signal import StopSignal
from rota.errors import Interrupted, Parked, RunCancelledError, RunLostError, RunTimedOutError
from rota.model import payload
from rota.model.attempt import Caps, End, Ended, Envelope
from rota.model.duration import seconds
from rota.model.job import Job
from rota.model.outcome import Cancelled, Failed, JobResult, Outcome, Snoozed, Succeeded
from rota.model.process import resident_bytes
from rota.model.signal import Wait
from rota.shown import shortened

TRACEBACK_CHARACTERS = 20_000
ERROR_CHARACTERS = 4_000
_NO_PROGRESS = Progress()
"""Of a body that has no ``Run`` to report by."""
_PLAIN = frozenset({type(None), bool, int, float, str, dict, list, tuple})
_ENDS = ((RunTimedOutError, End.TIMED_OUT), (RunCancelledError, End.CANCELLED), (RunLostError, End.HANDED_BACK))


class Attempt:
    """One body under way. ``perform`` never raises: it returns how the attempt ended."""

    kind: Literal["thread"] = "thread"

    __slots__ = (
        "_caps",
        "_desk",
        "_now_us",
        "deadline",
        "envelope",
        "job",
        "key",
        "lines",
        "peak_rss",
        "progress",
        "signal",
        "started_us",
        "submitted_at",
    )

    def __init__(self, envelope: Envelope, job: Job, desk: Desk, now_us: Callable[[], int], caps: Caps) -> None:
        self.envelope = envelope
        self.key = envelope.key
        self.job = job
        self.signal = StopSignal()
        self.lines = LogLines(caps)
        self.progress = Progress() if job.wants_run else _NO_PROGRESS
        self.submitted_at = 0.0
        self.started_us = 0
        self.deadline: float | None = None
        """``time.monotonic()`` at which its time is up."""
        self.peak_rss: int | None = None
        self._desk = desk
        self._now_us = now_us
        self._caps = caps

    def perform(self) -> Ended:
        """Call the body of a ``def`` job in this thread; not at all, if it was told to stop while it waited for one.

        The thread does nothing but attempts: what is current in it is left so until the next one begins.
        """
        log.current.set(self.lines)
        stop.current.set(self.signal)
        try:
            self._begin()
            return self._returned(self.job.function(**self._arguments()))
        except BaseException as error:  # noqa: BLE001 - a body may raise anything, SystemExit too
            return self._raised(error)

    async def perform_async(self) -> Ended:
        """Await the body of an ``async def`` job. Its task has a context of its own, so nothing is to be reset."""
        import asyncio  # slow, and not needed where every body is a plain function

        log.current.set(self.lines)
        stop.current.set(self.signal)
        try:
            self._begin()
            task = asyncio.current_task()
            assert task is not None  # noqa: S101 - it is this one
            self.signal.attach(task, asyncio.get_running_loop())
            return self._returned(await self._awaited())
        except BaseException as error:  # noqa: BLE001 - as above; a cancelled task ends here
            return self._raised(error)

    def interrupt(self, reason: Interrupted) -> None:
        """Tell the body to stop; the first reason stays."""
        self.signal.give(reason)

    def measure(self) -> None:
        """Note the memory of the process, if it is the most so far."""
        now = resident_bytes()
        if now is not None and now > (self.peak_rss or 0):
            self.peak_rss = now

    def _begin(self) -> None:
        self.started_us = self._now_us()
        timeout = self.job.timeout
        if timeout is not None:
            self.deadline = time.monotonic() + timeout
        if self.signal.reason is not None:
            raise self.signal.reason

    def _arguments(self) -> Mapping[str, Any]:
        text = self.envelope.arguments
        arguments: dict[str, Any] = {} if text == "{}" else payload.load(text)
        if self.job.wants_run:
            arguments["run"] = Run(self.envelope, self._desk, self.signal, self.progress)
        return arguments

    async def _awaited(self) -> Any:
        """What the body returns. One that caught its cancellation and returned has noticed the signal to stop."""
        import asyncio

        value = await self.job.function(**self._arguments())
        if self.signal.reason is not None:
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return value  # it comes only now: the body never met it, and has done all its work
            self.signal.check()
        return value

    def _returned(self, value: Any) -> Ended:
        """The end of a body that returned: a value of ours decides, any other is its result.

        A body that looked at the signal to stop and returned has stopped. One that never looked has done all its work,
        if late: that counts.
        """
        signal = self.signal
        if signal.reason is not None and signal.noticed:
            return self._interrupted(signal.reason)
        if value.__class__ not in _PLAIN:  # almost all are, and what follows takes as long as the rest of this
            ended = self._judged(value)
            if ended is not None:
                return ended
            value = value.value if isinstance(value, Succeeded) else value
        result = None if value is None else self._result(value)
        if signal.reason is None and not self._left_something:
            return Ended(End.SUCCEEDED, self.started_us, self._now_us(), result)
        return self._ended(End.SUCCEEDED, result=result, overran=isinstance(signal.reason, RunTimedOutError))

    @property
    def _left_something(self) -> bool:
        return self.progress.changed or self.peak_rss is not None or bool(self.lines.lines)

    def _judged(self, value: Any) -> Ended | None:
        """What a value of ours decides; ``None``: it is a success."""
        if isinstance(value, Failed):
            wait = None if value.retry_after is None else value.retry_after.total_seconds()
            return self._ended(End.FAILED, error=value.error, wait=wait, permanent=value.permanent)
        if isinstance(value, Snoozed):
            return self._ended(End.SNOOZED, error=value.reason or None, wait=value.delay.total_seconds())
        if isinstance(value, Cancelled):
            return self._ended(End.CANCELLED, error=value.reason or "the body gave up")
        if isinstance(value, JobResult) and isinstance(value.again_in, timedelta):
            wait, why = value.again_in.total_seconds(), payload.storable(value.message) or None
            return self._ended(End.SNOOZED, error=why, wait=wait, result=self._result(value))
        if isinstance(value, JobResult) and value.status == "failed":
            error = payload.storable(value.message) or "every item failed"
            return self._ended(End.FAILED, error=error, result=self._result(value))
        if inspect.isawaitable(value):
            return self._unawaited(value)
        if isinstance(value, type) and issubclass(value, (*get_args(Outcome), JobResult)):
            error = f"the body returned the class {value.__name__}: write {value.__name__}(…)"
            return self._ended(End.FAILED, error=error, permanent=True)
        return None

    def _unawaited(self, value: Any) -> Ended:
        if inspect.iscoroutine(value):
            value.close()
        error = "the body returned something to await, and nobody does: write async def"
        return self._ended(End.FAILED, error=error, permanent=True)

    def _raised(self, error: BaseException) -> Ended:
        reason = self.signal.reason
        cancelled = _is_cancellation(error)
        if reason is not None and (cancelled or error is reason or _is_parked(error)):
            return self._interrupted(reason)
        if cancelled:
            return self._ended(End.CANCELLED, error="the body cancelled itself")
        if isinstance(error, RunCancelledError):
            return self._ended(End.CANCELLED, error=str(error))
        return self._ended(
            End.FAILED,
            error=describe(error),
            traceback=shortened(_traceback(error), TRACEBACK_CHARACTERS),
            wait=_retry_after(error),
            permanent=not self.job.retry.allows(error),
        )

    def _interrupted(self, reason: Interrupted | Parked) -> Ended:
        if isinstance(reason, Parked):
            return self._ended(End.WAITING, waits=Wait(reason.name, reason.timeout, reason.about))
        end = next((end for kind, end in _ENDS if isinstance(reason, kind)), End.TIMED_OUT)
        return self._ended(end, error=str(reason))

    def _ended(self, end: End, **more: Any) -> Ended:
        progress = self.progress
        if progress.changed:
            more["progress"] = (progress.done, progress.total)
        if self.lines.lines:
            more["log"] = self.lines.text()
        if self.peak_rss is not None:
            more["peak_rss"] = self.peak_rss
        return Ended(end, self.started_us, self._now_us(), **more)

    def _result(self, value: Any) -> str:
        """The result as JSON. What cannot be kept is said instead: the work is done, and is not to be done again."""
        most = self._caps.result_bytes
        try:
            text = payload.dump(value.as_dict() if isinstance(value, JobResult) else value, "result")
        except BaseException as error:  # noqa: BLE001 - a value may do anything when it is looked at
            self.lines.add(f"the result was not kept: {describe(error)}")
            return payload.dump({"not_kept": describe(error)}, "result")
        if len(text) > most:
            self.lines.add(f"the result of {len(text):,} bytes was cut at {most:,}")
            return payload.dump({"cut_at": most, "bytes": len(text), "head": text[: most // 2]}, "result")
        return text


def describe(error: BaseException) -> str:
    """``ValueError: no such user`` in one storable line; an exception whose ``str`` fails is named by its type."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an odd exception must not hide the failure
        text = "(its message cannot be shown)"
    name = type(error).__name__
    return shortened(payload.storable(f"{name}: {text}" if text else name), ERROR_CHARACTERS)


def _is_cancellation(error: BaseException) -> bool:
    """That of a task; where nobody has imported ``asyncio``, there is none."""
    if "asyncio" not in sys.modules:
        return False
    import asyncio

    return isinstance(error, asyncio.CancelledError)


def _is_parked(error: BaseException) -> bool:
    """Also out of a group of tasks, where nothing else went wrong."""
    return isinstance(error, BaseExceptionGroup) and error.split(Parked)[1] is None


def _retry_after(error: BaseException) -> float | None:
    """What the exception itself asks for; what makes no sense (a date, a header's text) leaves it to the job."""
    try:
        after = getattr(error, "retry_after", None)
        return None if after is None else seconds(after)
    except Exception:  # noqa: BLE001 - it is somebody else's exception, and must not hide the failure
        return None


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error)
    except Exception:  # noqa: BLE001 - as above
        return "(no traceback: the exception cannot be formatted)"
    return payload.storable("".join(line for line in lines if "rota/body/attempt.py" not in line))
