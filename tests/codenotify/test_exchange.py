"""Rows of the specification go into the ledger and come back."""

from __future__ import annotations

import pytest

from apps.codenotify import dispatch, exchange
from rota.errors import ConfigError
from rota.testing import make_run
from tests.codenotify.helpers import DAY, NOW, add_contest, add_user, announce

AT = (NOW - DAY).isoformat()


def row(number: int, user: int, status: str, **columns) -> dict:
    given = {"contest_key": "codeforces:2261", "kind": "reminder", "schedule_version": 1, "channel": "email"}
    given |= {"status": status, "attempts": 1, "claimed_at": AT, "lease_until": AT}
    return {"id": number, "user_id": user, **given, **columns}


def test_what_is_loaded_is_respected_and_given_back(services, mails, wall):
    for name in ("sent", "failed", "claimed", "final", "new"):
        add_user(services, name)
    add_contest(services, announce())
    rows = [row(1, 1, "sent", sent_at=AT), row(2, 2, "failed"), row(3, 3, "claimed"), row(4, 4, "failed", attempts=3)]
    rows.append(row(5, 1, "sent", kind="digest:2026-08-09", contest_key="digest"))
    exchange.take(services.engine, rows)
    given = exchange.give(services.engine)
    names = ("id", "user_id", "contest_key", "kind", "schedule_version", "channel", "status", "attempts")
    assert [[each[name] for name in names] for each in given] == [[each[name] for name in names] for each in rows]

    result = dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    assert mails.recipients == ["failed@example.test", "new@example.test"]
    assert result.counts["unknown"] == 1


def test_a_column_that_is_not_there_is_named(services):
    with pytest.raises(ConfigError, match="no column 'colour'"):
        exchange.take(services.engine, [row(1, 1, "sent", colour="red")])
