"""FF-4: whether database, memory, queue and deliveries are well; once on every host."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, and_, func, select

from apps.faf.settings import Settings
from apps.faf.tables import health_samples, invitations
from rota import Rota
from rota.messages import Sender, Smtp
from rota.messages.tables import senders as breakers
from rota.recipes import Check, Health, reading
from rota.recipes.tables import present

PREFIX = "faf/"
ITSELF = "faf/health-check"
MEGABYTE = 2**20
HOUR = timedelta(hours=1)
LEAST_MAILS = 10
LEAST_OPERATIONS = 20
_invitation = invitations.c


def health_check(
    settings: Settings, engine: Callable[[], Engine], rota: Callable[[], Rota], senders: Iterable[Sender]
) -> Health:
    mail = next((sender for sender in senders if isinstance(sender, Smtp)), None)
    return Health(
        [
            *_of_the_scheduler(rota),
            Check(name="database", measure=lambda: _ping(engine()), critical=5.0, timeout=6.0, message="{value:.1f} s"),
            Check(
                name="memory",
                measure=lambda: resident_bytes() / (settings.max_memory_mb * MEGABYTE),
                warning=settings.memory_alert_threshold,
                critical=0.9,
                message="{value:.0%} of what it may have",
            ),
            *([Check(name="mail", measure=lambda: _connect(mail), message="")] if mail is not None else []),
            Check(
                name="breaker",
                measure=lambda: _open_breakers(engine()),
                warning=0,
                message="{value:.0f} senders are left alone for a while",
            ),
            Check(
                name="clock",
                measure=lambda: _skew(engine()),
                warning=2.0,
                message="this clock and the database's are {value:.1f} s apart",
            ),
            Check(
                name="queue",
                measure=lambda now: _oldest_minutes(engine(), now),
                warning=30.0,
                message="the oldest invitation waits for {value:.0f} minutes",
            ),
            Check(
                name="delivery",
                measure=lambda now: _share(engine(), ("bounced", "failed", "unknown"), LEAST_MAILS, now),
                warning=0.05,
                message="{value:.1%} of the invitations of the last hour did not arrive",
            ),
            Check(
                name="errors",
                measure=lambda now: _share(engine(), ("failed",), LEAST_OPERATIONS, now),
                warning=settings.error_rate_threshold,
                message="{value:.1%} of what was tried in the last hour failed",
            ),
        ],
        health_samples,
        prefix="faf.health",
    )


def _of_the_scheduler(rota: Callable[[], Rota]) -> list[Check]:
    return [
        Check(
            name="running",
            measure=lambda: _share_of_its_time(rota()),
            warning=0.75,
            critical=1.0,
            message="a job has used {value:.0%} of its time",
        ),
        Check(
            name="missed",
            measure=lambda: sum(each.job.startswith(PREFIX) for each in rota().status().overdue),
            warning=0,
            message="{value:.0f} jobs were due, and nobody has seen to them",
        ),
        Check(
            name="crashes",
            measure=lambda: _crashes(rota()),
            warning=0,
            message="the processes of {value:.0f} attempts of the last five minutes died",
        ),
    ]


def _share_of_its_time(rota: Rota) -> float:
    now = rota.status().at
    shares = [
        (now - run.started_at) / 1_000_000 / timeout
        for name, job in rota.jobs.items()
        if name.startswith(PREFIX) and name != ITSELF and (timeout := job.timeout)
        for run in rota.runs.page(job=name, state="running")
        if run.started_at
    ]
    return max(shares, default=0.0)


def _crashes(rota: Rota) -> int:
    return sum(figures.crashed for name, figures in rota.counters.by_job(5).items() if name.startswith(PREFIX))


def _connect(mail: Smtp) -> float:
    """Greets, and logs in, as for a mail. Raises where the server is away or refuses."""
    mail.keep(mail.lend())
    mail.rest()
    return 0.0


def _open_breakers(engine: Engine) -> int:
    if not present(engine, breakers.metadata):
        return 0
    opened = select(func.count()).where(breakers.c.open_until > datetime.now(UTC))
    with reading(engine) as connection:
        return connection.scalar(opened) or 0


def _skew(engine: Engine) -> float | None:
    if engine.dialect.name != "postgresql":
        return None
    with reading(engine) as connection:
        theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return abs((theirs - datetime.now(UTC)).total_seconds())


def resident_bytes() -> int:
    """Of this process: what it holds now, or where nobody can say so, the most that it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_bytes()
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _ping(engine: Engine) -> float:
    started = time.monotonic()
    with reading(engine) as connection:
        connection.execute(select(1))
    return time.monotonic() - started


def _oldest_minutes(engine: Engine, now: datetime) -> float | None:
    with reading(engine) as connection:
        oldest = connection.scalar(select(func.min(_invitation.queued_at)).where(_invitation.status == "queued"))
    return None if oldest is None else (now - oldest) / timedelta(minutes=1)


def _share(engine: Engine, bad: tuple[str, ...], least: int, now: datetime) -> float | None:
    """Of the invitations that were sent, or tried to, in the last hour; nothing where they are too few."""
    since = now - HOUR
    tried = and_(_invitation.attempts > 0, func.coalesce(_invitation.sent_at, _invitation.queued_at) >= since)
    with reading(engine) as connection:
        counts = connection.execute(
            select(_invitation.status, func.count()).where(tried).group_by(_invitation.status)
        ).all()
    total = sum(count for _, count in counts)
    return None if total < least else sum(count for status, count in counts if status in bad) / total
