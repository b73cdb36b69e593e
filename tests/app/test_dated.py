"""Runs that stand for another moment than now, or whose rules go by one: to replay, repair and try."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rota import Rota, Run
from rota.errors import ConfigError
from rota.explain.why_run import why_run
from rota.testing import ManualClock, run_due

DUE = datetime(2026, 3, 5, 2, 30, tzinfo=UTC)
AS_OF = datetime(2026, 3, 7, 9, tzinfo=UTC)
Seen = list[tuple[datetime, datetime]]


@pytest.fixture
def seen() -> Seen:
    return []


@pytest.fixture
def app(database_url: str, clock: ManualClock, seen: Seen) -> Iterator[Rota]:
    app = Rota(database_url, clock=clock)

    @app.job(retry=2)
    def report(run: Run) -> None:
        seen.append((run.due_at, run.as_of))
        if run.attempt == 1:
            raise OSError("again")

    app.prepare()
    yield app
    app.close()


def test_a_body_is_told_both_moments_over_all_its_attempts(app: Rota, clock: ManualClock, seen: Seen) -> None:
    app.options(due=DUE, as_of=AS_OF).enqueue("report")

    run_due(app)
    clock.advance(hours=1)
    run_due(app)

    assert seen == [(DUE, AS_OF)] * 2


def test_a_run_stands_for_the_moment_that_its_rules_go_by_but_not_the_other_way_round(
    app: Rota, clock: ManualClock, seen: Seen
) -> None:
    now = clock.now()
    app.options(due=DUE).enqueue("report")
    app.options(as_of=AS_OF).enqueue("report")

    run_due(app)

    assert seen == [(DUE, now), (AS_OF, AS_OF)]


def test_many_at_once_stand_for_one_moment(app: Rota, seen: Seen) -> None:
    app.options(due=DUE, as_of=AS_OF).enqueue_many("report", [{}, {}])

    run_due(app)

    assert seen == [(DUE, AS_OF)] * 2


def test_it_is_no_later_for_the_moment_that_it_stands_for(app: Rota) -> None:
    handle = app.options(due=DUE).trigger("report")
    run_due(app)

    assert not [fact for fact in why_run(app.store, handle.id).facts if fact.kind == "late"]


def test_a_run_by_hand_leaves_who_asked_for_which_moments(app: Rota) -> None:
    handle = app.options(due=DUE, as_of=AS_OF, by="anna").trigger("report")

    [event] = [each for each in app.runs.events(handle.id) if each.kind == "run.dated"]
    [fact] = [fact for fact in why_run(app.store, handle.id).facts if fact.kind == "dated"]

    moments = {"due": int(DUE.timestamp() * 1_000_000), "as_of": int(AS_OF.timestamp() * 1_000_000)}
    assert (event.actor, event.data) == ("anna", {"job": "report", **moments})
    assert "anna asked that it stands for the due moment 2026-03-05 02:30" in fact.text
    assert "has rules that go by 2026-03-07 09:00" in fact.text


def test_a_run_for_now_leaves_no_such_record(app: Rota) -> None:
    handle = app.options(delay=timedelta(hours=1)).trigger("report")

    assert "run.dated" not in {each.kind for each in app.runs.events(handle.id)}


@pytest.mark.parametrize("moment", ["due", "as_of"])
def test_what_cannot_be_meant_is_refused(app: Rota, moment: str) -> None:
    with pytest.raises(ConfigError, match="debounce"):
        app.options(**{moment: DUE, "key": "k", "debounce": "1m"})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=moment):
        app.options(**{moment: DUE.replace(tzinfo=None)})  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="leaves a record"), app.store.write() as tx:
        app.options(**{moment: DUE, "connection": tx}).trigger("report")  # type: ignore[arg-type]
