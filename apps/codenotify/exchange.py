"""The ledger in the words of the specification: ``notification_deliveries``, for ``load`` and ``dump``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from apps.codenotify.inbox import CONTEST_KINDS
from apps.codenotify.tables import contests, users
from rota.errors import ConfigError
from rota.messages import deliveries
from rota.recipes import reading, writing

NAME = "notification_deliveries"
_SPEC = (
    "id", "notification_id", "user_id", "contest_key", "kind", "schedule_version", "channel", "status", "attempts",
    "claimed_at", "lease_until", "sent_at", "provider_message_id", "last_error", "useful_until",
)  # fmt: skip
_TRIES, _WAIT = 3, timedelta(minutes=5)


def take(engine: Engine, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows of the specification into the ledger. Raises ``ConfigError`` for a column that there is not."""
    with writing(engine) as connection:
        starts = {row.contest_key: row.start_time for row in connection.execute(select(contests)).all()}
        people = connection.execute(select(users.c.id, users.c.alert_frequency))
        frequencies = {row.id: row.alert_frequency for row in people}
        for row in rows:
            if unknown := set(row) - set(_SPEC):
                raise ConfigError(f"table {NAME} has no column {min(unknown)!r}", hint=f"It has {', '.join(_SPEC)}.")
            connection.execute(deliveries.insert().values(_ours(row, starts, frequencies)))


def _ours(row: Mapping[str, Any], starts: Mapping[str, datetime], frequencies: Mapping[Any, str]) -> dict[str, Any]:
    kind, _, date = str(row["kind"]).partition(":")
    subject = row["contest_key"]
    if kind == "digest":
        subject = "weekly" if frequencies.get(row["user_id"]) == "weekly" else "daily"
    at, tries = _moment(row.get("claimed_at")) or datetime(1970, 1, 1, tzinfo=UTC), row.get("attempts") or 0
    again = row["status"] == "failed" and tries < _TRIES
    return {
        "id": row["id"],
        "recipient": str(row["user_id"]),
        "subject": subject,
        "kind": kind,
        "version": date or str(row.get("schedule_version") or 1),
        "channel": row["channel"],
        "status": "queued" if again else row["status"],
        "reason": row.get("last_error"),
        "priority": 0,
        "attempts": tries,
        "created_at": at,
        "next_try_at": at + _WAIT * 3 ** max(0, tries - 1) if again else at,
        "useful_until": _moment(row.get("useful_until")) or starts.get(row["contest_key"]),
        "claimed_by": "loaded" if row["status"] == "claimed" else None,
        "lease_until": _moment(row.get("lease_until")),
        "provider_id": row.get("provider_message_id"),
        "ended_at": None if again or row["status"] == "claimed" else _moment(row.get("sent_at")) or at,
    }


def give(engine: Engine) -> list[dict[str, Any]]:
    """The ledger as rows of the specification."""
    with reading(engine) as connection:
        return [_theirs(row) for row in connection.execute(select(deliveries).order_by(deliveries.c.id)).all()]


def _theirs(row: Any) -> dict[str, Any]:
    of_contest = row.kind in CONTEST_KINDS
    status = {"queued": "failed" if row.attempts else "claimed", "expired": "cancelled"}.get(row.status, row.status)
    return {
        "id": row.id,
        "user_id": int(row.recipient),
        "contest_key": row.subject if of_contest else row.kind,
        "kind": row.kind if of_contest else f"{row.kind}:{row.version}",
        "schedule_version": int(row.version) if of_contest else 1,
        "channel": row.channel,
        "status": status,
        "attempts": row.attempts,
        "claimed_at": _text(row.created_at),
        "lease_until": _text(row.lease_until),
        "sent_at": _text(row.ended_at) if row.status == "sent" else None,
        "provider_message_id": row.provider_id,
        "last_error": row.reason,
        "useful_until": _text(row.useful_until),
    }


def _moment(text: str | None) -> datetime | None:
    moment = None if text is None else datetime.fromisoformat(text)
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")
