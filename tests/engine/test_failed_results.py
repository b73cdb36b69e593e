"""A report of work that failed is kept like any other."""

from __future__ import annotations

import pytest

from rota import JobResult, Retry, Rota
from rota.app.items import run_document
from rota.model.event import Event
from rota.testing import ManualClock, captured_events, run_due


def failed_report() -> JobResult:
    report = JobResult(status="failed", counts={"seen": 3}, details={"batch": "b-7"})
    report.add_error("anna", "ValueError", "no address")
    return report


@pytest.mark.defect("MB-B10")
def test_a_failed_report_stays_with_its_run_and_goes_to_listeners(app: Rota, clock: ManualClock) -> None:
    app.job("send", retry=Retry(attempts=2, delays=[60]))(failed_report)
    handle = app.enqueue("send")

    with captured_events(app, "run.*") as events:
        run_due(app)
        assert (handle.state, handle.result) == ("scheduled", None)
        clock.advance(seconds=60)
        run_due(app)

    assert handle.state == "failed"
    assert handle.result["counts"] == {"seen": 3}
    assert handle.result["errors"] == [{"item": "anna", "kind": "ValueError", "message": "no address"}]
    kept = [each for each in app.runs.events(handle.id) if each.kind in {"run.retried", "run.failed"}]
    for told in ([each for each in events if isinstance(each, Event)], kept):
        assert [(each.kind, each.data["result"]["details"]) for each in told] == [
            ("run.retried", {"batch": "b-7"}),
            ("run.failed", {"batch": "b-7"}),
        ]
    assert run_document(app.runs.get(handle.id))["result"]["error_count"] == 1


def test_a_retry_by_hand_begins_without_the_report_of_before(app: Rota) -> None:
    app.job("send", retry=1)(failed_report)
    handle = app.enqueue("send")
    run_due(app)

    app.runs.retry(handle.id, by="anna")

    assert (app.runs.get(handle.id).state, app.runs.get(handle.id).result) == ("available", None)
