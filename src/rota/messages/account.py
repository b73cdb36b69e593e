"""What became of messages, written down in one transaction: the ledger, the run's tally, the senders' breakers, and
what the user writes beside them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Row

from rota.messages import ledger, pace, tally
from rota.messages.brief import Brief
from rota.messages.ledger import Owner
from rota.messages.outcome import Held, Later, Outcome, Refused, Sent, Unsure
from rota.messages.parcel import Ended, Verdict
from rota.messages.senders.sender import Sender
from rota.recipes.trouble import log_error

if TYPE_CHECKING:
    from rota import Run


_SENT = Verdict("sent")
CHANNEL = "channel:"
"""What stands before the counts of one channel, as in ``channel:email:sent``."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One row of the ledger, and what became of it with a sender."""

    sender: Sender
    row: Row[Any]
    outcome: Outcome


class Account:
    """Of one run. ``counts`` are as they stand after the last entry."""

    def __init__(self, run: Run, brief: Brief) -> None:
        self.owner = Owner(run.idempotency_key, run.attempt, brief.kind, brief.ahead)
        self.counts: Counter[str] = Counter()
        self._run, self._brief = run, brief

    def begin(self, connection: Connection) -> None:
        """A run's first attempt counts from nothing; a later one goes on."""
        if self._run.attempt == 1:
            tally.start(connection, self.owner.run, self.owner.kind, self._run.job)
        else:
            self._add(connection, {})

    def count(self, connection: Connection, **counts: int) -> None:
        if any(counts.values()):
            self._add(connection, counts)

    def _add(self, connection: Connection, counts: Mapping[str, int], errors: Sequence[tally.Error] = ()) -> None:
        self.counts = tally.add(connection, self.owner.run, self.owner.kind, self._run.job, counts, errors)

    def plan(self, connection: Connection, new: int, over: Sequence[Row[Any]]) -> None:
        """Messages that were entered, and beside them those that nobody will send."""
        self.count(connection, planned=new, skipped=len(over))
        self._tell(connection, [Ended(row, Verdict("cancelled", row.reason)) for row in over], self._brief.now())

    def settle(self, connection: Connection, tried: Sequence[Tried], now: datetime) -> dict[str, str]:
        """Outcomes of senders; returns the senders whose breaker opened or closed by them."""
        changes: dict[str, str] = {}
        by_sender: defaultdict[str, list[Outcome]] = defaultdict(list)
        for each in tried:
            by_sender[each.sender.name].append(each.outcome)
        for name, outcomes in by_sender.items():
            if change := pace.report(connection, name, outcomes):
                changes[name] = change
        self.enter(connection, [self.judge(each, now) for each in tried], now)
        return changes

    def enter(self, connection: Connection, ended: Sequence[Ended], now: datetime) -> None:
        """Each is written down, counted and told, if it is this owner's still."""
        groups: defaultdict[Verdict, list[Ended]] = defaultdict(list)
        for each in ended:
            groups[each.verdict].append(each)
        mine: list[Ended] = []
        for verdict, some in groups.items():
            ids = set(ledger.settle(connection, self.owner, verdict, [each.row.id for each in some], now))
            mine += [each for each in some if each.row.id in ids]
        ledger.name_by_provider(connection, {each.row.id: each.provider_id for each in mine if each.provider_id})
        self._tell(connection, [each for each in mine if each.verdict.tried], now)

    def close(self, connection: Connection, which: ColumnElement[bool], verdict: Verdict, now: datetime) -> bool:
        """What nobody is at any more, a page at a time; whether there was any."""
        rows = ledger.close(connection, which, verdict, now)
        self._tell(connection, [Ended(row, verdict) for row in rows], now)
        return bool(rows)

    def _tell(self, connection: Connection, ended: Sequence[Ended], now: datetime) -> None:
        """Count them, and tell the user, whose own writing may fail; what was sent was sent all the same."""
        if ended:
            errors = [_error(each) for each in ended if _is_amiss(each.verdict)]
            self._add(connection, _counts(ended, by_version=self._brief.by_version), errors)
        if not ended or self._brief.settled is None:
            return
        try:
            with connection.begin_nested():
                self._brief.settled(connection, [replace(each, at=now) for each in ended])
        except Exception as error:  # noqa: BLE001 - it is the user's, and what was sent was sent
            log_error(self._run, "settled= failed", error, messages=len(ended))
            self._add(connection, {"settled_failed": len(ended)})

    def judge(self, tried: Tried, now: datetime) -> Ended:
        row, delays = tried.row, self._brief.retry
        is_last = row.attempts > len(delays)
        wait = timedelta(0) if is_last else delays[row.attempts - 1]
        match tried.outcome:
            case Sent(provider_id):
                return Ended(row, _SENT, provider_id)
            case Refused(error, bounce):
                return Ended(row, Verdict("failed", error), bounce=bounce)
            case Later(error, down, retry_after) if not is_last or (down and delays):
                wait = max(wait or delays[0], timedelta(seconds=retry_after or 0))
                return Ended(row, Verdict("queued", error, now + wait, free=down))
            case Later(error):
                return Ended(row, Verdict("unknown" if row.unsure else "failed", error))
            case Unsure(error) if tried.sender.honours_keys and not is_last:
                return Ended(row, Verdict("queued", error, now + wait, unsure=True))
            case Unsure(error):
                return Ended(row, Verdict("unknown", error))
            case Held():
                return Ended(row, Verdict("queued", tried=False))


def _counts(ended: Sequence[Ended], *, by_version: bool) -> Counter[str]:
    counts: Counter[str] = Counter()
    for each in ended:
        names = ["tries_again" if each.status == "queued" else each.status]
        names += [f"cancelled_{each.verdict.reason}"] if each.status == "cancelled" else []
        counts["bounced"] += each.bounce
        counts.update(names)
        counts[f"{CHANNEL}{each.row.channel}:{names[0]}"] += 1
        if by_version:
            counts.update(f"{each.row.version}_{name}" for name in names)
    return counts


def _is_amiss(verdict: Verdict) -> bool:
    """Not taken, whether or not another try will follow."""
    return verdict.status in {"failed", "unknown", "queued"}


def _error(ended: Ended) -> tally.Error:
    return f"message {ended.row.id}", str(ended.verdict.reason), ended.row.channel
