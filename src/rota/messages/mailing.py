"""A run of a brief: take over what others left, enter the plan, deliver, and give the account."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import ColumnElement, Select, func, select

from rota.messages import ledger, tables, tally
from rota.messages.account import CHANNEL, Account
from rota.messages.brief import Brief
from rota.messages.courier import Courier
from rota.messages.lane import PATIENCE
from rota.messages.parcel import Verdict
from rota.recipes.age import Age
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.recipe import without_plan
from rota.recipes.tables import ready

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from rota import JobResult, Run

COUNTED = ("planned", "sent", "failed", "unknown", "cancelled", "expired", "bounced", "taken_over")


@dataclass(frozen=True, eq=False)
class Mailing(Brief):
    """Messages of a ``kind``, each once for a recipient, subject, version and channel; the others are made of it."""

    sends = True
    of_one_period: ClassVar[bool] = False
    """Whether a run's messages are its own, so that the next run of its schedule is no substitute."""

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        without_plan(plan)
        return self.of(run).at(run).deliver(run)

    def deliver(self, run: Run) -> JobResult:
        engine = engine_of(self.to.table)
        if run.muted:
            return self._tell(engine, run)
        ready(engine, tables.metadata)
        account = Account(run, self)
        with writing(engine) as connection:
            account.begin(connection)
            repeatable = [each.name for some in self.senders.values() for each in some if each.honours_keys]
            now = self.now()
            account.count(
                connection, taken_over=ledger.take_over(connection, account.owner, self.senders, repeatable, now)
            )
        self._close(engine, account, ledger.lost(account.owner, self.senders, repeatable, now), "unknown")
        total = planned_before(run, self.kind, "planned")
        if total is None:
            total = sum(self._enter(engine, run, account, each) for each in self._plans(run))
        courier = Courier(engine, run, self, account)
        until = None
        if self.time_limit is not None:
            until = time.monotonic() + Age.of(self.time_limit).length.total_seconds()
        if waiting := self._queued(engine):
            courier.deliver(waiting, until)
            self._close(engine, account, ledger.overdue(self.kind, self.now()), "expired")
        result = self._result(engine, account, courier, total)
        if result.counts["left"]:
            self._go_on(engine, run, account, courier, result, total)
        return result

    def _go_on(
        self, engine: Engine, run: Run, account: Account, courier: Courier, result: JobResult, total: int
    ) -> None:
        """Let the run begin again when the next message is due; it enters no plan twice."""
        alone = self.of_one_period or run.schedule is None
        if courier.has_done_its_share or not (alone if self.goes_on is None else self.goes_on):
            return
        now, kept = self.now(), run.checkpoint if isinstance(run.checkpoint, dict) else {}
        with reading(engine) as connection:
            found = [
                ledger.next_of_use(connection, account.owner, channel, courier.shut_until.get(channel, now))
                for channel in self.channels
            ]
        if moments := [each for each in found if each is not None]:
            run.save_checkpoint(kept | {self.kind: {"planned": total, "due_at": run.due_at.isoformat()}})
            result.again_in = max(min(moments) - now, PATIENCE)
            result.message += f"; it goes on at {now + result.again_in:%H:%M:%S} UTC"

    def of(self, run: Run) -> Mailing:
        """What it is in this run; a mailing of a period is another one in each."""
        del run
        return self

    def queries(self, run: Run) -> list[Select[Any]]:
        given = self.plan(run)
        return [given] if isinstance(given, Select) else list(given)

    def _plans(self, run: Run) -> list[ledger.Plan]:
        until = None
        if self.useful_for is not None:
            age = Age.of(self.useful_for)
            until = run.as_of + age.length + timedelta(days=30) * age.months
        return [ledger.Plan(query, self.kind, list(self.channels), until) for query in self.queries(run)]

    def tell_more(self, result: JobResult, counts: Mapping[str, int]) -> None:
        """Of what was counted."""

    def _enter(self, engine: Engine, run: Run, account: Account, plan: ledger.Plan) -> int:
        """A page of recipients in a transaction; returns how many messages the plan has, known or not."""
        with reading(engine) as connection:
            total = plan.total(connection)
        after, more = None, total > 0
        while more:
            run.check()
            with writing(engine) as connection:
                end = plan.page(connection, after) if total > ledger.PLAN_PAGE else None
                account.plan(connection, *plan.enter(connection, after, end, self.now()))
            after, more = end, end is not None
        return total

    def _close(self, engine: Engine, account: Account, which: ColumnElement[bool], status: str) -> None:
        verdict, more = Verdict(status, "sender vanished" if status == "unknown" else None), True
        while more:
            with writing(engine) as connection:
                more = account.close(connection, which, verdict, self.now())

    def _queued(self, engine: Engine) -> int:
        row = tables.deliveries.c
        waiting = select(func.count()).where(row.kind == self.kind, row.status == "queued")
        with reading(engine) as connection:
            return connection.scalar(waiting) or 0

    def _tell(self, engine: Engine, run: Run) -> JobResult:
        """What would be sent; nothing is written."""
        from rota import JobResult
        from rota.recipes.tables import present

        known = present(engine, tables.metadata)
        with reading(engine) as connection:
            counted = [plan.count(connection, self.now(), known=known) for plan in self._plans(run)]
        planned = sum(new for _, new in counted)
        waiting = self._queued(engine) if known else 0
        counts = dict.fromkeys(COUNTED, 0) | {
            "planned": planned,
            "already_planned": sum(t for t, _ in counted) - planned,
        }
        result = JobResult(status="dry_run" if run.dry_run else "skipped", counts=counts)
        result.details = {"would_send": planned + waiting, "muted": run.muted}
        result.message = f"{planned + waiting:,} messages would be sent; nothing was, because this run is " + (
            "a dry run" if run.dry_run else "muted"
        )
        return result

    def _result(self, engine: Engine, account: Account, courier: Courier, total: int) -> JobResult:
        from rota import JobResult

        left = self._queued(engine)
        with reading(engine) as connection:
            found = tally.errors(connection, account.owner.run, self.kind)
        counts = account.counts
        named = {name: counts[name] for name in COUNTED}
        named |= {"already_planned": max(0, total - counts["planned"] - counts["skipped"]), "left": left}
        result = JobResult(counts=named)
        result.details["cancelled"] = {
            name.removeprefix("cancelled_"): count for name, count in counts.items() if name.startswith("cancelled_")
        }
        result.details["by_channel"] = _by_channel(counts)
        for item, kind, text in found:
            result.add_error(item, kind, text)
        self.tell_more(result, counts)
        if why := set(courier.stopped.values()):
            stopped = "time_limit" if why == {"time_limit"} else "dependency_down"
            result.details |= {"stopped": stopped, "channels": courier.stopped}
        amiss = counts["failed"] + counts["unknown"] + left
        if amiss:
            result.status = "partial" if counts["sent"] or courier.stopped else "failed"
        result.message = ", ".join(f"{count:,} {name}" for name, count in named.items() if count) or "nothing to send"
        return result


def planned_before(run: Run, kind: str, what: str) -> Any:
    """What an earlier piece of the run, which was snoozed, has left in its checkpoint."""
    kept = run.checkpoint
    return kept.get(kind, {}).get(what) if isinstance(kept, dict) else None


def _by_channel(counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for name, count in counts.items():
        if name.startswith(CHANNEL):
            channel, _, status = name.removeprefix(CHANNEL).rpartition(":")
            found[channel][status] = count
    return dict(found)
