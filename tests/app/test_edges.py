"""Every public call says in its own words what is wrong with what it was given, and what to give instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

import rota as public
from rota import (
    Blueprint,
    Cancelled,
    Dates,
    Failed,
    Holidays,
    JobResult,
    Retry,
    Rota,
    Snoozed,
    WeeklyWindows,
    any_of,
    at,
    cron,
    every,
)
from rota.errors import ConfigError, Parked, RotaError
from rota.testing import FakeHome, ManualClock, captured_events, make_run, run_due
from tests.servers import fresh_database

ODD_TEXT = ("a\0b", "half \ud800 a pair")
TOO_LARGE = 2**63
WRONG: tuple[Any, ...] = (
    *(None, object(), int, True, b"x"),
    *(5, -1, TOO_LARGE, 10**5_000, 2.5, float("nan")),
    *("", "word", *ODD_TEXT, "x" * 1_000),
    *([], ["word"], {1: 2}, {"a": object()}),
    datetime(2026, 1, 1),  # noqa: DTZ001 - which names no moment
)
"""Each is wrong for most, and right for a few."""
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rota]:
    yield from opened(f"sqlite:///{tmp_path_factory.mktemp('edges')}/app.db?synchronous=normal")


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rota]:
    """One for all tests of the module: whatever they change, an odd value is refused."""
    if request.param == "sqlite":
        yield from opened(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/app.db?synchronous=normal")
    else:
        with fresh_database(request.getfixturevalue("postgres_server")) as url:
            yield from opened(url)


def opened(url: str) -> Iterator[Rota]:
    made = Rota(url, clock=ManualClock())
    made.job("mail", retry=1)(lambda run, to="": None)
    made.prepare()
    made.schedules.add("nightly", "mail", cron("0 0 * * *"))
    yield made
    made.close()


def enter(context: Any) -> None:
    with context:
        pass


def park(**given: Any) -> None:
    with suppress(Parked):
        make_run().wait_for(**{"name": "approval", **given})


CALLS: dict[str, Callable[[Rota, Any], object]] = {
    "Rota(url)": lambda _, odd: Rota(odd).store,
    "Rota(name)": lambda _, odd: Rota(name=odd),
    "Rota(environment)": lambda _, odd: Rota(environment=odd),
    "Rota(schema)": lambda _, odd: Rota(schema=odd),
    "Rota(settings)": lambda _, odd: Rota(settings=odd),
    "Rota.from_settings": lambda _, odd: Rota.from_settings(odd),
    "rota.include": lambda app, odd: app.include(odd),
    "rota.job": lambda app, odd: Rota(clock=ManualClock()).job(odd),
    "rota.job(name)": lambda app, odd: Rota(clock=ManualClock()).job("job")(odd),
    "rota.on": lambda app, odd: app.on(odd),
    "rota.on(kind)": lambda app, odd: app.on("run.failed")(odd),
    "Blueprint": lambda _, odd: Blueprint(odd),
    "Blueprint(queue)": lambda _, odd: Blueprint("x", queue=odd).job("job")(lambda: None),
    "Blueprint(environments)": lambda _, odd: Blueprint("x", environments=odd).job("job")(lambda: None),
    "rota.enqueue": lambda app, odd: app.enqueue(odd),
    "rota.trigger": lambda app, odd: app.trigger(odd),
    "rota.enqueue(to)": lambda app, odd: app.enqueue("mail", to=odd),
    "handle.enqueue": lambda app, odd: app.handles["mail"].enqueue(odd, odd),
    "enqueue_many": lambda app, odd: app.enqueue_many("mail", odd),
    "enqueue_many(items)": lambda app, odd: app.enqueue_many("mail", [odd]),
    "handle.wait": lambda app, odd: None if odd is None else app.enqueue("mail").wait(odd),
    "rota.node": lambda app, odd: app.node(odd),
    "rota.running": lambda app, odd: None if odd is None else enter(app.running(odd)),
    "rota.lock": lambda app, odd: enter(app.lock(odd)),
    "rota.lock(ttl)": lambda app, odd: enter(app.lock("x", ttl=odd)),
    "rota.lock(wait)": lambda app, odd: enter(app.lock("x", wait=odd)),
    "rota.why_run": lambda app, odd: app.why_run(odd),
    "rota.why_run(zone)": lambda app, odd: app.why_run(1, odd),
    "rota.why_schedule": lambda app, odd: app.why_schedule(odd),
    "rota.why_schedule(at)": lambda app, odd: app.why_schedule("nightly", odd),
    "Retry(attempts)": lambda _, odd: Retry(attempts=odd),
    "Retry(base)": lambda _, odd: Retry(base=odd),
    "Retry(factor)": lambda _, odd: Retry(factor=odd).delay(50),
    "Retry(jitter)": lambda _, odd: Retry(jitter=odd),
    "Retry(delays)": lambda _, odd: Retry(delays=odd),
    "Retry(on)": lambda _, odd: Retry(on=odd),
    "Retry(never)": lambda _, odd: Retry(never=odd),
    "Failed(retry_after)": lambda _, odd: Failed("no", retry_after=odd),
    "Snoozed": lambda _, odd: Snoozed(odd),
    "Cancelled": lambda _, odd: Cancelled(odd),
    "JobResult(status)": lambda _, odd: JobResult(status=odd),
    "JobResult(errors)": lambda _, odd: JobResult(errors=odd).add_error(odd, odd, odd),
    "cron": lambda _, odd: cron(odd),
    "cron(tz)": lambda _, odd: cron("0 0 * * *", tz=odd),
    "cron(gap)": lambda _, odd: cron("0 0 * * *", gap=odd),
    "cron(overlap)": lambda _, odd: cron("0 0 * * *", overlap=odd),
    "every": lambda _, odd: every(odd),
    "every(hours)": lambda _, odd: every(hours=odd),
    "every(anchor)": lambda _, odd: every("1h", anchor=odd),
    "every(tz)": lambda _, odd: every("1h", tz=odd),
    "at": lambda _, odd: at(odd),
    "at(tz)": lambda _, odd: at(LATER, tz=odd),
    "any_of": lambda _, odd: any_of(odd),
    "excluding": lambda _, odd: cron("0 0 * * *").excluding(odd),
    "next_after": lambda _, odd: cron("0 0 * * *").next_after(odd),
    "previous_before": lambda _, odd: every("1h").previous_before(odd),
    "fires": lambda _, odd: next(every("1h").fires(odd)),
    "fires(until)": lambda _, odd: next(every("1h").fires(LATER, odd)),
    "Dates": lambda _, odd: Dates(odd),
    "Dates(tz)": lambda _, odd: Dates("2026-01-01", tz=odd),
    "WeeklyWindows": lambda _, odd: WeeklyWindows(odd),
    "WeeklyWindows(tz)": lambda _, odd: WeeklyWindows("Sat", tz=odd),
    "Holidays": lambda _, odd: Holidays(odd),
    "Holidays(subdivision)": lambda _, odd: Holidays("DE", odd),
    "Holidays(tz)": lambda _, odd: Holidays("DE", tz=odd),
    "run_due": lambda _, odd: run_due(odd),
    "run_due(rounds)": lambda app, odd: run_due(app, rounds=odd if odd != "word" else 1) if odd != 5 else None,
    "captured_events": lambda _, odd: enter(captured_events(odd)),
    "captured_events(kind)": lambda app, odd: enter(captured_events(app, odd)),
    "make_run(id)": lambda _, odd: make_run(id=odd),
    "make_run(attempt)": lambda _, odd: make_run(attempt=odd),
    "make_run(as_of)": lambda _, odd: make_run(as_of=odd),
    "make_run(due_at)": lambda _, odd: make_run(due_at=odd),
    "make_run(checkpoint)": lambda _, odd: make_run(checkpoint=odd).checkpoint,
    "make_run(home)": lambda _, odd: make_run(home=odd),
    "ManualClock": lambda _, odd: ManualClock(odd),
    "clock.set": lambda _, odd: ManualClock().set(odd),
    "clock.advance": lambda _, odd: ManualClock().advance(hours=odd),
    "run.progress": lambda _, odd: make_run().progress(odd),
    "run.progress(total)": lambda _, odd: make_run().progress(1, odd),
    "run.save_checkpoint": lambda _, odd: make_run().save_checkpoint(odd),
    "run.sleep": lambda _, odd: None if odd in (5, 2.5) else make_run().sleep(odd),
    "run.batches": lambda _, odd: list(make_run().batches(odd)),
    "run.batches(size)": lambda _, odd: list(make_run().batches([1], size=odd)),
    "run.batches(pause)": lambda _, odd: None if odd in (5, 2.5) else list(make_run().batches([1, 2], 1, pause=odd)),
    "run.fan_out": lambda _, odd: make_run().fan_out(odd, [{"a": 1}]),
    "run.fan_out(items)": lambda _, odd: make_run().fan_out("job", odd),
    "run.fan_out(size)": lambda _, odd: make_run().fan_out("job", [1], size=odd),
    "run.fan_out(then)": lambda _, odd: make_run().fan_out("job", [{}], then=odd),
    "run.fan_out(then_arguments)": lambda _, odd: make_run().fan_out("job", [{}], then="x", then_arguments=odd),
    "run.lock": lambda _, odd: make_run().lock(odd),
    "run.lock(ttl)": lambda _, odd: make_run().lock("x", ttl=odd),
    "run.emit": lambda _, odd: make_run().emit(odd),
    "run.emit(data)": lambda _, odd: make_run().emit("seen", data=odd),
    "run.step": lambda _, odd: make_run().step(odd, int),
    "run.step(function)": lambda _, odd: make_run().step("one", odd),
    "run.step(result)": lambda _, odd: make_run().step("one", lambda: odd),
    "run.wait_for": lambda _, odd: park(name=odd),
    "run.wait_for(timeout)": lambda _, odd: park(timeout=odd),
    "run.wait_for(about)": lambda _, odd: park(about=odd),
    "rota.signal": lambda app, odd: app.signal(odd, "approval"),
    "rota.signal(name)": lambda app, odd: app.signal(app.enqueue("mail").id, odd),
    "rota.signal(data)": lambda app, odd: app.signal(app.enqueue("mail").id, "approval", odd),
    "rota.signal(by)": lambda app, odd: app.signal(app.enqueue("mail").id, "approval", by=odd),
    "rota.signal(why)": lambda app, odd: app.signal(app.enqueue("mail").id, "approval", why=odd),
    "rota.signal(connection)": lambda app, odd: app.signal(app.enqueue("mail").id, "approval", connection=odd),
}


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_call_that_is_given_what_it_cannot_mean_raises_an_error_of_rotas_own(app: Rota, call: str) -> None:
    for odd in WRONG:
        with suppress(RotaError):
            CALLS[call](app, odd)


def methods() -> Iterator[Any]:
    for part in ("runs", "schedules", "queues", "nodes", "counters"):
        cls = type(getattr(Rota("sqlite:///unused.db"), part))
        for name, method in vars(cls).items():
            if not name.startswith("_"):
                for parameter in list(inspect.signature(method).parameters.values())[1:]:
                    yield pytest.param(part, name, parameter, id=f"{part}.{name}({parameter.name})")


RIGHT: Mapping[str, Any] = {
    "name": "nightly",
    "job": "mail",
    "trigger": every("1h"),
    "by": "anna",
    "run_id": 1,
    "batch_id": 1,
    "first": datetime(2025, 1, 1, tzinfo=UTC),
    "last": datetime(2025, 1, 2, tzinfo=UTC),
    "items": {"a": {}},
    "node_id": "x",
    "concurrency": 1,
    "rate": "1/s",
}


@pytest.mark.parametrize(("part", "name", "parameter"), list(methods()))
def test_looking_and_steering_raise_errors_of_rotas_own_on_both_databases(
    ledger: Rota, part: str, name: str, parameter: inspect.Parameter
) -> None:
    method = getattr(getattr(ledger, part), name)
    names = [each.name for each in inspect.signature(method).parameters.values() if each.default is each.empty]
    given = {each: "default" if each == "name" and part == "queues" else RIGHT[each] for each in names if each in RIGHT}

    for odd in WRONG:
        odd_one = {"arguments": odd} if parameter.kind is parameter.VAR_KEYWORD else {parameter.name: odd}
        with suppress(RotaError):
            method(**{**given, **odd_one})


@pytest.mark.parametrize("odd", [*ODD_TEXT, "x" * 1_000], ids=["NUL", "half a pair", "too long"])
def test_text_that_a_database_cannot_keep_is_refused_before_it_is_asked(ledger: Rota, odd: str) -> None:
    ledger.enqueue("mail")
    names: list[Callable[[], object]] = [
        lambda: ledger.options(queue=odd),
        lambda: enter(ledger.lock(odd)),
        lambda: make_run().emit(odd),
        lambda: ledger.schedules.add(odd, "mail", every("1h")),
        lambda: ledger.schedules.add_many({odd: {}}, "mail", every("1h")),
    ]
    texts: list[Callable[[], object]] = [
        lambda: ledger.runs.cancel(1, odd),
        lambda: ledger.queues.pause("default", by=odd),
        lambda: ledger.queues.pause("default", by="anna", why=odd),
        lambda: ledger.schedules.pause("nightly", by="anna", why=odd),
    ]

    for call in names if len(odd) > 500 else names + texts:
        with pytest.raises(ConfigError) as caught:
            call()
        assert caught.value.hint


@pytest.mark.parametrize("number", [TOO_LARGE, -TOO_LARGE - 1, 10**5_000], ids=["large", "small", "digits"])
def test_a_progress_that_no_column_holds_is_refused_in_the_body(number: int) -> None:
    home = FakeHome()

    for done, total in ((number, None), (1, number)):
        with pytest.raises(ConfigError, match=r"rota.run.progress|run.progress"):
            make_run(home=home).progress(done, total)
    assert (home.progress.done, home.progress.changed) == (0, False)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        (
            lambda app: app.runs.page(state="fialed"),
            "one of scheduled, available, running, waiting, succeeded, failed, cancelled",
        ),
        (lambda app: app.queues.limit("default", "anna", 0, None), "a whole number from 1"),
        (lambda app: app.queues.limit("default", "anna", None, "fast"), '"100/m"'),
        (lambda app: app.on(lambda event: None), '@rota.on("run.failed")'),
        (lambda app: app.job("class")(dict), "Write a function"),
        (lambda app: app.job("method")(lambda self: None), "outside of its class"),
        (lambda app: app.job(lambda: None), 'rota.job("name")'),
        (lambda app: app.job("odd", retry=Retry(attempts=2, delays="5s")), 'delays=["5s", "1m"]'),
        (lambda app: JobResult(status="partail"), "'partial'"),
        (lambda app: cron("0 6 * * *", tz="CEST"), "Europe/Paris"),
        (lambda app: app.enqueue(app.handles["mail"]), 'rota.enqueue("mail"'),
    ],
)
def test_a_mistake_is_told_with_what_to_write_instead(app: Rota, call: Callable[[Rota], object], hint: str) -> None:
    with pytest.raises(RotaError) as caught:
        call(app)

    assert hint in caught.value.hint


def test_a_wrong_call_is_told_as_python_does(app: Rota) -> None:
    with pytest.raises(TypeError, match="missing a required argument: 'by'"):
        app.runs.cancel(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'stat'"):
        app.runs.page(stat="failed")  # type: ignore[call-arg]


def test_all_that_is_exported_and_can_be_called_is_tried_here() -> None:
    tried = " ".join(CALLS)
    made_by_rota = {"Event", "Run", "RunState", "RotaError", "Signal", "Trigger", "Succeeded", "Rota"}

    assert [name for name in public.__all__ if name not in made_by_rota and name not in tried] == []
