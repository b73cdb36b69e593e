"""CN-3, if it is switched on: a mail to everybody who will be marked inactive two weeks from now.

Who gets it: whoever would be marked, is active and verified, and has mail switched on. It is a service message, so how
often and about which contests somebody likes to hear plays no part. But who has switched mail off gets none: every mail
promises that its link ends all of them, and what an account that goes quiet loses is nothing but messages. Nobody is
kept for lack of a warning: it is a courtesy, and the 180 days are the rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from apps.codenotify.account import account
from apps.codenotify.mailings import WARNED_AFTER, warnings, warnings_due
from apps.codenotify.services import Services
from apps.codenotify.tables import users
from rota import JobResult
from rota.messages import deliveries
from rota.messages.ledger import Plan
from rota.messages.run_clock import ahead
from rota.messages.tables import metadata as messages
from rota.recipes import reading
from rota.recipes.tables import present

if TYPE_CHECKING:
    from rota import Run

STEP = "users_warned"
GUARD_ROWS, GUARD_FRACTION = 1_000, 0.5
_DETAILS = ("claimed", "failed", "unknown", "cancelled_opted_out", "cancelled_stale")


def warn_inactive(run: Run, services: Services) -> JobResult:
    """Send what is due at ``run.as_of``; nothing where that would be more than half of all people.

    A dry run counts who would be warned. With muted senders the count stays 0: the run is a real one, and warns nobody.
    """
    result = JobResult(counts={STEP: 0}, details={"cutoff": (run.as_of - WARNED_AFTER).isoformat()})
    due, everybody = _due(services, run)
    if due > GUARD_ROWS and due > everybody * GUARD_FRACTION:
        result.status = "aborted_guard"
        result.add_error(STEP, "guard", f"would write to {due} of {everybody} people")
    elif run.dry_run or run.muted:
        result.status = "dry_run" if run.dry_run else "success"
        result.counts[STEP] = due if run.dry_run else 0
        result.details["would_send"] = due
    else:
        _send(run, services, result)
    return result


def _due(services: Services, run: Run) -> tuple[int, int]:
    """How many were not warned yet, of how many people."""
    plan = Plan(warnings_due(run.as_of), "inactive", ["email"], None)
    known = present(services.engine, messages)
    with reading(services.engine) as connection:
        everybody = connection.scalar(select(func.count()).select_from(users)) or 0
        return plan.count(connection, services.now() + ahead(run, services.now()), known=known)[1], everybody


def _sent_by(services: Services, run: Run) -> int:
    """By this run, before the database refused."""
    row = deliveries.c
    mine = (row.kind == "inactive", row.status == "sent", row.claimed_by == run.idempotency_key)
    with reading(services.engine) as connection:
        return connection.scalar(select(func.count()).where(*mine)) or 0


def _send(run: Run, services: Services, result: JobResult) -> None:
    try:
        sent = account([warnings(services)(run)], ("sent", *_DETAILS))
    except SQLAlchemyError as error:
        result.status = "failed"
        result.add_error(STEP, "database", type(error).__name__)
        result.counts[STEP] = _sent_by(services, run)
        return
    result.status, result.counts[STEP] = sent.status, sent.counts.pop("sent")
    result.details |= sent.counts | sent.details
    for error in sent.errors:
        result.add_error(error["item"], error["kind"], error["message"])
