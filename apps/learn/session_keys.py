"""Made-up sessions and tokens in Redis, with what becomes of each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from apps.learn.sessions import DB, OF_USER, REFRESH, SESSIONS
from apps.made_up import DAY, HOUR, MadeUp

CLEANUP, ENDING = "learn/daily-session-cleanup", "learn/end-sessions"
NOBODY = 10**9
LOGGED_IN = 2
"""Whose sessions the oracle has ended, by this user: the first of those who stay."""
IN_TEN_DAYS = 864_000
Key = dict[str, Any]


def session_keys(made: MadeUp, tokens: int, users: Sequence[int]) -> list[Key]:
    """``users`` are those whom no job removes: sessions of others would end a night later, with their owner."""
    made.count(CLEANUP, tokens_removed=0, ttl_set=0, index_members_removed=0, unparsable=0)
    keys = [key for number in range(tokens) for key in _refresh(made, number, users)]
    for number in range(max(1, tokens // 40)):
        keys += _sessions(made, number, users)
    return [*keys, *_links(made), *_of_one(made)]


def _refresh(made: MadeUp, number: int, users: Sequence[int]) -> Iterator[Key]:
    """One in a hundred has no end by itself; every second of those does not say when it should have had one."""
    owner = made.chance.choice([user for user in users[:50] if user != LOGGED_IN])
    match number % 200:
        case 0:
            made.count(CLEANUP, tokens_removed=1)
            yield _key(f"{REFRESH}{owner}:{_name(number)}", {"exp": _seconds(made.ago(1))})
        case 100:
            made.count(CLEANUP, ttl_set=1)
            yield _key(f"{REFRESH}{owner}:{_name(number)}", {"exp": _seconds(made.as_of + 20 * DAY)})
        case 50 | 150:
            made.count(CLEANUP, unparsable=1)
            yield _key(f"{REFRESH}{owner}:{_name(number)}", {"device": "phone"} if number % 200 == 50 else "no json")
        case 25:
            made.count(CLEANUP, tokens_removed=1)
            yield _key(f"{REFRESH}{NOBODY}:{_name(number)}", {"device": "phone"}, ttl=IN_TEN_DAYS)
        case _:
            yield _key(f"{REFRESH}{owner}:{_name(number)}", {"device": "phone"}, ttl=IN_TEN_DAYS)


def _sessions(made: MadeUp, number: int, users: Sequence[int]) -> Iterator[Key]:
    """A person's session, and his index of two, one of which is not there any more; now and then one of nobody."""
    owner = users[number % len(users)]
    if owner == LOGGED_IN:
        return
    session = f"{SESSIONS}{_name(number)}"
    yield _key(session, {"userId": owner}, ttl=IN_TEN_DAYS)
    if number < len(users):
        made.count(CLEANUP, index_members_removed=1)
        yield _key(f"{OF_USER}{owner}", [session, f"{session}-gone"], type="set")
    if number % 10 == 0:
        made.count(CLEANUP, tokens_removed=1)
        yield _key(f"{session}-nobody", {"user_id": NOBODY}, type="hash", ttl=IN_TEN_DAYS)


def _links(made: MadeUp) -> Iterator[Key]:
    """Both kinds: one that is over, and one that ends by itself."""
    for kind, began in (("password_reset", made.ago(30)), ("email_verification", made.ago(30))):
        made.count(CLEANUP, tokens_removed=1)
        yield _key(f"{kind}:over", {"created_at": began.isoformat()})
        yield _key(f"{kind}:fresh", {"created_at": made.as_of.isoformat()}, ttl=int(HOUR.total_seconds()))


def _of_one(made: MadeUp) -> Iterator[Key]:
    """What ``end-sessions`` ends: two tokens, and two sessions by their index."""
    sessions = [f"{SESSIONS}{_name(-number)}" for number in (1, 2)]
    for number, session in enumerate(sessions):
        yield _key(f"{REFRESH}{LOGGED_IN}:{number}", {"device": "phone"}, ttl=IN_TEN_DAYS)
        yield _key(session, {"userId": LOGGED_IN}, ttl=IN_TEN_DAYS)
        made.count(ENDING, tokens_removed=2)
    yield _key(f"{OF_USER}{LOGGED_IN}", sessions, type="set")


def _key(name: str, value: Any, **options: Any) -> Key:
    return {"db": DB, "key": name, "value": value, **options}


def _name(number: int) -> str:
    return hashlib.sha256(f"session {number}".encode()).hexdigest()[:24]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
