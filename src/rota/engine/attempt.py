"""One attempt: the body is called, and whatever it does becomes an outcome."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from rota.engine.context import Run
from rota.engine.logs import current_run
from rota.errors import Interrupted, RunCancelledError
from rota.model import payload
from rota.model.outcome import Cancelled, Failed, JobResult, Outcome, Snoozed, Succeeded

TRACEBACK_CHARACTERS = 20_000


class Attempt:
    """The work an executor is given: it leaves the outcome in ``run.outcome`` and never raises."""

    __slots__ = ("_now_us", "run")

    def __init__(self, run: Run, now_us: Callable[[], int]) -> None:
        self.run = run
        self._now_us = now_us

    @property
    def is_async(self) -> bool:
        return self.run.job_spec.is_async

    def perform(self) -> None:
        """Call the body of a ``def`` job in this thread."""
        run = self.run
        run.begin(self._now_us())
        token = current_run.set(run)
        try:
            run.outcome = _judge(run, run.job_spec.function(**_arguments(run)))
        except BaseException as error:  # noqa: BLE001 - a body may raise anything, SystemExit too
            run.outcome = _judge_error(run, error)
        finally:
            current_run.reset(token)
            run.ended_us = self._now_us()

    async def perform_async(self) -> None:
        """Await the body of an ``async def`` job. Its task has a context of its own, so nothing is to be reset."""
        run = self.run
        run.begin(self._now_us())
        current_run.set(run)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are in one
        run.attach(task, asyncio.get_running_loop())
        try:
            run.outcome = _judge(run, await run.job_spec.function(**_arguments(run)))
        except BaseException as error:  # noqa: BLE001 - as above; a cancelled task ends here
            run.outcome = _judge_error(run, error)
        run.ended_us = self._now_us()


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
        case JobResult():
            return Succeeded(value.as_dict())
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
    retry = run.job_spec.retry
    after = getattr(error, "retry_after", None)
    return Failed(
        describe(error),
        retry_after=timedelta(seconds=after) if isinstance(after, (int, float)) else after,
        permanent=not retry.allows(error),
    )


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
        text = payload.dump(value, "result")
    except payload.PayloadError as error:
        run.log_lines.add(f"the result was not kept: {error}")
        return payload.dump({"not_kept": str(error)}, "result")
    if len(text) > most:
        run.log_lines.add(f"the result of {len(text):,} bytes was cut at {most:,}")
        return payload.dump({"cut_at": most, "bytes": len(text), "head": text[: most // 2]}, "result")
    return text
