"""CN-3: remove what is old. Each step by itself: its own batches, counts, guard; one that fails leaves the others."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, exists, func, or_

from apps.codenotify import warning
from apps.codenotify.inbox import is_about
from apps.codenotify.people import last_activity
from apps.codenotify.services import Services
from apps.codenotify.settings import Settings
from apps.codenotify.tables import contests, notifications, users
from rota import JobResult
from rota.messages import deliveries
from rota.recipes import Inactive, Retention, Safety, Steps, Tokens

if TYPE_CHECKING:
    from rota import Run

LEDGER_AFTER_USE = timedelta(days=30)
"""No contest lasts so long, and a week more."""
TOKEN_WITHOUT_EXPIRY = timedelta(days=7)
CAREFUL = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort", pause=0)
_contest, _notice, _user = contests.c, notifications.c, users.c


def cleanup_old_data(run: Run, services: Services) -> JobResult:
    """Do every step; ``partial`` if one failed, ``aborted_guard`` if one would have touched too much.

    Whoever will soon be inactive is warned, if that is on, before anybody is marked so.
    """
    return recipe(services)(run)


def recipe(services: Services) -> Steps:
    settings, first = services.settings, {}
    if settings.warns_inactive:
        first[warning.STEP] = lambda run: warning.warn_inactive(run, services)
    return Steps(prefix=False, **first, **_removals(settings), **_people())


def _removals(settings: Settings) -> dict[str, Retention]:
    """Contests go by time, not by phase: a phase may never have been brought up to date."""
    old_contests = Retention(
        contests,
        age=_contest.end_time,
        older_than=timedelta(days=settings.contest_retention_days),
        counted_as="contests_deleted",
        safety=CAREFUL,
    )
    found = {
        "contests_deleted": old_contests,
        "notifications_deleted": _notices("notifications_deleted", 90, _notice.read_at.is_not(None)),
    }
    if settings.unread_retention_days is not None:
        unread = _notices("unread_deleted", settings.unread_retention_days, _notice.read_at.is_(None))
        found["unread_deleted"] = unread
    return found | {"deliveries_deleted": _ledger()}


def _notices(name: str, days: int, which: ColumnElement[bool]) -> Retention:
    return Retention(
        notifications,
        age=_notice.created_at,
        older_than=timedelta(days=days),
        where=which,
        counted_as=name,
        safety=CAREFUL,
    )


def _ledger() -> Retention:
    """What has no notification any more. Younger rows stay, because they keep a message from being sent again."""
    return Retention(
        deliveries,
        age=deliveries.c.useful_until,
        older_than=LEDGER_AFTER_USE,
        where=and_(deliveries.c.ended_at.is_not(None), ~exists().where(is_about())),
        counted_as="deliveries_deleted",
        safety=CAREFUL,
    )


def _people() -> dict[str, Inactive | Tokens]:
    inactive = Inactive(
        users,
        age=last_activity(),
        older_than="180d",
        where=and_(_user.role == "user", _user.is_active),
        set_values={"is_active": False, "deactivated_at": lambda now: now, "deactivation_reason": "inactive_180d"},
        counted_as="users_deactivated",
        safety=CAREFUL.with_(batch=500),
    )
    tokens = Tokens(
        users,
        where=lambda now: and_(_user.refresh_token_hash.is_not(None), _over(now)),
        set_values={"refresh_token_hash": None, "refresh_token_expires_at": None},
        counted_as="tokens_cleared",
        safety=CAREFUL,
    )
    return {"users_deactivated": inactive, "tokens_cleared": tokens}


def _over(now: datetime) -> ColumnElement[bool]:
    """One without an end is over a week after its owner's last login."""
    last_login = func.coalesce(_user.last_login_at, _user.created_at)
    forgotten = and_(_user.refresh_token_expires_at.is_(None), last_login < now - TOKEN_WITHOUT_EXPIRY)
    return or_(_user.refresh_token_expires_at < now, forgotten)
