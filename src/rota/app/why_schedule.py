"""Why a schedule did, or did not, do anything: now, lately, or at one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from rota.app.moment import asked, not_due
from rota.app.nodes import NodeStatus, survey
from rota.app.why import Fact, Why, fact
from rota.app.words import SECOND, Words, by_whom, counted, span
from rota.calendar import Trigger
from rota.errors import NotFoundError
from rota.model.fire import FireKind, FireRecord, Verdict
from rota.model.job import Job
from rota.model.schedule import Definition, ScheduleRecord
from rota.store import Store, Transaction, events, fires, jobs, runs, schedules

LATELY = 5
HARDLY_OVERDUE_US = 5 * SECOND
"""A due moment this fresh may just be being judged."""


@dataclass(frozen=True, slots=True)
class Here:
    """What this process knows beside the ledger: its jobs, and its environment."""

    jobs: Mapping[str, Job]
    environment: str | None


def why_schedule(store: Store, here: Here, name: str, at: datetime | None = None, zone: tzinfo | None = UTC) -> Why:
    """The schedule as it stands, or with ``at`` the verdict on one moment; a naive ``at`` is a time on its own clock.

    Raises:
        NotFoundError: there is no such schedule, and never was.
    """
    words = Words(store.now_us(), zone)
    with store.read() as tx:
        record = schedules.get(tx, name)
        if record is None:
            raise NotFoundError(f"there is no schedule {name!r}", hint="See them all: rota schedule ls")
        case = _Case(tx, record, Definition.from_json(record.definition).trigger, words, survey(tx, words.now), here)
        found = case.now() if at is None else case.moment(at)
    state = "removed" if record.removed_at else "paused" if record.paused_at else "active"
    summary = f"Schedule {name}: {found[0].text}."
    return Why(subject=f"schedule:{name}", state=state, summary=summary, facts=tuple(found))


@dataclass
class _Case:
    tx: Transaction
    record: ScheduleRecord
    trigger: Trigger
    words: Words
    nodes: list[NodeStatus]
    here: Here

    # --- as it stands

    def now(self) -> list[Fact]:
        first = self._stopped() or self._overdue() or self._next()
        return [*first, *self._lately(), *self._edited(), self._watermark()]

    def _stopped(self) -> list[Fact]:
        """What keeps it from having a next moment at all."""
        return [fact for check in self._stops for fact in check()][:2]

    @property
    def _stops(self) -> tuple[Callable[[], list[Fact]], ...]:
        return (self._removed, self._paused, self._off)

    def _removed(self) -> list[Fact]:
        if self.record.removed_at is None:
            return []
        told = events.of_subject(self.tx, f"schedule:{self.record.name}")
        last = next((each for each in told if each.kind == "schedule.removed"), None)
        by = by_whom(last.actor, last.data.get("why")) if last else ""
        return [fact("removed", f"it was removed {self.words.both(self.record.removed_at)}{by}")]

    def _paused(self) -> list[Fact]:
        record = self.record
        if record.paused_at is None:
            return []
        told = f"it was paused {self.words.both(record.paused_at)}{by_whom(record.paused_by, record.paused_why)}"
        return [fact("paused", told, by=record.paused_by, why=record.paused_why, at=record.paused_at)]

    def _off(self) -> list[Fact]:
        """No next moment: its job is off here, or the trigger has none any more."""
        if self.record.next_due_at is not None or self.record.removed_at is not None:
            return []
        if self.trigger.next_after_us(self.record.watermark) is None:
            last = self.trigger.previous_before_us(self.words.now)
            told = f"it has no due moment any more{f'; the last one was {self.words.both(last)}' if last else ''}"
            return [fact("exhausted", told)]
        job, environment = self.here.jobs.get(self.record.job), self.here.environment
        if job is not None and not job.enabled_in(environment):
            runs_in = ", ".join(sorted(job.environments or ()))
            told = f"its job {job.name} is off in the environment {environment}; it runs in {runs_in}"
            return [fact("job_off", told, environment=environment)]
        return [fact("job_off", f"its job {self.record.job} is off in the environment of the nodes that started last")]

    def _overdue(self) -> list[Fact]:
        due_at = self.record.next_due_at
        if due_at is None or due_at > self.words.now - HARDLY_OVERDUE_US:
            return []
        told = f"it is overdue since {self.words.both(due_at)}, and nobody has judged that moment yet"
        return [*self._unjudged(), fact("overdue", told, due_at=due_at)]

    def _unjudged(self) -> list[Fact]:
        """Why nobody judges a due moment."""
        alive = [node for node in self.nodes if node.alive]
        if not alive:
            gone = max(self.nodes, key=lambda node: node.record.seen_at, default=None)
            last = f"; the last one was seen {self.words.distance(gone.record.seen_at)}" if gone else ""
            return [fact("no_node", f"no node is alive{last}: start one with `rota up`")]
        still = [(node, duty) for node in alive for duty in node.stale if duty.name == "scheduler"]
        if len(still) == len([node for node in alive if node.does("scheduler")]) and still:
            node, duty = still[0]
            since = (
                "has never worked" if duty.ticked_at is None else f"last worked {self.words.distance(duty.ticked_at)}"
            )
            error = f": {duty.error}" if duty.error else ""
            return [
                fact("scheduler_stale", f"the scheduler of node {node.record.id} {since}{error}", node=node.record.id)
            ]
        if jobs.get(self.tx, self.record.job) is None:
            return [fact("job_unknown", f"no application on this database has declared its job {self.record.job}")]
        return [fact("not_judged", "the nodes alive have not come to it; does their code know its job?")]

    def _next(self) -> list[Fact]:
        due_at = self.record.next_due_at
        return [fact("next", f"it is due next {self.words.both(due_at)}", due_at=due_at)] if due_at is not None else []

    def _lately(self) -> list[Fact]:
        recent = fires.page(self.tx, self.record.name, limit=LATELY)
        return [self._verdict(each) for each in recent] or [
            fact("never_due", "no due moment of it has been judged yet")
        ]

    def _edited(self) -> list[Fact]:
        record = self.record
        if record.edited_at is None or record.declared is None:
            return []
        told = f"{record.edited_by} changed it {self.words.both(record.edited_at)}, and that stands over the code"
        return [fact("edited", told, by=record.edited_by)]

    def _watermark(self) -> Fact:
        told = f"every due moment up to {self.words.both(self.record.watermark)} is judged"
        return fact("watermark", told, at=self.record.watermark)

    # --- one moment

    def moment(self, at: datetime) -> list[Fact]:
        """1. A verdict on this very moment. 2. No due moment. 3. A verdict on a range around it. 4. No verdict."""
        odd = asked(at, self.trigger)
        moment = odd.moment
        found = fires.at(self.tx, self.record.name, moment)
        exact = [each for each in found if each.due_at == moment]
        if exact:
            return [*(self._verdict(each) for each in exact), *odd.facts]
        if wrong := not_due(self.trigger, moment, self.words):
            return [*odd.facts, *wrong, *self._edited()] if odd.facts else [*wrong, *self._edited()]
        if found:
            return [*(self._verdict(each) for each in found), *odd.facts]
        return [*self._without_verdict(moment), *odd.facts]

    def _without_verdict(self, moment: int) -> list[Fact]:
        words, record = self.words, self.record
        when = words.moment(moment)
        if moment > words.now:
            stopped = self._stopped()
            will = "it would be due" if stopped else "it is due"
            return [*stopped, fact("future", f"{when} has not come yet; {will} {words.distance(moment)}", at=moment)]
        if moment > record.watermark:
            if stopped := self._stopped():
                told = f"the due moment {when} did not run; its verdict is written when the schedule goes on"
                return [*stopped, fact("not_judged_yet", told, at=moment)]
            told = f"the due moment {when} has not been judged yet"
            return [*self._unjudged(), fact("not_judged_yet", told, at=moment)]
        return [*self._before_its_time(moment), self._watermark()]

    def _before_its_time(self, moment: int) -> list[Fact]:
        words, record = self.words, self.record
        if moment <= record.created_at:
            return [fact("before_creation", f"the schedule was made later, {words.both(record.created_at)}")]
        if record.edited_at is not None and moment <= record.edited_at:
            changed = f"{record.edited_by} changed it later, {words.both(record.edited_at)}"
            told = f"{changed}, and a changed trigger counts from then"
            return [fact("before_edit", told, by=record.edited_by)]
        off = self._off()
        if off:
            return off
        told = "no verdict is kept: the trigger was changed since, its job was off, or the record was pruned"
        return [fact("no_record", f"{words.moment(moment)}: {told}")]

    # --- verdicts

    def _verdict(self, fire: FireRecord) -> Fact:
        when = self.words.moment(fire.due_at)
        if fire.through_at is not None and fire.moments != 1:
            many = counted(fire.moments, "due moment") if fire.moments is not None else "more than 10,000 due moments"
            when = f"the {many} from {when} through {self.words.moment(fire.through_at)}"
            when += " were" if fire.moments != 1 else " was"
        else:
            when += " was"
        told = f"{when} {fire.verdict}"
        if fire.verdict != Verdict.FIRED:
            told += f": {fire.reason}" if fire.reason else ""
        else:
            told += self._became(fire)
        kind = fire.verdict if fire.kind == FireKind.DUE else fire.kind
        return fact(
            kind, told, due_at=fire.due_at, through_at=fire.through_at, run=fire.run_id, decided_at=fire.decided_at
        )

    def _became(self, fire: FireRecord) -> str:
        """What became of the run."""
        by = f", {fire.reason}" if fire.kind != FireKind.DUE and fire.reason else ""
        record = runs.get(self.tx, fire.run_id) if fire.run_id is not None else None
        if record is None:
            return f"{by}; its run is no longer kept"
        late = fire.decided_at - fire.due_at
        lag = f", {span(late)} late" if self._is_late(fire, late) else ""
        return f"{by}{lag}; run {record.id} is {record.state}"

    @staticmethod
    def _is_late(fire: FireRecord, late: int) -> bool:
        return fire.kind == FireKind.DUE and late > HARDLY_OVERDUE_US
