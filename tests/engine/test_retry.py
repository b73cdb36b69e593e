"""Failing, being tried again, and becoming a dead letter that a person retries or dismisses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rota import Failed, Retry, Rota, Run
from rota.clock import from_us
from rota.errors import ConflictError, NotFoundError
from rota.store import counters
from rota.testing import ManualClock, run_due
from tests.engine.helpers import attempts, kinds


class Busy(Exception):  # noqa: N818 - as somebody's library calls it
    def __init__(self, retry_after: Any) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


def throw(error: Exception) -> Any:
    raise error


def waits(app: Rota, clock: ManualClock, run_id: int, most: int = 10) -> list[float]:
    """Work until it is over; the seconds between the attempts."""
    found = []
    for _ in range(most):
        run_due(app)
        record = app.runs.get(run_id)
        if record.state != "scheduled":
            return found
        found.append((record.due_at - app.store.now_us()) / 1_000_000)
        clock.set(from_us(record.due_at))
    return found


CASES: list[tuple[Any, Callable[[], Any], list[float], str]] = [
    (Retry(attempts=4, base=10, factor=3, cap=60, jitter=0), lambda: throw(ValueError()), [10, 30, 60], "failed"),
    (Retry(attempts=4, delays=["1s", "5m"]), lambda: throw(ValueError()), [1, 300, 300], "failed"),
    (3, lambda: Failed("no", retry_after=timedelta(minutes=7)), [420, 420], "failed"),
    (3, lambda: Failed("no", permanent=True), [], "failed"),
    (3, lambda: throw(Busy(90)), [90, 90], "failed"),
    (3, lambda: throw(Busy("2m")), [120, 120], "failed"),
    (3, lambda: throw(Busy(timedelta(hours=1))), [3600, 3600], "failed"),
    (Retry(attempts=3, never=(KeyError,)), lambda: throw(KeyError("x")), [], "failed"),
    (Retry(attempts=3, on=(OSError,), delays=[1]), lambda: throw(ValueError()), [], "failed"),
    (Retry(attempts=3, on=(OSError,), delays=[1]), lambda: throw(ConnectionError()), [1, 1], "failed"),
    (1, lambda: throw(ValueError()), [], "failed"),
]


@pytest.mark.parametrize(("retry", "body", "expected", "state"), CASES)
def test_a_failure_is_tried_again_as_its_policy_says(
    lite: Rota, clock: ManualClock, retry: Any, body: Callable[[], Any], expected: list[float], state: str
) -> None:
    lite.job("job", retry=retry)(body)
    handle = lite.enqueue("job")

    assert waits(lite, clock, handle.id) == expected
    record = handle.record()
    assert (record.state, record.failures, record.attempt) == (state, len(expected) + 1, len(expected) + 1)
    assert kinds(lite, handle.id) == ["run.retried"] * len(expected) + ["run.failed"]
    assert attempts(lite, handle.id) == [(number, "failed") for number in range(1, len(expected) + 2)]


def test_nothing_starts_before_its_wait_is_over(app: Rota, clock: ManualClock) -> None:
    app.job("job", retry=Retry(attempts=2, delays=[60]))(lambda: throw(ValueError("no")))
    handle = app.enqueue("job")
    run_due(app)

    clock.advance(seconds=59.9)
    assert run_due(app) == []
    clock.advance(seconds=0.1)
    run_due(app)

    assert handle.state == "failed"


@pytest.mark.defect("LP-B8")
def test_a_dead_letter_is_kept_until_a_person_retries_or_dismisses_it(app: Rota, clock: ManualClock) -> None:
    ready: list[int] = []

    @app.job(retry=2)
    def flaky(run: Run) -> int:
        if not ready:
            raise ValueError("not ready")
        return run.attempt

    one, two = flaky.enqueue(), flaky.enqueue()
    for _ in range(2):
        run_due(app)
        clock.advance(hours=1)
    assert sorted(run.id for run in app.runs.page(state="failed")) == [one.id, two.id]
    ready.append(1)
    app.runs.retry(one.id, "anna")
    app.runs.dismiss(two.id, "ben")
    run_due(app)

    assert (one.state, one.result, one.record().failures) == ("succeeded", 3, 0)
    assert (two.state, two.result) == ("cancelled", None)
    assert app.runs.page(state="failed") == []
    assert app.runs.events(one.id)[-1].actor == "anna"
    assert (app.runs.events(two.id)[-1].kind, app.runs.events(two.id)[-1].actor) == ("run.dismissed", "ben")
    app.runs.retry(two.id, "ben")
    run_due(app)
    assert two.state == "succeeded"


def test_only_what_is_dead_can_be_retried_or_dismissed(app: Rota) -> None:
    app.job("job")(lambda: None)
    handle = app.enqueue("job")

    for state in ("available", "succeeded"):
        assert handle.state == state
        with pytest.raises(ConflictError, match=f"is {state}"):
            app.runs.retry(handle.id, "anna")
        with pytest.raises(ConflictError, match=f"is {state}, not failed"):
            app.runs.dismiss(handle.id, "anna")
        run_due(app)
    for step in (app.runs.retry, app.runs.dismiss, app.runs.cancel):
        with pytest.raises(NotFoundError):
            step(10**9, "anna")


def test_a_retry_by_hand_waits_for_the_run_that_has_its_key(app: Rota) -> None:
    app.job("job", retry=1)(lambda bad=False: throw(ValueError()) if bad else None)
    dead = app.options(key="k").enqueue("job", bad=True)
    run_due(app)
    other = app.options(key="k").enqueue("job")
    assert other.new

    with pytest.raises(ConflictError, match="another run of job holds the key 'k'"):
        app.runs.retry(dead.id, "anna")
    run_due(app)
    app.runs.retry(dead.id, "anna")

    assert (dead.state, other.state) == ("available", "succeeded")


def test_counters_equal_what_happened(app: Rota, clock: ManualClock) -> None:
    app.job("good")(lambda: None)
    app.job("flaky", retry=Retry(attempts=3, delays=[60]))(lambda run: None if run.attempt > 2 else throw(ValueError()))
    app.job("bad", retry=1)(lambda: throw(ValueError()))
    app.handles["good"].enqueue_many([{}] * 17)
    app.handles["flaky"].enqueue_many([{}] * 5)
    app.handles["bad"].enqueue_many([{}] * 3)
    for _ in range(3):
        run_due(app)
        clock.advance(minutes=1)

    with app.store.read() as tx:
        totals = counters.totals(tx, 0)
    found = {(job, name): counts.total() for job, measures in totals.items() for name, counts in measures.items()}
    assert found == {
        ("good", "succeeded"): 17,
        ("good", "late"): 17,
        ("flaky", "retried"): 10,
        ("flaky", "succeeded"): 5,
        ("flaky", "late"): 15,
        ("bad", "failed"): 3,
        ("bad", "late"): 3,
    }
