"""What goes when it is old, and what is put right: six of the jobs, as recipes over the tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import ColumnElement, and_, case, func, or_

from apps.bazaar.karma import karma_of
from apps.bazaar.settings import Settings
from apps.bazaar.tables import audit_logs, ideas, pending_invitations, projects, push_tokens, uploads, users
from rota.recipes import Aggregate, Anonymise, OrphanFiles, Reference, Retention, Safety, Scrub

CAREFUL = Safety(most_fraction=0.5, floor=1_000, runaway=None, on_guard="abort")
_invitation, _token, _log, _upload = pending_invitations.c, push_tokens.c, audit_logs.c, uploads.c
NAME_UPLOADS = (users.c.avatar_url, projects.c.image_url, projects.c.description, ideas.c.description)
UPLOADS = Path(".rota/uploads")
"""Where a developer's uploads are; production has to say."""


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


def cleanup_push_tokens(settings: Settings) -> Retention:
    return Retention(
        push_tokens,
        age=func.coalesce(_token.last_used_at, _token.created_at),
        older_than="90d",
        counted_as="deleted_count",
        safety=CAREFUL.with_(most_fraction=settings.push_tokens_most, on_guard=settings.push_tokens_guard),
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


def cleanup_orphaned_files(settings: Settings) -> OrphanFiles:
    return OrphanFiles(
        uploads,
        path=_upload.path,
        names=[_upload.filename],
        state=_upload.state,
        age=_upload.created_at,
        older_than="30d",
        unreferenced_since=_upload.unreferenced_since,
        claimed_at=_upload.claimed_at,
        root=settings.uploads or UPLOADS,
        references=[Reference(column) for column in NAME_UPLOADS],
        grace=timedelta(days=settings.orphan_grace_days),
        quarantine=".trash" if settings.quarantine_hours else None,
        quarantined_for=timedelta(hours=settings.quarantine_hours),
        remove_untracked=settings.remove_untracked,
        safety=CAREFUL.with_(most_rows=10_000, floor=100, batch=200),
    )


def recalculate_karma(settings: Settings) -> Aggregate:
    return Aggregate(
        users.c.karma,
        partial(karma_of, bonus=settings.featured_bonus),
        where=and_(users.c.deleted_at.is_(None), users.c.anonymized_at.is_(None)),
        safety=Safety(most_fraction=None, runaway=None, batch=50, pause=0.1),
    )
