"""Whatever a body does, its attempt comes to an end, the ledger says how, and the node works on."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from rota import Cancelled, Failed, JobResult, Retry, Rota, Run, Snoozed, Succeeded
from rota.testing import run_due

ODD = "quote ' double \" percent % :word \0 nul \ud800 half 🦆 emoji"


class Speechless(BaseException):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class GreedyError(Exception):
    @property
    def retry_after(self) -> float:
        raise RuntimeError("no idea")


def asking(retry_after: Any) -> Exception:
    error = RuntimeError("later")
    error.retry_after = retry_after  # type: ignore[attr-defined]
    return error


def raising(error: BaseException) -> Callable[[], None]:
    def body() -> None:
        raise error

    return body


def deep() -> None:
    deep()


def huge() -> None:
    raise ValueError("x" * 1_000_000)


BODIES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "exit": (lambda: sys.exit(3), "failed", "SystemExit: 3"),
    "keyboard": (raising(KeyboardInterrupt()), "failed", "KeyboardInterrupt"),
    "generator exit": (raising(GeneratorExit()), "failed", "GeneratorExit"),
    "cancelled error": (raising(asyncio.CancelledError()), "cancelled", "the body cancelled itself"),
    "speechless": (raising(Speechless()), "failed", "Speechless: (its message cannot be shown)"),
    "odd text": (raising(ValueError(ODD)), "failed", "ValueError: quote '"),
    "deep": (deep, "failed", "RecursionError"),
    "huge": (huge, "failed", "x"),
    "group": (raising(ExceptionGroup("two", [ValueError("a"), KeyError("b")])), "failed", "ExceptionGroup: two"),
    "retry after text": (raising(asking("120")), "failed", "RuntimeError: later"),
    "retry after nan": (raising(asking(float("nan"))), "failed", "RuntimeError: later"),
    "retry after for ever": (raising(asking(10**30)), "failed", "RuntimeError: later"),
    "retry after negative": (raising(asking(-5)), "failed", "RuntimeError: later"),
    "retry after raises": (raising(GreedyError("more")), "failed", "GreedyError: more"),
    "failed odd": (lambda: Failed(ODD), "failed", "quote '"),
    "failed with an exception": (lambda: Failed(ValueError("x")), "failed", "x"),  # type: ignore[arg-type]
    "failed with seconds": (lambda: Failed("x", retry_after=5), "failed", "x"),  # type: ignore[arg-type]
    "failed with nonsense": (lambda: Failed("x", retry_after=object()), "failed", "object"),  # type: ignore[arg-type]
    "snoozed with nonsense": (lambda: Snoozed(object()), "failed", "object"),  # type: ignore[arg-type]
    "cancelled odd": (lambda: Cancelled(ODD), "cancelled", "quote '"),
    "a class": (lambda: Failed, "failed", "the body returned the class Failed: write Failed(…)"),
    "every item failed": (lambda: JobResult(status="failed", message=ODD), "failed", "quote '"),
    "a coroutine": (lambda: asyncio.sleep(0), "failed", "await"),
}


@pytest.mark.parametrize("case", BODIES)
def test_a_body_that_ends_oddly_ends_its_run_and_harms_no_other(app: Rota, case: str) -> None:
    body, state, error = BODIES[case]
    app.job("odd", retry=Retry(attempts=1))(lambda: body())
    app.job("even")(lambda: 7)

    odd, even = app.enqueue("odd"), app.enqueue("even")
    run_due(app)
    after = app.enqueue("even")
    run_due(app)

    record = odd.record()
    assert (record.state, error in (record.error or "")) == (state, True), record.error
    assert "\0" not in (record.error or "")
    assert (even.result, after.result) == (7, 7)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, None),
        ({"a": [1, 2.5, True, None, "é🦆"]}, {"a": [1, 2.5, True, None, "é🦆"]}),
        ("\0 and \ud800", "\0 and \ud800"),
        ({"1": (2, 3)}, {"1": [2, 3]}),
        (Succeeded("fine"), "fine"),
    ],
)
def test_a_result_is_kept_as_json(app: Rota, value: Any, kept: Any) -> None:
    app.job("job")(lambda: value)

    handle = app.enqueue("job")
    run_due(app)

    assert (handle.state, handle.result) == ("succeeded", kept)


def a_loop() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


class Hostile(dict[str, Any]):
    def items(self) -> Any:
        raise OSError("not today")

    def __deepcopy__(self, memo: object) -> Any:
        raise OSError("nor tomorrow")


def a_generator() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    "value",
    [
        datetime.now(UTC),
        Decimal(1),
        {"a": {1, 2}},
        float("nan"),
        object(),
        a_loop(),
        a_generator(),
        b"bytes",
        10**5000,
        Hostile(a=1),
        JobResult(details={"lock": a_generator()}),
        JobResult(details={"hostile": Hostile(a=1)}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_result_that_cannot_be_kept_is_told_and_the_work_counts_as_done(lite: Rota, value: Any) -> None:
    lite.job("job")(lambda: value)

    handle = lite.enqueue("job")
    run_due(lite)

    assert handle.state == "succeeded"
    assert "not_kept" in handle.result
    assert "the result was not kept" in lite.runs.logs(handle.id)[1]


def test_a_result_longer_than_its_cap_is_cut_and_says_so(lite: Rota) -> None:
    lite.job("job")(lambda: "x" * 1_000_000)

    handle = lite.enqueue("job")
    run_due(lite)

    assert handle.state == "succeeded"
    assert handle.result["cut_at"] == 65_536
    assert handle.result["bytes"] == 1_000_002
    assert len(handle.record().result or "") < 65_536


def test_only_the_head_and_a_count_of_many_log_lines_are_kept(app: Rota) -> None:
    @app.job
    def talk(run: Run) -> None:
        for number in range(3_000):
            run.log.info("line %d", number)

    handle = talk.enqueue()
    run_due(app)

    lines = app.runs.logs(handle.id)[1].split("\n")
    assert len(lines) == 1_001
    assert "line 0" in lines[0]
    assert "line 999" in lines[999]
    assert lines[1000] == "… 2,000 more lines went over the cap"


def test_log_lines_of_any_text_and_from_any_logger_are_kept_with_their_run(app: Rota) -> None:
    @app.job
    def talk(run: Run) -> None:
        run.log.warning(ODD)
        run.log.info("done", rows=3, share="50%")
        run.log.info("%d of %d", 1, 2, odd="100 %")
        logging.getLogger("somebody.else").warning("not %s", "ours")

    handle = talk.enqueue()
    silent = app.job("silent")(lambda: None).enqueue()
    run_due(app)

    text = app.runs.logs(handle.id)[1]
    assert "quote ' double" in text
    assert "🦆" in text
    assert "\0" not in text
    assert "done rows=3 share=50%" in text
    assert "1 of 2 odd=100 %" in text
    assert "WARNING somebody.else: not ours" in text
    assert app.runs.logs(silent.id) == {}


def test_logs_are_kept_attempt_by_attempt(app: Rota) -> None:
    @app.job(retry=Retry(attempts=2, delays=[0]))
    def talk(run: Run) -> None:
        run.log.info("try %d", run.attempt)
        raise ValueError

    handle = talk.enqueue()
    run_due(app)

    logs = app.runs.logs(handle.id)
    assert [text.split(": ", 1)[1] for text in logs.values()] == ["try 1", "try 2"]
    assert list(logs) == [1, 2]


def test_the_last_word_on_progress_is_kept(app: Rota) -> None:
    @app.job
    def count(run: Run) -> None:
        for _ in run.batches(range(10), size=3):
            pass

    handle = count.enqueue()
    run_due(app)

    record = handle.record()
    assert (record.progress_done, record.progress_total) == (10, 10)


def test_a_retry_that_succeeds_leaves_no_error_behind(app: Rota) -> None:
    @app.job(retry=Retry(attempts=2, delays=[0]))
    def flaky(run: Run) -> str:
        if run.attempt == 1:
            raise ValueError("once")
        return "well"

    handle = flaky.enqueue()
    run_due(app)

    record = handle.record()
    assert (record.state, record.error, record.failures) == ("succeeded", None, 1)
    assert [each.error for each in app.runs.attempts(handle.id)] == ["ValueError: once", None]
    assert "raise ValueError" in (app.runs.attempts(handle.id)[0].traceback or "")


def test_arguments_arrive_as_they_were_given(app: Rota) -> None:
    seen: list[Any] = []
    arguments = {"text": ODD, "nested": {"a": [1, None, {"b": 2.5}]}, "big": 2**53, "long": "x" * 200_000}
    app.job("job")(lambda **given: seen.append(given))

    app.enqueue("job", **arguments)
    run_due(app)

    assert seen == [arguments]


def test_the_moment_of_a_run_is_frozen_over_its_retries(app: Rota, clock: Any) -> None:
    seen: list[tuple[datetime, datetime, str]] = []

    @app.job(retry=Retry(attempts=3, delays=[60]))
    def look(run: Run) -> None:
        seen.append((run.as_of, run.due_at, run.idempotency_key))
        raise ValueError

    begun = clock.now()
    look.enqueue()
    for _ in range(3):
        run_due(app)
        clock.advance(minutes=1)

    assert [as_of for as_of, _, _ in seen] == [begun] * 3
    assert len({key for _, _, key in seen}) == 1


def test_snoozing_is_no_failure_and_may_happen_any_number_of_times(app: Rota, clock: Any) -> None:
    @app.job(retry=Retry(attempts=1))
    def wait(run: Run) -> Any:
        return Snoozed(timedelta(minutes=1), "not yet") if run.attempt < 6 else "now"

    handle = wait.enqueue()
    for _ in range(6):
        run_due(app)
        clock.advance(minutes=1)

    record = handle.record()
    assert (record.state, record.attempt, record.failures) == ("succeeded", 6, 0)
    assert [event.kind for event in app.runs.events(handle.id)] == ["run.snoozed"] * 5
    assert [each.outcome for each in app.runs.attempts(handle.id)] == ["snoozed"] * 5 + ["succeeded"]


def test_a_long_error_keeps_its_head_and_its_tail(lite: Rota) -> None:
    @lite.job("job", retry=1)
    def job() -> None:
        raise ValueError("begins so" + "x" * 100_000 + "ends so")

    handle = lite.enqueue("job")
    run_due(lite)

    error = handle.record().error or ""
    assert error.startswith("ValueError: begins so")
    assert error.endswith("ends so")
    assert len(error) < 5_000
