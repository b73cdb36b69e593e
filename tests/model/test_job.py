from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

import pytest

from rota.errors import ConfigError
from rota.model.job import Job
from rota.model.parameters import parameters_of


def test_a_job_knows_what_its_function_takes() -> None:
    def function(run: Any, a: int, *, b: int = 1, c: int) -> None: ...

    job = Job(name="job", function=function)

    assert (job.wants_run, job.is_async) == (True, False)
    assert (job.accepted, job.required) == ({"a", "b", "c"}, {"a", "c"})


def test_a_job_of_any_arguments_accepts_them_all() -> None:
    async def function(**given: int) -> None: ...

    job = Job(name="job", function=function)

    assert (job.wants_run, job.is_async) == (False, True)
    assert (job.accepted, job.required) == (None, frozenset())
    assert Job(name="job", function=partial(function)).is_async


def positional_only(a: int, /) -> None: ...
def star(*a: int) -> None: ...
def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [positional_only, star, generator, async_generator])
def test_a_function_that_could_not_be_called_as_a_job_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parameters_of("job", function)

    assert caught.value.hint


@pytest.mark.parametrize(
    ("policies", "key", "count"),
    [
        ({}, None, None),
        ({"overlap": "allow"}, None, None),
        ({"overlap": "skip"}, "job:job", 1),
        ({"overlap": "queue_all"}, "job:job", 1),
        ({"concurrency": 3}, "job:job", 3),
        ({"concurrency": 3, "overlap": "skip"}, "job:job", 3),
        ({"concurrency_key": lambda city: city}, "job:job:Lyon", 1),
        ({"concurrency_key": lambda city: city, "concurrency": 2}, "job:job:Lyon", 2),
        ({"concurrency_key": lambda **_: None}, "job:job:None", 1),
        ({"concurrency_key": lambda **_: "a\0b"}, "job:job:a\\0b", 1),
    ],
)
def test_what_its_runs_are_counted_under(policies: dict[str, Any], key: str | None, count: int | None) -> None:
    job = Job(name="job", function=lambda city: None, **policies)

    assert (job.limit_key({"city": "Lyon"}), job.limit_count) == (key, count)


def test_a_key_that_cannot_be_made_says_why() -> None:
    job = Job(name="job", function=lambda city="x": None, concurrency_key=lambda city: city)

    with pytest.raises(ConfigError, match="concurrency_key cannot be made from no arguments: TypeError") as caught:
        job.limit_key({})
    assert "without the defaults" in caught.value.hint


@pytest.mark.parametrize(
    ("environments", "environment", "enabled"),
    [
        (None, None, True),
        (None, "staging", True),
        (frozenset({"production"}), None, True),
        (frozenset({"production"}), "production", True),
        (frozenset({"production"}), "staging", False),
        (frozenset(), "production", False),
    ],
)
def test_where_it_runs_by_itself(environments: Any, environment: str | None, enabled: bool) -> None:
    assert Job(name="job", function=lambda: None, environments=environments).enabled_in(environment) is enabled
