"""Priority, and the waiting that makes up for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota import Rota
from rota.engine.node import Node
from rota.model.settings import DatabaseSettings, Settings
from rota.testing import ManualClock

Order = Callable[[Rota], list[str]]


def declare(app: Rota) -> list[str]:
    """Two jobs that say when they begin, one of them with a limit."""
    begun: list[str] = []
    app.job("job")(lambda name: begun.append(name))
    app.job("one", concurrency=1)(lambda name: begun.append(name))
    app.prepare()
    return begun


@pytest.fixture
def work_off(start: Callable[..., Node]) -> Callable[[Rota], None]:
    """What waits, one after the other."""

    def work_off_(app: Rota) -> None:
        node = start(app, threads=1)
        for _ in range(20):
            node.tick_all()

    return work_off_


def test_a_step_of_priority_is_made_up_for_by_a_day_of_waiting(
    app: Rota, clock: ManualClock, work_off: Callable[[Rota], None]
) -> None:
    begun = declare(app)
    app.options(priority=2).enqueue("job", name="waits for 49 hours")
    clock.advance(hours=2)
    app.options(priority=2).enqueue("job", name="waits for 47 hours")
    clock.advance(hours=47)
    app.options(priority=0).enqueue("job", name="urgent")
    app.options(priority=-1).enqueue("job", name="most urgent")

    work_off(app)

    assert begun == ["most urgent", "waits for 49 hours", "urgent", "waits for 47 hours"]


def test_under_a_limit_they_take_turns_alike(app: Rota, clock: ManualClock, work_off: Callable[[Rota], None]) -> None:
    begun = declare(app)
    app.options(priority=1).enqueue("one", name="waits for long")
    clock.advance(hours=25)
    for name in "ab":
        app.options(priority=1).enqueue("one", name=name)
        app.options(priority=0).enqueue("one", name=name.upper())

    work_off(app)

    assert begun == ["waits for long", "A", "B", "a", "b"]


def test_a_retry_has_waited_for_nothing_yet(app: Rota, clock: ManualClock, work_off: Callable[[Rota], None]) -> None:
    begun = declare(app)
    failed = app.options(priority=1).enqueue("job", name="failed long ago")
    app.runs.cancel(failed.id, "anna")
    clock.advance(hours=25)
    app.runs.retry(failed.id, "anna")
    app.enqueue("job", name="urgent")

    work_off(app)

    assert begun == ["urgent", "failed long ago"]


@pytest.mark.parametrize(("ageing", "expected"), [(600.0, ["waits", "urgent"]), (700.0, ["urgent", "waits"])])
def test_how_fast_it_ages_is_a_setting(
    sqlite_ledger: str, clock: ManualClock, work_off: Callable[[Rota], None], ageing: float, expected: list[str]
) -> None:
    app = Rota(settings=Settings(database=DatabaseSettings(url=sqlite_ledger), ageing=ageing), clock=clock)
    begun = declare(app)
    app.options(priority=1).enqueue("job", name="waits")
    clock.advance(minutes=11)
    app.enqueue("job", name="urgent")

    work_off(app)
    app.close()

    assert begun == expected


@pytest.mark.parametrize("ageing", [86_400.0, 1e15])
def test_the_ends_of_the_scale_are_numbers_of_the_database(
    ledger_url: str, clock: ManualClock, work_off: Callable[[Rota], None], ageing: float
) -> None:
    app = Rota(settings=Settings(database=DatabaseSettings(url=ledger_url), ageing=ageing), clock=clock)
    begun = declare(app)
    for priority in (1_000_000, 0, -1_000_000):
        app.options(priority=priority).enqueue("job", name=str(priority))

    work_off(app)
    app.close()

    assert begun == ["-1000000", "0", "1000000"]
