"""CN-2, CN-2b, CN-2c, CN-2d: the runs that send. Once per person, contest, version of its time, and channel: one
message, one person or one channel that fails never stops the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, Select, Text, cast, func, or_, select

from apps.codenotify.account import account
from apps.codenotify.mailings import LENGTHS, all_kinds, digests, of_contests, pairs
from apps.codenotify.services import Services
from apps.codenotify.tables import contests, users
from apps.codenotify.wishes import LEAST_HOURS, MOST_HOURS, TICK, lead_within, reachable, wants
from rota import JobResult
from rota.messages import deliveries
from rota.messages.run_clock import ahead
from rota.recipes import reading

if TYPE_CHECKING:
    from rota import Run

KINDS = ("cancelled", "reinstated", "rescheduled", "reminder")
RETRIES_AT_MOST = 100
_DONE = ("sent", "failed", "unknown", "cancelled_opted_out", "cancelled_stale")
_DISPATCHED = ("users_considered", "pairs_due", "no_channel", "claimed", *_DONE, "duplicate", "late", "taken_over")
_row = deliveries.c


def dispatch_notifications(run: Run, services: Services, *, reason: str = "schedule") -> JobResult:
    """Send what is due at ``run.as_of``. A dry run, or one whose senders are muted, only counts."""
    looked_at = _looked_at(services, run)
    results = {kind: of_contests(services, kind)(run) for kind in KINDS}
    looked_at["duplicate"] = results["reminder"].counts["already_planned"]
    if run.dry_run or run.muted:
        would = {kind: result.details["would_send"] for kind, result in results.items()}
        return _not_sent(run, _DISPATCHED, looked_at, would_send=would)
    looked_at["late"] = _late(services, run)
    result = account(list(results.values()), _DISPATCHED, details={"reason": reason})
    result.counts |= looked_at
    if clamped := _count(services, select(users.c.id).where(wants("immediate"), _asks_for_odd_hours())):
        result.warnings.append(f"{clamped} people ask for hours outside 1 to 168; taken as the nearest of them")
    counts = result.counts
    result.message = f"{counts['sent']} sent, {counts['failed']} failed, {counts['duplicate']} told before"
    return result


def retry_failed_deliveries(run: Run, services: Services) -> JobResult:
    """At most 100, of any kind: failed ones whose next try is due, and what a run that died has left. What is left
    then waits for the next run, five minutes later."""
    if run.dry_run or run.muted:
        return _not_sent(run, ("claimed", *_DONE), {}, would_retry=_count(services, _tries_due(services, run)))
    results: list[JobResult] = []
    left = RETRIES_AT_MOST
    for mailing in all_kinds(services):
        results.append(replace(mailing, plan=lambda _: [], at_most=left)(run))
        done = account(results, _DONE).counts
        left = RETRIES_AT_MOST - sum(done.values())
    result = account(results, ("claimed", *_DONE))
    expired = sum(each.counts["expired"] for each in results)  # nobody took those on
    result.counts["claimed"] = sum(result.counts[name] for name in _DONE) - expired
    result.message = f"{result.counts['sent']} of {result.counts['claimed']} sent at a later try"
    return result


def send_digests(run: Run, services: Services, frequency: Literal["daily", "weekly"]) -> JobResult:
    """Send the digest of the period that begins at ``run.due_at`` to everybody with that frequency: a late run, or a
    second one, covers the same period and sends nothing twice."""
    counted = ("users_considered", "claimed", *_DONE)
    period = (run.due_at, run.due_at + LENGTHS[frequency][0])
    considered = {"users_considered": _count(services, select(users.c.id).where(wants(frequency)))}
    sent = digests(services, frequency)(run)
    if run.dry_run or run.muted:
        return _not_sent(run, counted, considered, period=period, would_send=sent.details["would_send"])
    result = account([sent], counted, period=period)
    result.counts |= considered
    result.message = f"{result.counts['sent']} {frequency} digests sent"
    return result


def _looked_at(services: Services, run: Run) -> dict[str, int]:
    """How many people and pairs there are to look at, whether or not they were told already."""
    channels = list(services.senders)
    some = or_(*(reachable(_text(name), channels) for name in channels))
    due = pairs(run.as_of)
    return {
        "users_considered": _count(services, select(users.c.id).where(wants("immediate"))),
        "pairs_due": _count(services, due),
        "no_channel": _count(services, due.where(~some)),
    }


def _text(name: str) -> ColumnElement[str]:
    return cast(name, Text)


def _late(services: Services, run: Run) -> int:
    """Reminders that this run sent more than half an hour later than asked."""
    mine = (_row.kind == "reminder", _row.status == "sent", _row.claimed_by == run.idempotency_key)
    query = select(_row.id).join(users, cast(users.c.id, Text) == _row.recipient)
    query = query.join(contests, contests.c.contest_key == _row.subject)
    return _count(services, query.where(*mine, lead_within(run.as_of, -TICK, strictly=True)))


def _asks_for_odd_hours() -> ColumnElement[bool]:
    return ~users.c.notify_before_hours.between(LEAST_HOURS, MOST_HOURS)


def _tries_due(services: Services, run: Run) -> Select[Any]:
    now = services.now() + ahead(run, services.now())
    due = (_row.status == "queued", _row.next_try_at <= now, _row.useful_until > now)
    return select(_row.id).where(*due, _row.channel.in_(services.senders))


def _count(services: Services, query: Select[Any]) -> int:
    with reading(services.engine) as connection:
        return connection.scalar(select(func.count()).select_from(query.subquery())) or 0


def _not_sent(
    run: Run, counted: tuple[str, ...], counts: dict[str, int], period: Any = None, **would: Any
) -> JobResult:
    """What would be sent; nothing is written."""
    status: Literal["dry_run", "skipped"] = "dry_run" if run.dry_run else "skipped"
    result = JobResult(status=status, counts=dict.fromkeys(counted, 0) | counts, details=would, period=period)
    result.message = f"{'dry run' if run.dry_run else 'senders are muted'}: nothing was sent"
    return result
