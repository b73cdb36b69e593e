"""One attempt: the body is called, and whatever it does becomes an outcome."""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from rota.engine.context import Run
from rota.engine.logs import current_lines
from rota.errors import Interrupted, RunCancelledError
from rota.model import payload
from rota.model.duration import seconds
from rota.model.outcome import Cancelled, Failed, JobResult, Outcome, Snoozed, Succeeded

TRACEBACK_CHARACTERS = 20_000


class Attempt:
    """The work an executor is given: it leaves the outcome in ``run.outcome`` and never raises."""

    __slots__ = ("_now_us", "run", "submitted_at")

    def __init__(self, run: Run, now_us: Callable[[], int]) -> None:
        self.run = run
        self.submitted_at = 0.0
        self._now_us = now_us

    @property
    def is_async(self) -> bool:
        return self.run.job_spec.is_async

    def perform(self) -> None:
        """Call the body of a ``def`` job in this thread; not at all, if it was told to stop while it waited for one."""
        run = self.run
        token = current_lines.set(run.log_lines)
        try:
            run.begin(self._now_us())
            run.outcome = run.interrupted or _judge(run, run.job_spec.function(**_arguments(run)))
        except BaseException as error:  # noqa: BLE001 - a body may raise anything, SystemExit too
            run.outcome = _judge_error(run, error)
        finally:
            current_lines.reset(token)
            run.ended_us = self._now_us()

    async def perform_async(self) -> None:
        """Await the body of an ``async def`` job. Its task has a context of its own, so nothing is to be reset."""
        run = self.run
        current_lines.set(run.log_lines)
        try:
            run.begin(self._now_us())
            run.attach(asyncio.current_task(), asyncio.get_running_loop())
            run.outcome = run.interrupted or _judge(run, await _awaited(run))
        except BaseException as error:  # noqa: BLE001 - as above; a cancelled task ends here
            run.outcome = _judge_error(run, error)
        run.ended_us = self._now_us()


async def _awaited(run: Run) -> Any:
    """What the body returns. One that caught its cancellation and returned has noticed the signal to stop."""
    value = await run.job_spec.function(**_arguments(run))
    if run.interrupted is not None:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            return value  # it comes only now: the body never met it, and has done all its work
        run.check()
    return value


def _arguments(run: Run) -> Mapping[str, Any]:
    text = run.claim.arguments
    arguments: dict[str, Any] = {} if text == "{}" else payload.load(text)
    if run.job_spec.wants_run:
        arguments["run"] = run
    return arguments


def _judge(run: Run, value: Any) -> Outcome | Interrupted:
    """The outcome of a body that returned: a value of ours decides, any other is its result.

    A body that looked at the signal to stop and returned has stopped. One that never looked has done all its work, if
    late: that counts.
    """
    if run.interrupted is not None and run.noticed:
        return run.interrupted
    match value:
        case Succeeded() | Failed() | Snoozed() | Cancelled():
            return value
        case JobResult(status="failed"):
            return Failed(value.message or "every item failed")
        case _ if inspect.isawaitable(value):
            if inspect.iscoroutine(value):
                value.close()
            return Failed("the body returned something to await, and nobody does: write async def", permanent=True)
        case _:
            return Succeeded(value)


def _judge_error(run: Run, error: BaseException) -> Outcome | Interrupted:
    if run.interrupted is not None and (isinstance(error, asyncio.CancelledError) or error is run.interrupted):
        return run.interrupted
    if isinstance(error, asyncio.CancelledError):
        return Cancelled("the body cancelled itself")
    if isinstance(error, RunCancelledError):
        return Cancelled(str(error))
    run.traceback = tail(_traceback(error), TRACEBACK_CHARACTERS)
    permanent = not run.job_spec.retry.allows(error)
    return Failed(describe(error), retry_after=_retry_after(error), permanent=permanent)


def _retry_after(error: BaseException) -> timedelta | None:
    """What the exception itself asks for; what makes no sense (a date, a header's text) leaves it to the job."""
    try:
        after = getattr(error, "retry_after", None)
        return None if after is None else timedelta(seconds=seconds(after))
    except Exception:  # noqa: BLE001 - it is somebody else's exception, and must not hide the failure
        return None


def describe(error: BaseException) -> str:
    """``ValueError: no such user`` in one storable line; an exception whose ``str`` fails is told by its type."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an odd exception must not hide the failure
        text = "(its message cannot be shown)"
    return tail(payload.storable(f"{type(error).__name__}: {text}" if text else type(error).__name__), 4_000)


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error)
    except Exception:  # noqa: BLE001 - as above
        return "(no traceback: the exception cannot be formatted)"
    return payload.storable("".join(line for line in lines if "rota/engine/attempt.py" not in line))


def tail(text: str, most: int) -> str:
    return text if len(text) <= most else f"… {text[-most:]}"


def result_text(run: Run, value: Any, most: int) -> str | None:
    """The result as JSON. What cannot be kept is told instead: the work is done, and must not be done again for it."""
    if value is None:
        return None
    try:
        text = payload.dump(value.as_dict() if isinstance(value, JobResult) else value, "result")
    except BaseException as error:  # noqa: BLE001 - a value may do anything when it is looked at
        run.log_lines.add(f"the result was not kept: {describe(error)}")
        return payload.dump({"not_kept": describe(error)}, "result")
    if len(text) > most:
        run.log_lines.add(f"the result of {len(text):,} bytes was cut at {most:,}")
        return payload.dump({"cut_at": most, "bytes": len(text), "head": text[: most // 2]}, "result")
    return text
