"""CN-2b: try failed messages again, after 5, 15 and 45 minutes, while they are still of use."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from sqlalchemy import func, select

from apps.codenotify import ledger
from apps.codenotify.courier import Courier
from apps.codenotify.services import Services
from apps.codenotify.settings import Settings
from apps.codenotify.tables import deliveries
from apps.database import reading, writing
from rota import JobResult

if TYPE_CHECKING:
    from rota import Run

AT_MOST = 100
FACTOR = 3
COUNTED = ("claimed", "sent", "failed", "unknown", "cancelled_opted_out", "cancelled_stale")


def delays(settings: Settings) -> list[timedelta]:
    """The wait after each try but the last."""
    first = timedelta(minutes=settings.retry_delay_minutes)
    return [first * FACTOR**n for n in range(settings.max_attempts - 1)]


def retry_failed_deliveries(run: Run, services: Services) -> JobResult:
    """One page of at most 100; what is left waits for the next run, five minutes later."""
    waits = delays(services.settings)
    if run.dry_run or run.muted:
        return _not_sent(run, services, waits)
    with Courier(run, services) as courier:
        with writing(services.engine) as connection:
            which = ledger.retry_due(services.now(), waits, courier.open_channels)
            rows = ledger.retake(connection, courier.owner, services.now(), AT_MOST, which)
        courier.counts["claimed"] = len(rows)
        courier.deliver(rows)
    return courier.report(COUNTED, message=f"{courier.counts['sent']} of {len(rows)} sent at a later try")


def _not_sent(run: Run, services: Services, waits: list[timedelta]) -> JobResult:
    with reading(services.engine) as connection:
        which = ledger.retry_due(services.now(), waits, list(services.senders))
        would = connection.scalar(select(func.count()).select_from(deliveries).where(which)) or 0
    status: Literal["dry_run", "skipped"] = "dry_run" if run.dry_run else "skipped"
    return JobResult(status=status, counts=dict.fromkeys(COUNTED, 0), details={"would_retry": would})
