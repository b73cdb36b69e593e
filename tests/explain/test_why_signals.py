"""What `why` and the status say of runs that wait for a signal, and of what came."""

from __future__ import annotations

from typing import Any

import pytest

from rota import Rota, Run
from rota.model.run import RunState
from rota.testing import ManualClock, run_due
from tests.explain.helpers import first


@pytest.fixture
def ask(rota: Rota) -> Any:
    @rota.job
    def ask(run: Run, name: str = "approval", timeout: str | None = "2d", about: str | None = None) -> Any:
        return run.wait_for(name, timeout, about).data

    rota.prepare()
    return ask


def test_what_it_waits_for_since_and_until_when_and_what_to_type(rota: Rota, clock: ManualClock, ask: Any) -> None:
    handle = ask.enqueue(about="deletes 12,000 rows")
    run_due(rota)
    clock.advance(minutes=2)
    why = rota.why_run(handle.id)

    assert (why.state, first(why)) == (RunState.WAITING, "signal_awaited")
    assert why.summary.startswith(f"Run {handle.id} of ask waits: the signal approval has not come; it waits since ")
    assert "(2m ago), until " in why.summary
    assert why.summary.endswith("(in 1d23h); about: deletes 12,000 rows.")
    assert why.facts[0].todo == (
        f"let it go on: rota run approve {handle.id} --why …; or say no: rota run refuse {handle.id} --why …"
    )


@pytest.mark.parametrize(
    ("name", "todo"),
    [
        ("approval:2", "let it go on: rota run approve 1 --why …; or say no: "),
        ("payment", "give it: rota run signal 1 payment --why …"),
    ],
)
def test_how_to_answer_depends_on_what_is_asked(rota: Rota, ask: Any, name: str, todo: str) -> None:
    handle = ask.enqueue(name=name, timeout=None)
    run_due(rota)
    [fact, *_] = rota.why_run(handle.id).facts

    assert fact.todo.startswith(todo)
    assert "until" not in fact.text


def test_what_came_is_told_of_a_run_that_is_over_and_its_time_adds_up(rota: Rota, clock: ManualClock, ask: Any) -> None:
    handles = [ask.enqueue(name=name) for name in ("approval", "approval:2", "payment", "never")]
    run_due(rota)
    clock.advance(hours=3)
    rota.runs.refuse(handles[0].id, "anna", "too many")
    rota.runs.approve(handles[1].id, "bert", signal="approval:2")
    rota.signal(handles[2].id, "payment", 20)
    run_due(rota)
    clock.advance(hours=47)
    run_due(rota)
    whys = [rota.why_run(handle.id) for handle in handles]

    assert [why.fact("signalled").text for why in whys[:3]] == [
        "it was refused 1d23h ago by anna: too many",
        "it was approved (signal approval:2) 1d23h ago by bert",
        "it was given the signal payment 1d23h ago",
    ]
    timed_out = whys[3].fact("wait_timed_out")
    assert timed_out.text.startswith("nobody gave it the signal never by ")
    assert [why.fact("late").data for why in whys] == [
        *[{"late": 10800.0, "signal": 10800.0}] * 3,
        {"late": 180000.0, "signal": 180000.0},
    ]
    assert whys[0].fact("late").text == "it started 3h late: 3h waiting for a signal"


def test_of_one_that_goes_on_it_is_told_what_keeps_it(rota: Rota, ask: Any) -> None:
    handle = ask.enqueue()
    run_due(rota)
    rota.queues.pause("default", "anna")
    rota.runs.approve(handle.id, "anna")
    why = rota.why_run(handle.id)

    assert first(why) == "queue_paused"
    assert why.fact("signalled") is not None


def test_the_status_counts_them_and_is_healthy_all_the_same(rota: Rota, ask: Any) -> None:
    assert "signals_awaited" not in [note.kind for note in rota.status().notes]
    for _ in range(2):
        ask.enqueue()
    run_due(rota)
    status = rota.status()

    [note] = [note for note in status.notes if note.kind == "signals_awaited"]
    assert (status.signals_awaited, note.text) == (2, "2 runs wait for a signal of a person or a program")
    assert note.todo == "see them: rota run ls --state waiting"
    assert note not in status.reasons
