"""Keys of an application's Redis, from a file of data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from redis import Redis

from rota.errors import ConfigError


def put_keys(connect: Callable[[int], Redis], keys: list[dict[str, Any]]) -> None:
    """Make each of ``{db, key, type, value, ttl}``; a ``ttl`` is in seconds, and without one a key has no end.

    Raises ``ConfigError`` for a type that is none.
    """
    for each in keys:
        key, kind, value = each["key"], each.get("type", "string"), each["value"]
        with connect(each.get("db", 0)) as client:
            if kind == "string":
                client.set(key, value if isinstance(value, str) else json.dumps(value))
            elif kind == "hash":
                client.hset(key, mapping={name: str(field) for name, field in value.items()})
            elif kind == "set":
                client.sadd(key, *map(str, value))
            elif kind == "list":
                client.rpush(key, *map(str, value))
            else:
                raise ConfigError(f"{key} is a {kind!r}", hint="Write string, hash, set or list.")
            if each.get("ttl") is not None and each["ttl"] >= 0:
                client.expire(key, each["ttl"])
