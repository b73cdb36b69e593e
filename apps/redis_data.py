"""Keys of an application's Redis, from a file of data."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from redis import Redis

from rota.errors import ConfigError

AT_ONCE = 1_000
TYPES = {"string", "hash", "set", "list"}


def put_keys(connect: Callable[[int], Redis], keys: Iterable[dict[str, Any]]) -> None:
    """Make each of ``{db, key, type, value, ttl}``; a ``ttl`` is in seconds, and without one a key has no end.

    Raises ``ConfigError`` for a type that is none.
    """
    by_db: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for each in keys:
        if each.get("type", "string") not in TYPES:
            raise ConfigError(f"{each['key']} is a {each['type']!r}", hint="Write string, hash, set or list.")
        by_db[each.get("db", 0)].append(each)
    for db, of_db in by_db.items():
        with connect(db) as client:
            for begin in range(0, len(of_db), AT_ONCE):
                pipe = client.pipeline(transaction=False)
                for each in of_db[begin : begin + AT_ONCE]:
                    _put(pipe, each)
                pipe.execute()


def _put(pipe: Any, each: dict[str, Any]) -> None:
    key, value = each["key"], each["value"]
    match each.get("type", "string"):
        case "string":
            pipe.set(key, value if isinstance(value, str) else json.dumps(value))
        case "hash":
            pipe.hset(key, mapping={name: str(field) for name, field in value.items()})
        case "set":
            pipe.sadd(key, *map(str, value))
        case _:
            pipe.rpush(key, *map(str, value))
    if each.get("ttl") is not None and each["ttl"] >= 0:
        pipe.expire(key, each["ttl"])
