"""Two schedulers whose clocks are three seconds apart, over the months in which Paris changes its clocks."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps import bazaar, codenotify, faf, learn, savings
from apps.application import application as application_of_all
from rota import Rota
from rota.testing import ManualClock
from tests.ledgers import migrated_file, sqlite_ledger

__all__ = ["migrated_file", "sqlite_ledger"]

STEP = timedelta(minutes=30)
DAILY, WEEKLY, MONTHLY, PARIS = "daily", "weekly", "monthly", "at two in Paris"
EXPECTED = {
    "bazaar/anonymize-audit-logs": DAILY,
    "bazaar/cleanup-invitations": DAILY,
    "bazaar/cleanup-orphaned-files": DAILY,
    "bazaar/cleanup-push-tokens": DAILY,
    "bazaar/delete-audit-logs": WEEKLY,
    "bazaar/finalize-deletions": DAILY,
    "bazaar/recalculate-karma": WEEKLY,
    "codenotify/cleanup-old-data": DAILY,
    "codenotify/dispatch-notifications": 48,
    "codenotify/send-daily-digests": DAILY,
    "codenotify/sync-contests": 4,
    "faf/cleanup": PARIS,
    "learn/daily-analytics-updates": DAILY,
    "learn/daily-session-cleanup": DAILY,
    "learn/monthly-executive-summaries": MONTHLY,
    "learn/secret-rotation": DAILY,
    "learn/weekly-trend-reports": WEEKLY,
    "savings/archive-audit-logs": DAILY,
    "savings/update-group-statuses": 24,
}
"""How often each is due: so many times a day, or each day, Sunday, or month.

At two in Paris is 1:00 UTC in winter and 0:00 in summer. So a month that is counted in UTC, from behind its first
moment to its last, has 32 of them in March and 30 in October; and each day of Paris has one.
"""
OFTEN = {"codenotify/retry-failed-deliveries", "codenotify/send-weekly-digests", "faf/health-check"}
"""Every five minutes, for which the steps are too wide; and on Mondays."""


def triggers() -> dict[str, Any]:
    """By job: the trigger of its schedule, in all applications."""
    every = application_of_all(*(each.jobs() for each in (bazaar, codenotify, faf, learn, savings)))
    return {name: each.trigger for name, each in every.declared_schedules.items()}


def application(url: str, clock: ManualClock) -> Rota:
    """The schedules of all applications, over bodies that do nothing: what is counted are due moments."""
    app = Rota(url, clock=clock)
    for name, trigger in triggers().items():
        if name not in OFTEN:
            app.job(name, schedule=trigger, overlap="allow")(lambda: None)
    app.prepare()
    return app


@pytest.mark.long
@pytest.mark.parametrize(("year", "month", "sundays", "two_in_paris"), [(2026, 3, 5, 32), (2026, 10, 4, 30)])
@pytest.mark.defect("ALL-1", "SG-B2", "FF-B8", "FF-B9")
def test_each_moment_of_a_month_is_fired_once(
    sqlite_ledger: str, year: int, month: int, sundays: int, two_in_paris: int
) -> None:
    start = datetime(year, month, 1, tzinfo=UTC)
    end = (start + timedelta(days=31)).replace(day=1)
    clocks = [ManualClock(start), ManualClock(start + timedelta(seconds=3))]
    apps = [application(sqlite_ledger, clock) for clock in clocks]
    nodes = [app.node() for app in apps]
    for node in nodes:
        node.identity.register()
    duties = [{duty.name: duty for duty in node.duties} for node in nodes]

    while clocks[0].now() <= end:
        for each in duties:
            each["heartbeat"].tick()
            each["scheduler"].tick()
        for clock in clocks:
            clock.advance(seconds=STEP.total_seconds())

    days = (end - start).days
    times = {DAILY: days, WEEKLY: sundays, MONTHLY: 1, PARIS: two_in_paris}
    fired = {name: fires_of(apps[0], name) for name in EXPECTED}
    assert fired == {name: {"fired": times.get(often, days * often)} for name, often in EXPECTED.items()}  # type: ignore[operator, arg-type]
    for app in apps:
        app.close()


def fires_of(app: Rota, name: str) -> dict[str, int]:
    """By verdict: how many due moments had it."""
    counts: Counter[str] = Counter()
    for fire in app.schedules.fires(name, limit=10_000):
        counts[fire.verdict] += fire.moments or 1
    return dict(counts)
