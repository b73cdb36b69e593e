"""LP-4: sessions and tokens that nobody ends, accounts that nobody verified, links to a new password that are over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from redis import Redis
from sqlalchemy import Column, ColumnElement, Engine, and_, exists, not_, or_, select

from apps.learn.settings import Settings
from apps.learn.tables import (
    assignment_submissions,
    courses,
    discussion_posts,
    enrollments,
    lesson_progress,
    lessons,
    payments,
    quiz_submissions,
    refunds,
    users,
)
from rota import JobResult, Run
from rota.recipes import KeyIndex, KeyRule, RedisKeys, Retention, Safety, Steps, Tokens

UNVERIFIED_FOR = timedelta(days=30)
REFRESH, SESSIONS, OF_USER = "session:session:refresh:", "session:", "session:user:"
DB = 1
"""The logical database that the sessions and tokens are in."""
ANSWER_SECONDS = 5.0
CAREFUL = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort", batch=500)
_OWNERS: tuple[Column[object], ...] = (
    enrollments.c.student_id,
    payments.c.user_id,
    discussion_posts.c.author_id,
    courses.c.educator_id,
    quiz_submissions.c.student_id,
    assignment_submissions.c.student_id,
)
_EMPTY = {table.name for table in (enrollments, payments, refunds, discussion_posts, courses, lessons, lesson_progress,
                                   quiz_submissions, assignment_submissions)}  # fmt: skip
"""By their foreign keys rows of these would go with an account; there are none, as only accounts without any go."""


def _has_data() -> ColumnElement[bool]:
    return or_(*(exists().where(owner == users.c.id) for owner in _OWNERS))


def _unverified() -> ColumnElement[bool]:
    row = users.c
    return and_(row.email_verified.is_(False), row.role == "student", row.deleted_at.is_(None))


def _kept(now: datetime) -> ColumnElement[bool]:
    return and_(_unverified(), users.c.created_at < now - UNVERIFIED_FOR, _has_data())


UNVERIFIED_ACCOUNTS = Retention(
    users,
    age=users.c.created_at,
    older_than=UNVERIFIED_FOR,
    where=and_(_unverified(), not_(_has_data())),
    counted_as="accounts_removed",
    count_too={"kept_has_data": _kept},
    safety=CAREFUL.with_(cascades=_EMPTY),
)

RESET_TOKENS = Tokens(
    users,
    age=users.c.password_reset_expires,
    older_than="24h",
    where=users.c.password_reset_token.is_not(None),
    set_values={"password_reset_token": None, "password_reset_expires": None},
    counted_as="reset_tokens_cleared",
    safety=CAREFUL.with_(most_fraction=None),
)


def daily_cleanup(settings: Settings, engine: Callable[[], Engine]) -> Steps:
    """Four steps, each by itself: where Redis does not answer, the two in the database are done all the same."""

    def gone(users_asked: Collection[str]) -> Collection[str]:
        """Deleted, or not in the table at all. A key's name does not say whether an id is a number or text."""
        ids = {*users_asked, *(int(each) for each in users_asked if each.isascii() and each.isdecimal())}
        with engine().connect() as connection:
            there = select(users.c.id).where(users.c.id.in_(ids), users.c.deleted_at.is_(None))
            return set(users_asked) - {str(each) for each in connection.scalars(there)}

    def connect(db: int) -> Redis:
        return client(settings, db)

    return Steps(
        prefix=False,
        redis_tokens=RedisKeys(
            connect, TOKENS, gone=gone, delete_unparsable=settings.delete_unparsable, safety=CAREFUL.with_(pause=0)
        ),
        unverified_accounts=UNVERIFIED_ACCOUNTS,
        reset_tokens=RESET_TOKENS,
        reset_keys=RedisKeys(
            connect, LINKS, delete_unparsable=settings.delete_unparsable, safety=CAREFUL.with_(pause=0)
        ),
    )


def end_sessions(run: Run, settings: Settings, user_id: str) -> JobResult:
    """All of one person's, as after a new password. Done twice, it finds nothing."""
    index = f"{OF_USER}{user_id}"
    with client(settings, DB) as redis:
        keys = list(redis.scan_iter(match=f"{REFRESH}{_literal(user_id)}:*", count=1_000))
        keys += redis.sscan_iter(index)
        removed = 0 if run.dry_run else int(redis.unlink(*keys)) if keys else 0
        if not run.dry_run:
            redis.unlink(index)
    return JobResult(counts={"tokens_removed": removed}, message=f"{removed:,} sessions and tokens ended")


def client(settings: Settings, db: int) -> Redis:
    wait = {"socket_timeout": ANSWER_SECONDS, "socket_connect_timeout": ANSWER_SECONDS}
    return Redis.from_url(settings.redis_url, db=db, **wait)  # type: ignore[no-any-return]


def _owner_of_token(key: str, _: Mapping[str, Any]) -> str:
    return key.removeprefix(REFRESH).partition(":")[0]


def _owner_of_session(_: str, fields: Mapping[str, Any]) -> object:
    return fields.get("user_id") or fields.get("userId")


def _literal(text: str) -> str:
    """Without the meaning that a pattern gives to some characters."""
    return "".join(f"[{each}]" if each in "*?[" else each for each in text)


TOKENS = (
    KeyRule(f"{REFRESH}*", db=DB, lifetime="30d", owner=_owner_of_token),
    KeyIndex(f"{OF_USER}*", db=DB),
    KeyRule(f"{SESSIONS}*", db=DB, lifetime="30d", owner=_owner_of_session),
)
LINKS = (
    KeyRule("password_reset:*", db=DB, lifetime="1h"),
    KeyRule("email_verification:*", db=DB, lifetime="24h"),
)
