"""What every executor promises, whichever it is: the same body ends in the same way."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rota import Cancelled, Failed, JobResult, Retry, Run, Snoozed
from rota.body import log
from rota.errors import RunCancelledError, RunLostError, RunTimedOutError
from rota.executors.port import Executor
from rota.executors.thread import ThreadExecutor
from rota.model.attempt import Caps, End, Ended, Envelope
from rota.model.job import Job
from rota.testing import FakeHome, make_envelope
from tests.engine.helpers import until


class Bench:
    """An executor with one place, and what came out of it."""

    def __init__(self, make: Callable[..., Executor[Any]]) -> None:
        self.home = FakeHome()
        self.ended: list[Ended] = []
        self.over = threading.Event()
        self.executor = make(self.home, self._end)

    def begin(self, function: Callable[..., Any], arguments: dict[str, Any] | None = None, **policies: Any) -> Any:
        attempt = self.executor.attempt(
            make_envelope(arguments=arguments or {}), Job(name="job", function=function, **policies)
        )
        self.executor.submit([attempt])
        return attempt

    def end(self) -> Ended:
        assert self.over.wait(10), "it did not end"
        assert len(self.ended) == 1
        return self.ended[0]

    def _end(self, attempt: Any, ended: Ended) -> None:
        self.ended.append(ended)
        self.over.set()


def threads(home: FakeHome, ended: Any) -> ThreadExecutor:
    return ThreadExecutor(1, home, lambda: 1, Caps(result_bytes=1_000, log_lines=3), ended)


@pytest.fixture(params=[threads], ids=["thread"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    log.capture()
    found = Bench(request.param)
    yield found
    found.executor.stop()


def returns(value: Any) -> Callable[[], Any]:
    return lambda: value


async def awaited() -> int:
    await asyncio.sleep(0)
    return 7


def breaks() -> None:
    raise ValueError("broken")


OUTCOMES: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "nothing": (returns(None), {"end": End.SUCCEEDED, "result": None}),
    "a value": (returns({"a": [1, None]}), {"end": End.SUCCEEDED, "result": '{"a":[1,null]}'}),
    "awaited": (awaited, {"end": End.SUCCEEDED, "result": "7"}),
    "raises": (breaks, {"end": End.FAILED, "error": "ValueError: broken", "permanent": False}),
    "fails": (
        returns(Failed("no", retry_after=5, permanent=True)),  # type: ignore[arg-type]
        {"end": End.FAILED, "error": "no", "wait": 5.0, "permanent": True},
    ),
    "snoozes": (returns(Snoozed(9, "later")), {"end": End.SNOOZED, "error": "later", "wait": 9.0}),  # type: ignore[arg-type]
    "gives up": (returns(Cancelled("enough")), {"end": End.CANCELLED, "error": "enough"}),
}


@pytest.mark.parametrize("case", OUTCOMES)
def test_what_a_body_does_becomes_its_end(bench: Bench, case: str) -> None:
    body, expected = OUTCOMES[case]

    bench.begin(body)

    ended = bench.end()
    assert {name: getattr(ended, name) for name in expected} == expected
    assert (ended.traceback is not None) == (case == "raises")


def test_an_end_and_an_envelope_go_through_json_unchanged(bench: Bench) -> None:
    def body(run: Run) -> Any:
        run.log.info("half way")
        run.progress(1, 2)
        raise ValueError("broken")

    attempt = bench.begin(body)

    ended, envelope = bench.end(), attempt.envelope
    assert (ended.progress, "half way" in ended.log) == ((1, 2), True)
    assert Envelope._make(json.loads(json.dumps(envelope))) == envelope
    again = Ended._make(json.loads(json.dumps(ended)))
    assert again._replace(end=End(again.end), progress=(1, 2)) == ended


def test_a_report_of_failure_keeps_its_counts_beside_the_error(bench: Bench) -> None:
    bench.begin(returns(JobResult(status="failed", message="all of them", counts={"items": 3})))

    ended = bench.end()
    assert (ended.end, ended.error) == (End.FAILED, "all of them")
    assert json.loads(ended.result or "")["counts"] == {"items": 3}


def test_a_result_without_a_json_form_or_beyond_its_cap_is_told_in_its_place(bench: Bench) -> None:
    bench.begin(returns("x" * 5_000_000))

    assert json.loads(bench.end().result or "")["cut_at"] == 1_000


def test_a_class_of_errors_that_must_not_be_retried_is_permanent(bench: Bench) -> None:
    bench.begin(breaks, retry=Retry(never=(ValueError,)))

    assert bench.end().permanent


def test_arguments_and_requests_of_the_body_arrive(bench: Bench) -> None:
    def body(run: Run, city: str) -> str:
        run.save_checkpoint({"page": 2})
        run.emit("city.seen", city=city)
        run.fan_out("child", [{"n": 1}], then="after")
        return f"{city} {run.attempt} {run.checkpoint}"

    bench.begin(body, {"city": "Lyon"})

    assert bench.end().result == "\"Lyon 1 {'page': 2}\""
    assert bench.home.checkpoints == [{"page": 2}]
    assert bench.home.emitted == [("city.seen", {"city": "Lyon"})]
    assert bench.home.fanned_out == [("child", [{"n": 1}], "after")]


REASONS = [
    (RunCancelledError("cancelled by anna"), End.CANCELLED),
    (RunTimedOutError("too long"), End.TIMED_OUT),
    (RunLostError("the node is stopping"), End.HANDED_BACK),
]


@pytest.mark.parametrize(("reason", "end"), REASONS)
@pytest.mark.parametrize("kind", ["sleeps", "awaits"])
def test_a_body_that_is_told_to_stop_ends_for_that_reason(bench: Bench, kind: str, reason: Any, end: End) -> None:
    begun = threading.Event()

    def sleeps(run: Run) -> None:
        begun.set()
        run.sleep(60)

    async def awaits() -> None:
        begun.set()
        await asyncio.sleep(60)

    attempt = bench.begin(sleeps if kind == "sleeps" else awaits)
    assert begun.wait(10)
    attempt.interrupt(reason)
    attempt.interrupt(RunCancelledError("the second reason"))

    assert (bench.end().end, bench.end().error) == (end, str(reason))


def test_a_body_that_never_looked_at_the_signal_has_done_its_work(bench: Bench) -> None:
    begun, go = threading.Event(), threading.Event()

    def body() -> str:
        begun.set()
        go.wait(10)
        return "done"

    attempt = bench.begin(body)
    assert begun.wait(10)
    attempt.interrupt(RunTimedOutError("too long"))
    go.set()

    assert bench.end()[:1] + bench.end()[3:4] == (End.SUCCEEDED, '"done"')
    assert bench.end().overran


def test_a_stop_that_comes_before_the_body_keeps_it_from_beginning(bench: Bench) -> None:
    go, begun = threading.Event(), []
    first = bench.begin(lambda: go.wait(10))
    attempt = bench.begin(lambda: begun.append(1))
    attempt.interrupt(RunCancelledError("cancelled by anna"))
    go.set()

    until(lambda: len(bench.ended) == 2)
    assert (bench.ended[1].end, begun) == (End.CANCELLED, [])
    assert first.started_us


def test_what_has_not_begun_can_be_taken_back_and_does_not_end(bench: Bench) -> None:
    go, begun = threading.Event(), threading.Event()

    def body() -> None:
        begun.set()
        go.wait(10)

    bench.begin(body)
    assert begun.wait(10)
    waiting = [bench.begin(body) for _ in range(3)]

    assert bench.executor.take_back() == waiting
    go.set()
    bench.end()
    assert bench.executor.take_back() == []
