"""CN-1: fetch every platform's contests and make the catalogue say what they say.

1. A platform in its cool-down, or with an open breaker, is skipped and reported so; ``force`` overrules both.
2. Platforms one after another: the failure of one never affects another.
3. Announcements of one contest count once, the last one; those that ended before the retention are dropped.
4. New, changed and unchanged ones are told apart by a hash; a start moved by more than 5 min is a new version.
5. A contest missing from two complete answers is cancelled. Phases follow the time.
6. If anything is new, moved or cancelled, one dispatch of notifications is asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from apps.codenotify import catalogue, state
from apps.codenotify.adapters import FETCH
from apps.codenotify.adapters.fetched import Fetched
from apps.codenotify.adapters.http import Http
from apps.codenotify.breaker import Breaker
from apps.codenotify.contest import PLATFORMS, Contest
from apps.codenotify.errors import OutsideError, PermanentError, words
from apps.codenotify.services import Services
from rota import JobResult
from rota.errors import Interrupted
from rota.recipes import reading, writing

if TYPE_CHECKING:
    from rota import Run

BATCH = 500
COUNTED = (
    "fetched",
    "new",
    "updated",
    "unchanged",
    "rescheduled",
    "cancelled",
    "reinstated",
    "too_old",
    "invalid",
    "failed",
)
Status = Literal["success", "partial", "failed", "skipped"]


@dataclass(slots=True)
class Report:
    """What became of one platform: ``status`` is ``success``, ``failed`` or ``skipped``."""

    status: str = "success"
    reason: str | None = None
    attempts: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        if self.status == "skipped":
            return {"status": self.status, "skipped": self.reason}
        kind = {"error_kind": self.reason} if self.status == "failed" else {}
        return {"status": self.status, "attempts": self.attempts, **kind, **dict.fromkeys(COUNTED, 0), **self.counts}


def sync_contests(
    run: Run,
    services: Services,
    *,
    platforms: Sequence[str] | None = None,
    force: bool = False,
    source: str = "scheduler",
) -> JobResult:
    """Synchronise ``platforms``, all of them by default. Raises ``ValueError`` for one that does not exist."""
    if unknown := set(platforms or ()) - set(PLATFORMS):
        raise ValueError(f"no such platform: {', '.join(sorted(unknown))}; there are {', '.join(PLATFORMS)}")
    wanted = [platform for platform in PLATFORMS if platform in (platforms or PLATFORMS)]
    settings = services.settings
    rest = not force and state.cooling(services.engine, state.GLOBAL, settings.global_cooldown_ms, services.now())
    reports = {}
    for done, platform in enumerate(wanted):
        run.check()
        run.progress(done, len(wanted))
        reports[platform] = Report("skipped", "cooldown") if rest else _sync(run, services, platform, force)
    run.progress(len(wanted), len(wanted))
    result = _result(reports)
    result.details["source"] = source
    if not run.dry_run and any(report.status == "success" for report in reports.values()):
        with writing(services.engine) as connection:
            state.complete(connection, state.GLOBAL, services.now())
    if run.dry_run and result.status != "failed":
        result.status = "dry_run"
    return result


def _sync(run: Run, services: Services, platform: str, force: bool) -> Report:
    cooldown = services.settings.platform_cooldown_ms
    if not force and state.cooling(services.engine, platform, cooldown, services.now()):
        return Report("skipped", "cooldown")
    breaker = Breaker(services.engine, services.settings, platform)
    if not force and not _let_through(run, breaker, services.now()):
        return Report("skipped", "circuit_open")
    http = Http(services.settings, services.spacing, run.sleep)
    if not force:
        http.validators = state.validators(services.engine, platform)
    report = Report()
    try:
        fetched = _fetch(run, services, platform, http)
        report.counts = _counted(fetched) + _store(run, services, platform, fetched, http)
        report.warnings = fetched.warnings
    except Interrupted:
        raise
    except Exception as error:  # noqa: BLE001 - whatever one platform answers, the others are asked
        other = "database" if isinstance(error, SQLAlchemyError) else "unexpected"
        report.status, report.reason = "failed", error.kind if isinstance(error, OutsideError) else other
        report.counts["failed"] = 1
        report.warnings = [words(error)]
        run.log.warning("platform failed", platform=platform, kind=report.reason, message=report.warnings[0])
    report.attempts = http.attempts
    return report


def _let_through(run: Run, breaker: Breaker, now: datetime) -> bool:
    match breaker.state(now):
        case "closed":
            return True
        case "open":
            return False
        case "half_open":
            if run.dry_run or not breaker.probe(now):
                return False
            run.emit("breaker.half_open", platform=breaker.platform)
            return True


def _fetch(run: Run, services: Services, platform: str, http: Http) -> Fetched:
    """One operation as the breaker counts it: a fetch with all of its retries."""
    breaker = Breaker(services.engine, services.settings, platform)
    since = run.as_of - timedelta(days=services.settings.contest_retention_days)
    change = None
    try:
        fetched = FETCH[platform](http, since)
        if not run.dry_run:
            change = breaker.success()
        return fetched
    except OutsideError as error:
        if not run.dry_run:
            at_once = isinstance(error, PermanentError) and error.opens_breaker
            change = breaker.failure(services.now(), run.idempotency_key, at_once=at_once)
        raise
    finally:
        if change:
            run.emit(f"breaker.{change}", platform=platform)


def _counted(fetched: Fetched) -> Counter[str]:
    return Counter(fetched=fetched.raw_count) + fetched.skipped


def _store(run: Run, services: Services, platform: str, fetched: Fetched, http: Http) -> Counter[str]:
    """The validators go in last: a run killed before asks for the whole answer again."""
    announced = list({contest.key: contest for contest in fetched.contests}.values())
    oldest = run.as_of - timedelta(days=services.settings.contest_retention_days)
    kept = [contest for contest in announced if contest.end_time >= oldest]
    counts = Counter(too_old=len(announced) - len(kept))
    opened = reading if run.dry_run else writing
    for first in range(0, len(kept), BATCH):
        run.check()
        batch = kept[first : first + BATCH]
        with opened(services.engine) as connection:
            plan = catalogue.compare(connection, batch, run.as_of)
            if not run.dry_run:
                catalogue.apply(connection, run, plan)
        counts += plan.counts
    with opened(services.engine) as connection:
        counts["cancelled"] += _absences(connection, run, platform, fetched, announced)
        if not run.dry_run:
            catalogue.refresh_phases(connection, platform, run.as_of)
            state.complete(connection, platform, services.now(), http.new_validators)
    return counts


def _absences(connection: Connection, run: Run, platform: str, fetched: Fetched, announced: Sequence[Contest]) -> int:
    if not fetched.complete:
        return 0
    seen = None if fetched.unchanged else [contest.key for contest in announced]
    rows = catalogue.absent(connection, platform, seen, run.as_of)
    if run.dry_run:
        return sum(row.missing_syncs + 1 >= catalogue.MISSES_TO_CANCEL for row in rows)
    return catalogue.note_absences(connection, run, rows) if rows else 0


def _result(reports: dict[str, Report]) -> JobResult:
    statuses = Counter(report.status for report in reports.values())
    counts = dict.fromkeys(COUNTED, 0) | sum((report.counts for report in reports.values()), Counter())
    result = JobResult(status=_status(statuses), counts=counts)
    result.details["platforms"] = {platform: report.as_dict() for platform, report in reports.items()}
    for platform, report in reports.items():
        if report.status == "failed":
            result.add_error(platform, str(report.reason), report.warnings[0])
        else:
            result.warnings += [f"{platform}: {warning}" for warning in report.warnings]
        if report.reason == "circuit_open":
            result.warnings.append(f"{platform}: not asked, its circuit breaker is open")
    result.message = _message(counts, statuses)
    return result


def _status(statuses: Counter[str]) -> Status:
    if statuses["failed"]:
        return "partial" if statuses["success"] else "failed"
    return "success" if statuses["success"] else "skipped"


def _message(counts: dict[str, int], statuses: Counter[str]) -> str:
    changes = ", ".join(f"{counts[name]} {name}" for name in ("new", "updated", "rescheduled", "cancelled"))
    troubles = "".join(f"; {statuses[name]} platforms {name}" for name in ("failed", "skipped") if statuses[name])
    return changes + troubles


def news(result: JobResult) -> bool:
    """Whether somebody may have to be told of something."""
    return any(result.counts[name] for name in ("new", "rescheduled", "cancelled", "reinstated"))
