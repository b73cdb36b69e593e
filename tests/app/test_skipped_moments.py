"""Every due moment has a verdict, whatever was done to its schedule before anybody judged it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from rota import Rota, cron, every
from rota.calendar import Trigger
from rota.store import fires
from rota.testing import ManualClock, run_due


def code(url: str, clock: ManualClock, trigger: Trigger | None, environment: str | None = None) -> Rota:
    """A start of an application whose code says this."""
    app = Rota(url, clock=clock, environment=environment)
    app.job("hourly", schedule=trigger, environments=["production"])(lambda: None)
    app.prepare()
    return app


def verdicts(app: Rota) -> list[tuple[str, str | None, int | None]]:
    with app.store.read() as tx:
        return [(fire.verdict, fire.reason, fire.moments) for fire in reversed(fires.page(tx, "hourly"))]


ACTS: list[tuple[str, Callable[[Rota], object]]] = [
    ("changed by anna", lambda app: app.schedules.edit("hourly", by="anna", trigger=cron("30 * * * *"))),
    (
        "paused by anna",
        lambda app: (app.schedules.pause("hourly", by="anna"), app.schedules.resume("hourly", by="anna")),
    ),
]


@pytest.mark.parametrize(("reason", "act"), ACTS, ids=[reason for reason, _ in ACTS])
def test_a_person_who_changes_an_overdue_schedule_leaves_its_name(
    database_url: str, clock: ManualClock, reason: str, act: Callable[[Rota], object]
) -> None:
    app = code(database_url, clock, every("1h"))
    clock.advance(hours=3)
    act(app)

    assert verdicts(app) == [("skipped", reason, 3)]


def test_a_removed_schedule_leaves_none_either(database_url: str, clock: ManualClock) -> None:
    app = code(database_url, clock, None)
    app.schedules.add("hourly", "hourly", every("1h"))
    clock.advance(hours=2)
    app.schedules.remove("hourly", by="anna")

    assert verdicts(app) == [("skipped", "removed by anna", 2)]


def test_code_that_changes_the_trigger_of_an_overdue_schedule_says_so(database_url: str, clock: ManualClock) -> None:
    code(database_url, clock, every("1h")).close()
    clock.advance(hours=2)
    app = code(database_url, clock, every("2h"))

    assert verdicts(app) == [("skipped", "changed by the code", 2)]


def test_a_schedule_that_is_gone_from_the_code_leaves_none(database_url: str, clock: ManualClock) -> None:
    code(database_url, clock, every("1h")).close()
    clock.advance(hours=2)
    app = code(database_url, clock, None)

    assert verdicts(app) == [("skipped", "gone from the code", 2)]


def test_moments_in_an_environment_where_the_job_is_off_are_skipped_for_it(
    database_url: str, clock: ManualClock
) -> None:
    code(database_url, clock, every("1h"), "laptop").close()
    clock.advance(hours=2)
    with closing(Rota(database_url, clock=clock)) as ledger:
        ledger.adopt("production", by="anna")
    app = code(database_url, clock, every("1h"), "production")
    asked = app.why_schedule("hourly", clock.now() - timedelta(hours=1))

    assert verdicts(app) == [("skipped", "its job was off in this environment", 2)]
    assert asked.facts[0].kind == "skipped"


def test_an_edit_does_not_switch_a_job_on_that_is_off_here(database_url: str, clock: ManualClock) -> None:
    app = code(database_url, clock, every("1h"), "laptop")
    app.schedules.edit("hourly", by="anna", trigger=every("2h"))
    app.schedules.pause("hourly", by="anna")
    app.schedules.resume("hourly", by="anna")
    clock.advance(hours=4)

    assert run_due(app) == []


def test_an_edit_that_leaves_the_trigger_loses_no_moment(database_url: str, clock: ManualClock) -> None:
    app = code(database_url, clock, every("1h"))
    clock.advance(hours=1)
    app.schedules.edit("hourly", by="anna", jitter=0.0)
    app.schedules.reset("hourly", by="anna")

    assert [run.schedule for run in run_due(app)] == ["hourly"]
