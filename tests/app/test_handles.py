"""A job in the hands of its user: still a function, enqueued with options, misspelt with a hint, named once."""

from __future__ import annotations

import inspect
import json
import weakref
from typing import Any

import pytest

from rota import Blueprint, Rota, Run, cron, every
from rota.errors import ConfigError, DuplicateJobError, NotFoundError, PayloadError, WaitTimeoutError
from rota.testing import ManualClock, make_run, run_due


@pytest.fixture
def lite(sqlite_url: str) -> Any:
    app = Rota(sqlite_url, clock=ManualClock())
    app.prepare()
    yield app
    app.close()


def test_a_job_is_still_the_function_it_was(lite: Rota) -> None:
    @lite.job("sync-it", queue="other")
    def sync(run: Run, platforms: list[str] | None = None) -> str:
        """Fetch what is new."""
        return f"{run.id} {platforms}"

    assert sync(make_run(id=7), ["x"]) == "7 ['x']"
    assert sync(run=make_run(id=8)) == "8 None"
    assert (sync.__name__, sync.__doc__, sync.name, repr(sync)) == (
        "sync",
        "Fetch what is new.",
        "sync-it",
        "<Job sync-it>",
    )
    assert lite.jobs["sync-it"].description == "Fetch what is new."


def test_a_job_is_looked_through_as_the_function_it_was(lite: Rota) -> None:
    def send(to: str) -> None: ...

    handle = lite.job(send)

    assert inspect.signature(handle) == inspect.signature(send)
    assert (handle.__module__, handle.__qualname__, handle.__annotations__) == (
        send.__module__,
        send.__qualname__,
        send.__annotations__,
    )


def test_a_handle_that_nobody_holds_is_gone_at_once(lite: Rota) -> None:
    handle = weakref.ref(lite.job("nothing")(lambda: None))

    assert handle() is None


def test_a_job_without_a_name_has_its_functions_as_it_stands(lite: Rota) -> None:
    @lite.job
    def sync_all_things() -> None: ...

    @lite.job()
    def other() -> None: ...

    assert set(lite.jobs) == {"sync_all_things", "other"}


def test_options_of_a_call_stand_over_those_of_the_job(lite: Rota) -> None:
    lite.job("job", queue="slow", priority=5)(lambda run, **_: None)

    plain = lite.enqueue("job").record()
    other = lite.options(queue="fast", priority=-1, dry_run=True, by="anna").enqueue("job", word="x").record()

    assert (plain.queue, plain.priority, plain.mode, plain.asked_by, plain.arguments) == ("slow", 5, None, None, "{}")
    assert (other.queue, other.priority, other.mode, other.asked_by) == ("fast", -1, "dry_run", "anna")
    assert other.arguments == '{"word":"x"}'


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"platform": []}, "takes no argument 'platform'", "Did you mean 'platforms'?"),
        ({"zzz": 1}, "takes no argument 'zzz'", "There are: limit, platforms"),
        ({"limit": 1}, "needs the argument platforms", "Give it: platforms=…"),
        ({"run": 1, "platforms": []}, "takes no argument 'run'", ""),
        (
            {"platforms": {"a": object()}},
            "sync argument.platforms.a: a object is nothing that JSON can hold",
            "Pass text",
        ),
        ({"platforms": "x" * 300_000}, "more than the 262,144 allowed", "pass its key"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_where_it_is_written(
    lite: Rota, arguments: dict[str, Any], message: str, hint: str
) -> None:
    lite.job("sync")(lambda run, platforms, limit=5: None)

    with pytest.raises(PayloadError) as caught:
        lite.enqueue("sync", **arguments)

    assert message in str(caught.value)
    assert hint in caught.value.hint
    lite.prepare()
    assert lite.runs.page() == []


def test_a_job_that_is_not_there_is_told_with_the_nearest_name(lite: Rota) -> None:
    lite.job("shop/sync")(lambda: None)

    for name, hint in (
        ("shop/snyc", "Did you mean 'shop/sync'?"),
        ("sync", "Did you mean 'shop/sync'?"),
        ("zzz", "There are: shop/sync"),
    ):
        with pytest.raises(NotFoundError) as caught:
            lite.enqueue(name)
        assert caught.value.hint == hint


@pytest.mark.defect("LP-B7")
def test_two_jobs_of_one_name_are_refused_with_both_places(lite: Rota) -> None:
    lite.job("sync")(lambda: None)

    with pytest.raises(DuplicateJobError) as caught:
        lite.job("sync")(lambda: None)

    assert str(caught.value).count("test_handles.py:") == 2


@pytest.mark.parametrize(
    "policies",
    [
        {"retries": 3},
        {"overlap": "sometimes"},
        {"concurrency": 0},
        {"rate": "fast"},
        {"timeout": "soon"},
        {"timeout": -1},
        {"retry": 0},
        {"schedule": every("1h"), "catch_up": "some"},
        {"schedule": every("1h"), "catch_up_cap": 0},
        {"schedule": every("1h"), "jitter": -1},
    ],
    ids=str,
)
def test_a_policy_that_cannot_be_meant_is_refused_when_the_module_is_read(lite: Rota, policies: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        lite.job("job", **policies)(lambda: None)


def test_the_jobs_of_a_blueprint_have_its_prefix_and_its_defaults(lite: Rota) -> None:
    heard: list[str] = []
    shop = Blueprint("shop", queue="shop", environments=["production"])

    @shop.job(schedule=cron("0 6 * * *"))
    def sync() -> int:
        return 1

    @shop.job("mail", queue="mail", environments=["staging"])
    def send() -> None: ...

    shop.on("run.succeeded")(lambda event: heard.append(event.data["job"]))
    with pytest.raises(ConfigError, match="belongs to no Rota yet") as caught:
        sync.enqueue()
    assert "include" in caught.value.hint

    lite.include(shop)
    assert (sync.name, send.name) == ("shop/sync", "shop/mail")
    assert (lite.jobs["shop/sync"].queue, lite.jobs["shop/mail"].queue) == ("shop", "mail")
    assert lite.jobs["shop/mail"].environments == {"staging"}
    assert list(lite.declared_schedules) == ["shop/sync"]
    handle = sync.enqueue()
    run_due(lite)
    assert (handle.result, heard) == (1, ["shop/sync"])


def test_a_blueprint_is_included_once(lite: Rota, tmp_path: Any) -> None:
    shop = Blueprint("shop")
    shop.job("sync")(lambda: None)
    lite.include(shop)

    with pytest.raises(DuplicateJobError):
        lite.include(shop)
    with pytest.raises(ConfigError, match="belongs to another Rota already"):
        Rota(f"sqlite:///{tmp_path}/other.db").include(shop)
    for prefix in ("", "shop/"):
        with pytest.raises(ConfigError):
            Blueprint(prefix)


def test_waiting_ends_with_the_run_or_with_the_time(sqlite_url: str) -> None:
    app = Rota(sqlite_url)
    app.job("job")(lambda: 7)
    app.job("never", queue="nobody")(lambda: 7)

    with app.running():
        assert app.options(wait="10s").trigger("job").result == 7
        assert app.enqueue("job").wait(60).state == "succeeded"
    handle = app.enqueue("never")
    with pytest.raises(WaitTimeoutError, match=f"run {handle.id} is still available") as caught:
        handle.wait(0.02)

    assert caught.value.hint == f"Ask why: rota run why {handle.id}"
    app.close()


def test_a_run_that_is_not_there_is_told(lite: Rota) -> None:
    lite.prepare()

    with pytest.raises(NotFoundError):
        lite.runs.get(42)


ODD = (
    "key",
    "at",
    "by",
    "queue",
    "connection",
    "delay",
    "self",
    "name",
    "job",
    "options",
    "arguments",
    "given",
    "handle",
)


def test_no_name_of_an_argument_is_taken(lite: Rota) -> None:
    names = ", ".join(ODD)
    namespace: dict[str, Any] = {}
    exec(f"def body({names}): return [{names}]", namespace)
    odd = lite.job("odd", concurrency_key=lambda **given: given["key"])(namespace["body"])
    arguments = {name: name.upper() for name in ODD}

    handles = [odd.enqueue(**arguments), lite.enqueue("odd", **arguments), odd.options(key="k").enqueue(**arguments)]
    handles += [
        lite.trigger("odd", **arguments),
        odd.trigger(**arguments),
        lite.options(by="x").trigger("odd", **arguments),
    ]
    ids = [*odd.enqueue_many([arguments]), *lite.options(priority=1).enqueue_many("odd", [arguments])]
    run_due(lite)

    results = [handle.result for handle in handles] + [json.loads(lite.runs.get(each).result or "") for each in ids]
    assert results == [[name.upper() for name in ODD]] * 8


def test_arguments_by_position_get_the_names_of_the_function_and_none_is_the_run(lite: Rota) -> None:
    first = lite.job("first")(lambda run, a, b=2: [a, b])
    middle = lite.job("middle")(lambda a, run, b=2: [a, b])

    handles = [first.enqueue(1, 3), first.enqueue(1), middle.enqueue(1, 3), middle.trigger(1, b=4)]
    run_due(lite)

    assert [handle.result for handle in handles] == [[1, 3], [1, 2], [1, 3], [1, 4]]
    with pytest.raises(PayloadError, match="takes 2 arguments by position, and was given 3"):
        first.enqueue(1, 2, 3)
    with pytest.raises(PayloadError, match="was given 'a' twice"):
        first.enqueue(1, a=1)


def test_an_option_among_the_arguments_is_told_where_it_belongs(lite: Rota) -> None:
    lite.job("job")(lambda word: None)

    with pytest.raises(PayloadError, match="takes no argument 'delay'") as caught:
        lite.enqueue("job", word="x", delay="5m")

    assert "options(delay=…)" in caught.value.hint


@pytest.mark.parametrize("options", [{"key": "k"}, {"key": "k", "debounce": 0}, {"wait": "5m"}])
def test_an_option_for_one_run_is_refused_for_many(lite: Rota, options: dict[str, Any]) -> None:
    job = lite.job("job")(lambda: None)

    with pytest.raises(ConfigError, match="is for one run"):
        job.options(**options).enqueue_many([{}, {}])
    assert lite.runs.page() == []


def test_many_runs_are_given_their_options(lite: Rota) -> None:
    job = lite.job("job")(lambda run, n: None)

    ids = job.options(delay="1h", priority=4, dry_run=True, by="anna").enqueue_many([{"n": 1}, {"n": 2}])

    for each in map(lite.runs.get, ids):
        assert (each.state, each.priority, each.mode, each.asked_by) == ("scheduled", 4, "dry_run", "anna")


def test_a_blueprint_takes_nothing_more_once_it_is_included(lite: Rota) -> None:
    shop = Blueprint("shop")
    shop.job("sync")(lambda: None)
    lite.include(shop)

    with pytest.raises(ConfigError, match="job 'late' comes too late") as caught:
        shop.job("late")(lambda: None)
    with pytest.raises(ConfigError, match=r"a listener to 'run\.\*' comes too late"):
        shop.on("run.*")(print)

    assert "Include a blueprint after its last job" in caught.value.hint
    assert list(lite.jobs) == ["shop/sync"]


def test_a_function_without_a_name_needs_one_for_its_job(lite: Rota) -> None:
    for declare in (lite.job, lite.job()):
        with pytest.raises(ConfigError, match="has no name that a job could have"):
            declare(lambda: None)
