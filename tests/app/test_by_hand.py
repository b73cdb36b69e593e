"""One rule for all that a person asks for where the job is off: refused, or forced and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from rota import Rota, every
from rota.errors import ConflictError
from rota.testing import ManualClock

Ask = Callable[[Rota, ManualClock, bool], list[int]]


def by_job(app: Rota, _: ManualClock, force: bool) -> list[int]:
    return [app.options(by="anna", force_disabled=force).trigger("report").id]


def by_schedule(app: Rota, _: ManualClock, force: bool) -> list[int]:
    return app.schedules.run_now("report", by="anna", force_disabled=force)


def by_backfill(app: Rota, clock: ManualClock, force: bool) -> list[int]:
    now = clock.now()
    return app.schedules.backfill("report", now - timedelta(hours=2), now, by="anna", force_disabled=force)


every_way = pytest.mark.parametrize("ask", [by_job, by_schedule, by_backfill])


@pytest.fixture
def app(database_url: str, clock: ManualClock) -> Iterator[Rota]:
    """In staging, with a job that is for production alone, and one for everywhere."""
    app = Rota(database_url, clock=clock, environment="staging")
    app.job("report", schedule=every("1h"), environments=["production"])(lambda: 1)
    app.prepare()
    yield app
    app.close()


@every_way
def test_a_job_that_is_off_here_is_refused_with_what_to_give(app: Rota, clock: ManualClock, ask: Ask) -> None:
    with pytest.raises(ConflictError, match="job 'report' is off in the environment 'staging'") as refused:
        ask(app, clock, False)

    assert "--force" in refused.value.hint
    assert app.runs.page() == []
    assert [fire for fire in app.schedules.fires("report") if fire.kind != "due"] == []


@every_way
def test_what_is_forced_is_recorded_with_each_of_its_runs(app: Rota, clock: ManualClock, ask: Ask) -> None:
    ids = ask(app, clock, True)

    assert ids
    for run_id in ids:
        [event] = [each for each in app.runs.events(run_id) if each.kind == "run.forced"]
        assert (event.actor, event.data) == ("anna", {"job": "report", "environment": "staging"})
        assert app.why_run(run_id).fact("forced") is not None


@every_way
@pytest.mark.parametrize("force", [False, True])
def test_where_the_job_is_on_nothing_is_forced(database_url: str, clock: ManualClock, ask: Ask, force: bool) -> None:
    app = Rota(database_url, clock=clock, environment="production")
    app.job("report", schedule=every("1h"), environments=["production"])(lambda: 1)
    app.prepare()

    assert all("run.forced" not in {each.kind for each in app.runs.events(run_id)} for run_id in ask(app, clock, force))
    app.close()
