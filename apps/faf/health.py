"""FF-4: whether database, memory, queue and deliveries are well; once on every host."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, and_, func, select

from apps.database import reading
from apps.faf.settings import Settings
from apps.faf.tables import health_samples, invitations
from rota.recipes import Check, Health

MEGABYTE = 2**20
HOUR = timedelta(hours=1)
LEAST_MAILS = 10
LEAST_OPERATIONS = 20
_invitation = invitations.c


def health_check(settings: Settings, engine: Callable[[], Engine]) -> Health:
    return Health(
        [
            Check(name="database", measure=lambda: _ping(engine()), critical=5.0, timeout=6.0, message="{value:.1f} s"),
            Check(
                name="memory",
                measure=lambda: resident_bytes() / (settings.max_memory_mb * MEGABYTE),
                warning=settings.memory_alert_threshold,
                critical=0.9,
                message="{value:.0%} of what it may have",
            ),
            Check(
                name="queue",
                measure=lambda: _oldest_minutes(engine()),
                warning=30.0,
                message="the oldest invitation waits for {value:.0f} minutes",
            ),
            Check(
                name="delivery",
                measure=lambda: _share(engine(), ("bounced", "failed", "unknown"), LEAST_MAILS),
                warning=0.05,
                message="{value:.1%} of the invitations of the last hour did not arrive",
            ),
            Check(
                name="errors",
                measure=lambda: _share(engine(), ("failed",), LEAST_OPERATIONS),
                warning=settings.error_rate_threshold,
                message="{value:.1%} of what was tried in the last hour failed",
            ),
        ],
        health_samples,
        prefix="faf.health",
    )


def resident_bytes() -> int:
    """Of this process: what it holds now, or where nobody can say so, the most that it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def _ping(engine: Engine) -> float:
    started = time.monotonic()
    with reading(engine) as connection:
        connection.execute(select(1))
    return time.monotonic() - started


def _oldest_minutes(engine: Engine) -> float | None:
    with reading(engine) as connection:
        oldest = connection.scalar(select(func.min(_invitation.queued_at)).where(_invitation.status == "queued"))
    return None if oldest is None else (datetime.now(UTC) - oldest) / timedelta(minutes=1)


def _share(engine: Engine, bad: tuple[str, ...], least: int) -> float | None:
    """Of the invitations that were sent, or tried to, in the last hour; nothing where they are too few."""
    since = datetime.now(UTC) - HOUR
    tried = and_(_invitation.attempts > 0, func.coalesce(_invitation.sent_at, _invitation.queued_at) >= since)
    with reading(engine) as connection:
        counts = connection.execute(
            select(_invitation.status, func.count()).where(tried).group_by(_invitation.status)
        ).all()
    total = sum(count for _, count in counts)
    return None if total < least else sum(count for status, count in counts if status in bad) / total
