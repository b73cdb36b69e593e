"""Keys of a real server: which go, which get an end, and which nobody touches."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rota.errors import ConfigError, Parked
from rota.recipes import KeyIndex, KeyRule, RedisKeys, Safety, Steps
from rota.recipes.database import batches
from rota.testing import FakeHome, make_run

NOW = datetime.now(UTC)
TOKENS = KeyRule("refresh:*", lifetime="30d")


@pytest.fixture
def redis(valkey_port: int) -> Redis:
    return Redis(port=valkey_port, decode_responses=True)


def everything(redis: Redis) -> dict[str, Any]:
    return {key: (redis.dump(key), redis.expiretime(key)) for key in redis.scan_iter()}


def seconds(days: float) -> float:
    return (NOW + timedelta(days=days)).timestamp()


def cook(port: int, *rules: Any, dry_run: bool = False, home: FakeHome | None = None, **options: Any) -> Any:
    recipe = RedisKeys(lambda db: Redis(port=port, db=db), list(rules) or [TOKENS], **options)
    return recipe(make_run(as_of=NOW, dry_run=dry_run, home=home))


def done(result: Any) -> dict[str, int]:
    return {name: count for name, count in result.counts.items() if count and name != "scanned"}


def test_a_key_without_an_end_gets_the_one_of_its_value_or_goes(redis: Redis, valkey_port: int) -> None:
    redis.set("refresh:1:a", json.dumps({"exp": seconds(-1)}))
    redis.set("refresh:1:b", json.dumps({"exp": seconds(2)}))
    redis.set("refresh:1:c", json.dumps({"created_at": (NOW - timedelta(days=38)).isoformat()}))
    redis.set("refresh:1:d", json.dumps({"created_at": (NOW - timedelta(days=36)).isoformat()}))
    redis.hset("refresh:1:e", mapping={"expires_at": (NOW - timedelta(hours=1)).isoformat()})
    redis.set("refresh:1:f", json.dumps({"exp": seconds(-9)}), ex=60)
    redis.set("other", json.dumps({"exp": seconds(-9)}))

    result = cook(valkey_port)

    assert result.counts["scanned"] == 6
    assert done(result) == {"tokens_removed": 3, "ttl_set": 2}
    assert sorted(redis.keys()) == ["other", "refresh:1:b", "refresh:1:d", "refresh:1:f"]
    assert redis.expiretime("refresh:1:b") == int(seconds(2))
    assert redis.expiretime("refresh:1:d") == int(seconds(1))
    assert 0 < redis.ttl("refresh:1:f") <= 60
    assert done(cook(valkey_port)) == {}


@pytest.mark.parametrize(
    "value",
    ["", "no json", "[1]", "7", "{}", '{"exp": null}', '{"exp": "soon"}', '{"exp": true}', '{"exp": 1e300}',
     '{"exp": "nan"}', "[" * 100_000, b"\xff\x00"],
)  # fmt: skip
def test_a_value_that_says_nothing_is_counted_and_left(redis: Redis, valkey_port: int, value: Any) -> None:
    redis.set("refresh:1:a", value)
    redis.rpush("refresh:1:list", "x")

    assert done(cook(valkey_port)) == {"unparsable": 2}
    assert len(redis.keys()) == 2
    assert done(cook(valkey_port, delete_unparsable=True)) == {"unparsable": 2, "tokens_removed": 2}
    assert redis.keys() == []


@pytest.mark.parametrize("end", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59+14:00"])
def test_the_end_of_time_is_an_end(redis: Redis, valkey_port: int, end: str) -> None:
    redis.set("refresh:1:a", json.dumps({"expires_at": end, "created_at": end}))

    assert done(cook(valkey_port)) == {"ttl_set": 1}
    assert redis.expiretime("refresh:1:a") == int(datetime.fromisoformat(end).timestamp())


def test_milliseconds_and_moments_without_a_zone_are_understood(redis: Redis, valkey_port: int) -> None:
    redis.set("refresh:1:a", json.dumps({"exp": int(seconds(-1) * 1_000)}))
    redis.set("refresh:1:b", json.dumps({"expiresAt": (NOW + timedelta(hours=1)).replace(tzinfo=None).isoformat()}))

    assert done(cook(valkey_port)) == {"tokens_removed": 1, "ttl_set": 1}
    assert redis.expiretime("refresh:1:b") == int((NOW + timedelta(hours=1)).timestamp())


def test_keys_of_people_who_are_gone_go_whatever_their_end(redis: Redis, valkey_port: int) -> None:
    for owner in ("1", "2", "3"):
        redis.set(f"refresh:{owner}:a", json.dumps({"exp": seconds(3)}), ex=900)
        redis.set(f"refresh:{owner}:b", "unreadable")
    redis.set("refresh:nobody", json.dumps({"exp": seconds(3)}), ex=900)
    asked: list[Collection[str]] = []

    def gone(owners: Collection[str]) -> Collection[str]:
        asked.append(owners)
        return {"2", "9"} & set(owners)

    def owner(key: str, _: Any) -> str | None:
        return key.split(":")[1] if key.count(":") == 2 else None

    result = cook(valkey_port, KeyRule("refresh:*", lifetime="30d", owner=owner), gone=gone)

    assert done(result) == {"tokens_removed": 2, "unparsable": 2}
    assert asked == [{"1", "2", "3"}] * 2  # when it looks, and when they go
    assert not redis.keys("refresh:2:*")


def test_index_sets_lose_members_whose_key_is_gone(redis: Redis, valkey_port: int) -> None:
    redis.set("s:1", "{}", ex=900)
    redis.sadd("s:user:7", "s:1", "s:2", "s:3")
    redis.sadd("s:user:8", "s:4")
    redis.sadd("ids:9", "1", "5")
    rules = [KeyIndex("s:user:*"), KeyIndex("ids:*", prefix="s:"), KeyRule("s:*", lifetime="1d")]

    seen = cook(valkey_port, *rules, dry_run=True)
    assert redis.scard("s:user:7") == 3
    result = cook(valkey_port, *rules)

    assert result.counts == {**dict.fromkeys(result.counts, 0), "scanned": 4, "index_members_removed": 4}
    assert seen.counts == result.counts
    assert redis.smembers("s:user:7") == {"s:1"}
    assert redis.smembers("ids:9") == {"1"}
    assert not redis.exists("s:user:8")


def test_a_key_belongs_to_the_first_rule_of_its_database_alone(redis: Redis, valkey_port: int) -> None:
    redis.set("s:refresh:1", json.dumps({"created_at": seconds(-5)}))
    with Redis(port=valkey_port, db=1) as other:
        other.set("s:refresh:1", json.dumps({"created_at": seconds(-5)}))
    rules = [KeyRule("s:refresh:*", lifetime="30d"), KeyRule("s:*", lifetime="1d", keep="1d"),
             KeyRule("s:*", lifetime="1d", keep="1d", db=1)]  # fmt: skip

    result = cook(valkey_port, *rules)

    assert done(result) == {"ttl_set": 1, "tokens_removed": 1}
    assert result.counts["scanned"] == 2
    assert result.warnings == ["s:* in database 0: pattern_matched_nothing"]


def test_an_end_that_is_too_far_away_is_told_and_left(redis: Redis, valkey_port: int) -> None:
    for name, days in (("a", 30.9), ("b", 31.1), ("c", 400)):
        redis.set(f"refresh:{name}", "{}", ex=int(days * 86_400))

    result = cook(valkey_port)

    assert result.warnings == ["refresh:* in database 0: 2 keys end later than their lifetime allows"]
    assert (done(result), len(redis.keys())) == ({}, 3)


def test_a_dry_run_counts_the_same_and_writes_nothing(redis: Redis, valkey_port: int) -> None:
    for number in range(7):
        redis.set(f"refresh:{number}", json.dumps({"exp": seconds(number - 3)}))
    before = everything(redis)

    dry = cook(valkey_port, dry_run=True, chunk=2)
    assert everything(redis) == before
    wet = cook(valkey_port, chunk=2)

    assert (dry.status, wet.status) == ("dry_run", "success")
    assert dry.counts == wet.counts
    assert done(wet) == {"tokens_removed": 4, "ttl_set": 3}


def test_a_key_that_is_given_anew_while_it_is_looked_at_stays(redis: Redis, valkey_port: int) -> None:
    redis.set("refresh:1:a", json.dumps({"exp": seconds(-1)}))
    redis.set("refresh:2:a", json.dumps({"exp": seconds(-1)}))
    anew, times = json.dumps({"exp": seconds(5)}), list[Collection[str]]()

    def gone(asked: Collection[str]) -> Collection[str]:
        """The second time, when they are to go."""
        times.append(asked)
        if len(times) == 2:
            redis.set("refresh:1:a", anew)
            redis.delete("refresh:2:a")
        return ["1", "2"]

    def owner(key: str, _: Any) -> str:
        return key.split(":")[1]

    result = cook(valkey_port, KeyRule("refresh:*", lifetime="30d", owner=owner), gone=gone)

    assert (done(result), redis.get("refresh:1:a")) == ({}, anew)


OWNED = KeyRule("s:*", lifetime="30d", owner=lambda key, _: key.split(":")[1])
FEW = Safety(floor=3, most_fraction=0.5, pause=0)


def put_owned(redis: Redis, *owners: int) -> None:
    for owner in owners:
        redis.set(f"s:{owner}", "{}", ex=900)


@pytest.mark.parametrize(("safety", "why"), [
    (FEW.with_(on_guard="abort"), "4 of 4 keys s:* would go, more than 50%"),
    (FEW.with_(on_guard="abort", most_fraction=None, most_rows=3), "4 keys are more than 3"),
])  # fmt: skip
def test_where_too_many_would_go_none_does(redis: Redis, valkey_port: int, safety: Safety, why: str) -> None:
    """As where the table of people is empty for a moment."""
    put_owned(redis, *range(4))
    redis.set("refresh:1:a", json.dumps({"exp": seconds(2)}))
    before = everything(redis)

    dry = cook(valkey_port, OWNED, TOKENS, gone=set, safety=safety, dry_run=True)
    result = cook(valkey_port, OWNED, TOKENS, gone=set, safety=safety)

    assert (dry.status, dry.details["trips"]) == ("dry_run", [why])
    assert (result.status, result.message) == ("aborted_guard", f"nothing was changed: {why}")
    assert everything(redis) == before


@pytest.mark.parametrize("others", [0, 5])
def test_as_many_as_may_go_do(redis: Redis, valkey_port: int, others: int) -> None:
    put_owned(redis, *range(3 + others // 2), *range(100, 100 + others))

    result = cook(valkey_port, OWNED, gone=lambda asked: {each for each in asked if int(each) < 100}, safety=FEW)

    assert (result.status, len(redis.keys())) == ("success", others)


def test_a_person_is_asked_who_may_let_them_go(redis: Redis, valkey_port: int) -> None:
    put_owned(redis, *range(10))
    home = FakeHome()
    with pytest.raises(Parked) as parked:
        cook(valkey_port, OWNED, gone=set, safety=FEW, home=home)
    assert "keys: 10 of 10 keys s:* would go" in str(parked.value.about)
    home.give("approval", {"approved": True}, by="anna")

    put_owned(redis, 11)
    result = cook(valkey_port, OWNED, gone=set, safety=FEW, home=home)

    assert (done(result), result.details["approved_by"]) == ({"tokens_removed": 11}, "anna")


def test_an_approval_is_for_no_more_than_was_shown_and_for_no_other_rule(redis: Redis, valkey_port: int) -> None:
    put_owned(redis, *range(10))
    home = FakeHome()
    with pytest.raises(Parked):
        cook(valkey_port, OWNED, gone=set, safety=FEW, home=home)
    home.give("approval", {"approved": True}, by="anna")

    with pytest.raises(Parked) as another:
        cook(valkey_port, OWNED, gone=set, safety=FEW, home=home, delete_unparsable=True)
    home.give("approval:2", {"approved": True}, by="anna")
    put_owned(redis, *range(20, 22))
    with pytest.raises(Parked) as more:
        cook(valkey_port, OWNED, gone=set, safety=FEW, home=home)

    assert ([another.value.name, more.value.name], len(redis.keys())) == (["approval:2", "approval:3"], 12)


def test_where_more_would_go_than_it_has_seen_it_stops(redis: Redis, valkey_port: int) -> None:
    put_owned(redis, *range(20))
    times = []

    def gone(asked: Collection[str]) -> Collection[str]:
        """A restore begins between the look and the first removal."""
        times.append(asked)
        return asked if len(times) > 10 else ()

    result = cook(valkey_port, OWNED, gone=gone, safety=FEW, chunk=2)

    assert (result.status, done(result)) == ("aborted_guard", {"tokens_removed": 2})
    assert result.errors[0]["message"] == "more keys s:* would go than the 3 that may"
    assert len(redis.keys()) == 18


def test_outside_its_window_nothing_goes(redis: Redis, valkey_port: int) -> None:
    redis.set("refresh:1:a", json.dumps({"exp": seconds(-1)}))
    hour = (datetime.now(UTC) + timedelta(hours=2)).hour
    window = f"{hour:02}:00-{hour:02}:30"

    result = cook(valkey_port, safety=Safety(window=window))

    assert (result.status, result.message) == ("partial", f"no such key; its window {window} UTC is over")
    assert redis.exists("refresh:1:a")


def test_many_keys_are_walked_a_page_at_a_time(redis: Redis, valkey_port: int) -> None:
    for page in batches(range(20_000), 2_000):
        with redis.pipeline(transaction=False) as pipe:
            for number in page:
                if number % 100:
                    pipe.set(f"refresh:{number}", "{}", ex=900)
                else:
                    pipe.set(f"refresh:{number}", json.dumps({"exp": seconds(-1)}))
            pipe.execute()

    result = cook(valkey_port)

    assert done(result) == {"tokens_removed": 200}
    assert len(redis.keys()) == 19_800


def test_a_server_that_does_not_answer_fails_its_step_alone(valkey_port: int) -> None:
    def connect(_: int) -> Redis:
        return Redis(port=1)

    down, up = RedisKeys(connect, [TOKENS]), RedisKeys(lambda db: Redis(port=valkey_port, db=db), [TOKENS])

    with pytest.raises(RedisConnectionError):
        down(make_run(as_of=NOW))
    result = Steps(down=down, up=up, prefix=False)(make_run(as_of=NOW))

    assert (result.status, result.details["up"]["status"]) == ("partial", "success")


def test_steps_without_a_prefix_add_up_what_has_one_name(redis: Redis, valkey_port: int) -> None:
    redis.set("refresh:1", "{}", ex=900)
    one = RedisKeys(lambda db: Redis(port=valkey_port, db=db), [TOKENS])

    assert Steps(a=one, b=one, prefix=False)(make_run(as_of=NOW)).counts["scanned"] == 2


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(ConfigError, match="no rule"):
        RedisKeys(lambda _: Redis(), [])
    with pytest.raises(ConfigError, match="months"):
        KeyRule("a:*", lifetime="1mo")
    with pytest.raises(ConfigError, match="backslash"):
        KeyRule(r"a\*", lifetime="1d")
    with pytest.raises(ConfigError, match="decodes"):
        RedisKeys(lambda _: Redis(decode_responses=True), [TOKENS])(make_run())
    with pytest.raises(ConfigError, match="no plan"):
        RedisKeys(lambda _: Redis(), [TOKENS])(make_run(), plan="x")
