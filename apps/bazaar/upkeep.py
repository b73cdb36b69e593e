"""What goes when it is old, and what is put right: five of the jobs, as recipes over the tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, and_, case, func, or_

from apps.bazaar.karma import karma_of
from apps.bazaar.settings import Settings
from apps.bazaar.tables import audit_logs, pending_invitations, push_tokens, users
from rota.recipes import Aggregate, Anonymise, Retention, Safety, Scrub

CAREFUL = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort")
_invitation, _token, _log = pending_invitations.c, push_tokens.c, audit_logs.c


def _unanswered() -> ColumnElement[bool]:
    return and_(_invitation.accepted_at.is_(None), _invitation.declined_at.is_(None))


def _dead_link(now: datetime) -> ColumnElement[bool]:
    """One that was issued with a longer life can still be used: it would die silently."""
    return and_(_unanswered(), or_(_invitation.expires_at.is_(None), _invitation.expires_at <= now))


def _living_link(now: datetime) -> ColumnElement[bool]:
    return and_(_unanswered(), _invitation.created_at < now - timedelta(days=30), _invitation.expires_at > now)


CLEANUP_INVITATIONS = Retention(
    pending_invitations,
    age=_invitation.created_at,
    older_than="30d",
    where=_dead_link,
    counted_as="deleted_count",
    count_too={"kept_not_expired": _living_link},
    safety=CAREFUL,
)

CLEANUP_PUSH_TOKENS = Retention(
    push_tokens,
    age=func.coalesce(_token.last_used_at, _token.created_at),
    older_than="90d",
    counted_as="deleted_count",
    safety=CAREFUL,
)

ANONYMIZE_AUDIT_LOGS = Anonymise(
    audit_logs,
    age=_log.created_at,
    older_than="1y",
    marker=_log.anonymized_at,
    set_values={
        "user_id": None,
        "ip_address": None,
        "user_agent": None,
        "resource_id": case((_log.resource_type == "USER", None), else_=_log.resource_id),  # it names the person
    },
    scrub={"metadata": Scrub},
    safety=CAREFUL.with_(batch=500),
)

DELETE_AUDIT_LOGS = Retention(
    audit_logs,
    age=_log.created_at,
    older_than="3y",
    counted_as="deleted_count",
    safety=CAREFUL.with_(batch=5_000, rows_a_run=5_000_000),
)


def recalculate_karma(settings: Settings) -> Aggregate:
    return Aggregate(
        users.c.karma,
        partial(karma_of, bonus=settings.featured_bonus),
        where=and_(users.c.deleted_at.is_(None), users.c.anonymized_at.is_(None)),
        safety=Safety(most_fraction=None, runaway=None, batch=50, pause=0.1),
    )
