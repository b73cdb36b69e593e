"""The lock of a job: nobody works without it, and nobody takes away another one's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from apps.savings.lock import PREFIX, Locked
from apps.savings.settings import Settings
from rota import JobResult, Run
from rota.errors import RunLostError
from rota.recipes import Recipe
from rota.recipes.fence import check_fences
from rota.testing import make_run, run_due
from tests.savings.conftest import Savings

KEY = f"{PREFIX}task"


class Body(Recipe):
    """Does what a test says, under the lock."""

    def __init__(self, do: Callable[[], Any]) -> None:
        self.do = do

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        self.do()
        return JobResult(message="done")


@pytest.fixture
def redis(valkey_port: int) -> Redis:
    return Redis(port=valkey_port)


def locked(port: int, do: Callable[[], Any], ttl: float = 30) -> JobResult:
    settings = Settings(redis_host="127.0.0.1", redis_port=port)
    return Locked(Body(do), "task", ttl, settings)(make_run())


@pytest.mark.defect("SG-B2")
def test_it_is_held_under_a_token_while_the_job_runs_and_given_back(redis: Redis, valkey_port: int) -> None:
    seen: list[Any] = []

    result = locked(valkey_port, lambda: seen.append((redis.get(KEY), redis.ttl(KEY))))

    [(token, ttl)] = seen
    assert result.message == "done"
    assert len(token) >= 16
    assert 0 < ttl <= 30
    assert redis.get(KEY) is None


@pytest.mark.defect("SG-B2", "SG-B9")
def test_while_somebody_else_has_it_the_run_is_skipped(redis: Redis, valkey_port: int) -> None:
    redis.set(KEY, "theirs", ex=60)

    result = locked(valkey_port, lambda: pytest.fail("it was done without its lock"))

    assert result.status == "skipped"
    assert redis.get(KEY) == b"theirs"


@pytest.mark.defect("SG-B2")
def test_one_that_was_lost_ends_the_work_and_is_not_taken_from_its_new_owner(redis: Redis, valkey_port: int) -> None:
    def lose() -> None:
        redis.set(KEY, "theirs", ex=60)
        for _ in range(1_000):
            check_fences()
            threading.Event().wait(0.005)

    with pytest.raises(RunLostError, match="the lock was lost"):
        locked(valkey_port, lose, ttl=0.1)

    assert redis.get(KEY) == b"theirs"


@pytest.mark.defect("SG-B9")
def test_who_dies_with_it_keeps_others_from_it_for_a_minute_at_most(redis: Redis, valkey_port: int) -> None:
    seen: list[Any] = []

    locked(valkey_port, lambda: seen.append(redis.ttl(KEY)), ttl=600)

    assert 0 < seen[0] <= 60


@pytest.mark.defect("SG-B2")
def test_it_is_renewed_for_as_long_as_the_job_takes(redis: Redis, valkey_port: int) -> None:
    def outlast() -> None:
        renewed = 0
        before = redis.pttl(KEY)
        while renewed < 2:
            now = redis.pttl(KEY)
            assert now > 0
            renewed += now > before
            before = now
        check_fences()

    assert locked(valkey_port, outlast, ttl=2).message == "done"


def test_without_a_server_nothing_is_done_and_it_is_tried_again(open_savings: Callable[..., Savings]) -> None:
    savings = open_savings(redis_port=1)
    savings.put(groups=[], users=[])
    handle = savings.rota.trigger("savings/update-group-statuses")
    run_due(savings.rota)

    record = handle.record()
    assert record.state == "scheduled"
    assert "lock_backend" in (record.error or "")
