"""LP-4: what is removed from the database and from a real server of sessions."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis

from apps.learn.sessions import RESET_TOKENS, UNVERIFIED_ACCOUNTS
from apps.redis_data import put_keys
from rota.testing import make_run
from tests.learn.conftest import Learn
from tests.learn.helpers import EDUCATOR, MIDNIGHT, ago, course, enrollment, user


def unverified(id_: int, days: float, **values: Any) -> dict[str, Any]:
    return user(id_, created_at=ago(days), email_verified=False, **values)


@pytest.mark.defect("LP-B9")
def test_accounts_that_were_never_verified_go_after_thirty_days_if_nothing_hangs_on_them(learn: Learn) -> None:
    learn.put(
        users=[
            EDUCATOR,
            unverified(1, 31),
            unverified(2, 30),
            unverified(3, 31, role="educator"),
            unverified(4, 31),
            unverified(5, 31),
            unverified(6, 400, deleted_at=ago(3)),
            user(7, created_at=ago(400), email_verified=True),
        ],
        courses=[course(1)],
        enrollments=[enrollment(1, 4, 1, 20)],
        discussion_posts=[{"id": 1, "author_id": 5, "created_at": ago(20)}],
    )

    result = UNVERIFIED_ACCOUNTS(make_run(as_of=MIDNIGHT))

    assert result.counts == {"accounts_removed": 1, "kept_has_data": 2}
    assert sorted(learn.rows("users")) == [2, 3, 4, 5, 6, 7, 900]
    assert UNVERIFIED_ACCOUNTS(make_run(as_of=MIDNIGHT, id=2)).counts["accounts_removed"] == 0


@pytest.mark.parametrize(("ended", "cleared"), [(1.001, True), (1, False), (0.5, False)])
def test_a_link_to_a_new_password_is_cleared_a_day_after_its_end(learn: Learn, ended: float, cleared: bool) -> None:
    learn.put(users=[user(1, password_reset_token="t", password_reset_expires=ago(ended))])

    result = RESET_TOKENS(make_run(as_of=MIDNIGHT))

    assert result.counts == {"reset_tokens_cleared": int(cleared)}
    assert (learn.rows("users")[1]["password_reset_token"] is None) == cleared


JOB = "daily-session-cleanup"


@pytest.fixture
def redis(valkey_port: int) -> Redis:
    return Redis(port=valkey_port, db=1, decode_responses=True)


def at(days: float) -> float:
    return (MIDNIGHT + timedelta(days=days)).timestamp()


def put(redis: Redis, *keys: dict[str, Any]) -> None:
    put_keys(lambda _: redis, list(keys))


def refresh(user: Any, name: str, *, ttl: int | None = None, **fields: Any) -> dict[str, Any]:
    return {"key": f"session:session:refresh:{user}:{name}", "value": fields, "ttl": ttl}


@pytest.mark.defect("LP-B3")
def test_the_night_ends_what_nobody_else_does(learn: Learn, redis: Redis) -> None:
    reset = user(4, email_verified=True, password_reset_token="t", password_reset_expires=ago(2))
    learn.put(users=[user(1, email_verified=True), user(2, deleted_at=ago(1)), unverified(3, 31), reset])
    put(
        redis,
        refresh(1, "kept", ttl=9_000),
        refresh(1, "over", exp=at(-1)),
        refresh(1, "endless", exp=at(40_000)),
        refresh(1, "odd", other=1),
        refresh(2, "of-deleted", ttl=9_000),
        refresh(99, "of-nobody", ttl=9_000),
        {"key": "session:a", "value": {"userId": 1}, "ttl": 9_000},
        {"key": "session:b", "value": {"user_id": "2"}, "ttl": 9_000},
        {"key": "session:user:1", "type": "set", "value": ["session:a", "session:x"]},
        {"key": "password_reset:x", "value": {"created_at": ago(8)}},
        {"key": "email_verification:x", "value": {"exp": at(-1)}},
    )

    result = learn.run(JOB)

    assert result["counts"] == {
        "scanned": 11, "tokens_removed": 6, "ttl_set": 1, "index_members_removed": 1, "unparsable": 1,
        "accounts_removed": 1, "kept_has_data": 0, "reset_tokens_cleared": 1,
    }  # fmt: skip
    assert sorted(key.removeprefix("session:session:refresh:") for key in redis.scan_iter()) == [
        "1:endless", "1:kept", "1:odd", "session:a", "session:user:1",
    ]  # fmt: skip
    again = learn.run(JOB)["counts"]
    assert not any(again[name] for name in again if name not in {"scanned", "unparsable"})


def test_without_redis_the_database_is_cleaned_all_the_same(open_learn: Callable[..., Learn]) -> None:
    learn = open_learn(redis_url="redis://localhost:1")
    learn.put(users=[unverified(3, 31)])

    result = learn.run(JOB)

    assert (result["status"], result["counts"]["accounts_removed"]) == ("partial", 1)
    assert {each["item"] for each in result["errors"]} == {"redis_tokens", "reset_keys"}


@pytest.mark.defect("LP-B3")
def test_a_pattern_that_matches_nothing_is_told(learn: Learn) -> None:
    warnings = learn.run(JOB)["warnings"]

    assert "redis_tokens: session:session:refresh:* in database 1: pattern_matched_nothing" in warnings


def test_a_dry_run_ends_nobody(learn: Learn, redis: Redis) -> None:
    learn.put(users=[user(1, deleted_at=ago(1)), unverified(3, 31)])
    put(redis, refresh(1, "a", ttl=9_000), {"key": "session:b", "value": "no json"})
    before = learn.everything()

    result = learn.run(JOB, dry_run=True)

    assert (result["status"], result["counts"]["tokens_removed"], result["counts"]["unparsable"]) == ("dry_run", 1, 1)
    assert learn.everything() == before
    assert sorted(redis.keys()) == ["session:b", "session:session:refresh:1:a"]


@pytest.mark.parametrize("person", ["1", "*", "a?[b]"])
def test_the_sessions_of_one_person_end_and_no_others(learn: Learn, redis: Redis, person: str) -> None:
    put(
        redis,
        refresh(person, "a", ttl=9_000),
        refresh(person, "b"),
        refresh(f"{person}1", "c", ttl=9_000),
        {"key": "session:s", "value": json.dumps({}), "ttl": 9_000},
        {"key": f"session:user:{person}", "type": "set", "value": ["session:s"]},
    )

    first = learn.run("end-sessions", arguments={"user_id": person})
    second = learn.run("end-sessions", arguments={"user_id": person})

    assert (first["counts"], second["counts"]) == ({"tokens_removed": 3}, {"tokens_removed": 0})
    assert redis.keys() == [f"session:session:refresh:{person}1:c"]
