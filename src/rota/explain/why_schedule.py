"""Why a schedule did, or did not, do anything: now, lately, or at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from rota.calendar import Trigger
from rota.clock import to_us
from rota.engine.hold import Standing, look
from rota.engine.hosts import Living
from rota.errors import NotFoundError, RotaError
from rota.explain import checks
from rota.explain.due_or_not import asked, not_due
from rota.explain.finding import Finding, Severity, finding
from rota.explain.here import Here
from rota.explain.why import Why
from rota.explain.words import SECOND, Words, by_whom, span
from rota.model.fire import FireKind, FireRecord, Verdict
from rota.model.node import NodeStatus
from rota.model.schedule import Definition, ScheduleRecord
from rota.shown import counted
from rota.store import Store, Transaction, events, fires, jobs, nodes, runs, schedules

LATELY = 5
HARDLY_OVERDUE_US = 5 * SECOND
"""A due moment this fresh may just be being judged."""


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
        try:
            trigger = Definition.from_json(record.definition).due
        except RotaError as error:
            facts = [_unreadable(error)]
        else:
            case = _Case(tx, record, trigger, words, nodes.survey(tx, words.now), here, look(store, tx, None))
            facts = case.now() if at is None else case.moment(at)
    summary = f"Schedule {name}: {facts[0].text}."
    return Why(subject=f"schedule:{name}", state=standing(record), summary=summary, facts=tuple(facts))


def _unreadable(error: RotaError) -> Finding:
    text = f"this machine cannot read it, as {error}; nodes that can go by it all the same"
    return finding("unreadable", text, Severity.WARNING, "install the zones: pip install --upgrade tzdata")


def standing(record: ScheduleRecord) -> str:
    """``active``, ``paused``, ``set_aside``, ``off`` in this environment, or ``removed``.

    ``not_before``: its start is to come. ``over``: no due moment is to come.
    """
    if record.removed_at is not None:
        return "removed"
    if record.paused_at is not None:
        return "paused"
    if record.next_due_at is not None and record.aside_until is not None:
        return "set_aside"
    try:
        return _standing(record, Definition.from_json(record.definition))
    except RotaError:  # this machine lacks its zone; others may have it
        return "off" if record.next_due_at is None else "active"


def _standing(record: ScheduleRecord, definition: Definition) -> str:
    if record.next_due_at is None:
        return "over" if definition.due.next_after_us(record.watermark) is None else "off"
    starts = definition.starts
    return "active" if starts is None or to_us(starts) <= record.watermark else "not_before"


@dataclass
class _Case:
    tx: Transaction
    record: ScheduleRecord
    trigger: Trigger
    words: Words
    nodes: list[NodeStatus]
    here: Here
    standing: Standing

    # --- as it stands

    def now(self) -> list[Finding]:
        first = self._stopped() or self._held() or self._aside() or self._overdue() or self._next()
        return [*first, *self._each(), *self._lately(), *self._edited(), self._watermark()]

    def _held(self) -> list[Finding]:
        return checks.held_by_all(self.standing, self.nodes)

    def _stopped(self) -> list[Finding]:
        """What keeps it from having a next moment at all."""
        return [found for check in self._stops for found in check()][:2]

    @property
    def _stops(self) -> tuple[Callable[[], list[Finding]], ...]:
        return (self._removed, self._paused, self._off)

    def _removed(self) -> list[Finding]:
        if self.record.removed_at is None:
            return []
        newest = events.of_subject(self.tx, f"schedule:{self.record.name}")
        last = next((each for each in newest if each.kind == "schedule.removed"), None)
        by = by_whom(last.actor, last.data.get("why")) if last else ""
        return [finding("removed", f"it was removed {self.words.both(self.record.removed_at)}{by}")]

    def _paused(self) -> list[Finding]:
        record = self.record
        if record.paused_at is None:
            return []
        paused = (record.name, record.paused_at, record.paused_by, record.paused_why)
        return [checks.schedule_paused(*paused, self.words, "it")]

    def _off(self) -> list[Finding]:
        """No next moment: its job is off here, or the trigger has none any more."""
        if self.record.next_due_at is not None or self.record.removed_at is not None:
            return []
        if self.trigger.next_after_us(self.record.watermark) is None:
            last = self.trigger.previous_before_us(self.words.now)
            ended = self._bound("ends")
            over = f"it is over: it ended {self.words.both(ended)}" if ended and ended <= self.words.now else ""
            text = f"{over or 'it has no due moment any more'}"
            text += f"; the last one was {self.words.both(last)}" if last else ""
            return [finding("exhausted", text, ends=ended)]
        job, environment = self.here.jobs.get(self.record.job), self.here.environment
        if job is not None and not job.enabled_in(environment):
            runs_in = ", ".join(sorted(job.environments or ()))
            text = f"its job {job.name} is off in the environment {environment}; it runs in {runs_in}"
            return [finding("job_off", text, environment=environment)]
        return [
            finding("job_off", f"its job {self.record.job} is off in the environment of the nodes that started last")
        ]

    def _aside(self) -> list[Finding]:
        record = self.record
        if record.aside_until is None:
            return []
        return [checks.set_aside(record.name, record.aside_until, record.aside_why, self.words)]

    def _overdue(self) -> list[Finding]:
        due_at = self.record.next_due_at
        if due_at is None or due_at > self.words.now - HARDLY_OVERDUE_US:
            return []
        text = f"it is overdue since {self.words.both(due_at)}, and nobody has judged that moment yet"
        return [*self._unjudged(), finding("overdue", text, due_at=due_at)]

    def _unjudged(self) -> list[Finding]:
        """Why nobody judges a due moment."""
        still = (
            self._held()
            or checks.no_node(self.nodes, self.words)
            or checks.stands_still(self.nodes, "scheduler", self.words)
        )
        if still:
            return still
        if unable := list(checks.unable(self.nodes, self.record.name)):
            return unable
        if jobs.get(self.tx, self.record.job) is None:
            return [finding("job_unknown", f"no application on this database has declared its job {self.record.job}")]
        return [finding("not_judged", "the nodes alive have not come to it; does their code know its job?")]

    def _next(self) -> list[Finding]:
        due_at, starts = self.record.next_due_at, self._bound("starts")
        if due_at is None:
            return []
        text = f"it is due next {self.words.both(due_at)}"
        if starts is not None and starts > self.words.now:
            text = f"it starts not before {self.words.both(starts)}; {text}"
        return [finding("next", text, due_at=due_at)]

    def _each(self) -> list[Finding]:
        """The hosts that it would have a run for now."""
        definition, job = Definition.from_json(self.record.definition), jobs.get(self.tx, self.record.job)
        if definition.each is None or job is None:
            return []
        queue = definition.queue or job.queue
        hosts = Living(self.tx, self.words.now).that_do(queue, job.name)
        if not hosts:
            return [
                finding("no_host", f"it has a run for each living host, and none serves the queue {queue}", hosts=[])
            ]
        shown = ", ".join(hosts[:LATELY]) + (", …" if len(hosts) > LATELY else "")
        text = f"it has a run for each living host, now {counted(len(hosts), 'host')}: {shown}"
        return [finding("each_host", text, hosts=list(hosts))]

    def _bound(self, name: str) -> int | None:
        moment = getattr(Definition.from_json(self.record.definition), name)
        return None if moment is None else to_us(moment)

    def _lately(self) -> list[Finding]:
        recent = fires.page(self.tx, self.record.name, limit=LATELY)
        return [self._verdict(each) for each in recent] or [
            finding("never_due", "no due moment of it has been judged yet")
        ]

    def _edited(self) -> list[Finding]:
        record = self.record
        if record.edited_at is None or record.declared is None:
            return []
        text = f"{record.edited_by} changed it {self.words.both(record.edited_at)}, and that stands over the code"
        return [finding("edited", text, by=record.edited_by)]

    def _watermark(self) -> Finding:
        text = f"every due moment up to {self.words.both(self.record.watermark)} is judged"
        return finding("watermark", text, at=self.record.watermark)

    # --- one moment

    def moment(self, at: datetime) -> list[Finding]:
        """1. A verdict on this very moment. 2. No due moment. 3. A verdict on a range around it. 4. No verdict."""
        odd = asked(at, self.trigger)
        moment = odd.moment
        found = fires.at(self.tx, self.record.name, moment)
        exact = [each for each in found if each.due_at == moment]
        if exact:
            return [*(self._verdict(each) for each in exact), *odd.facts]
        if wrong := not_due(self.trigger, moment, self.words):
            stopped = self._stopped() if moment > min(self.record.watermark, self.words.now - SECOND) else []
            return [*odd.facts, *wrong, *stopped, *self._edited()]
        if found:
            return [*(self._verdict(each) for each in found), *odd.facts]
        return [*self._without_verdict(moment), *odd.facts]

    def _without_verdict(self, moment: int) -> list[Finding]:
        words, record = self.words, self.record
        when = words.moment(moment)
        if moment > words.now:
            stopped = self._stopped()
            will = "it would be due" if stopped else "it is due"
            return [*stopped, finding("future", f"{when} has not come yet; {will} {words.distance(moment)}", at=moment)]
        if moment > record.watermark:
            if stopped := self._stopped():
                text = f"the due moment {when} did not run; its verdict is written when the schedule goes on"
                return [*stopped, finding("not_judged_yet", text, at=moment)]
            text = f"the due moment {when} has not been judged yet"
            return [*(self._aside() or self._unjudged()), finding("not_judged_yet", text, at=moment)]
        return [*self._before_its_time(moment), self._watermark()]

    def _before_its_time(self, moment: int) -> list[Finding]:
        words, record = self.words, self.record
        if moment <= record.created_at:
            return [finding("before_creation", f"the schedule was made later, {words.both(record.created_at)}")]
        if record.edited_at is not None and moment <= record.edited_at:
            changed = f"{record.edited_by} changed it later, {words.both(record.edited_at)}"
            text = f"{changed}, and a changed trigger counts from then"
            return [finding("before_edit", text, by=record.edited_by)]
        off = self._off()
        if off:
            return off
        text = "no verdict is kept: the trigger was changed since, its job was off, or the record was pruned"
        return [finding("no_record", f"{words.moment(moment)}: {text}")]

    # --- verdicts

    def _verdict(self, fire: FireRecord) -> Finding:
        when = self.words.moment(fire.due_at)
        if fire.through_at is not None and fire.moments != 1:
            many = counted(fire.moments, "due moment") if fire.moments is not None else "more than 10,000 due moments"
            when = f"the {many} from {when} through {self.words.moment(fire.through_at)}"
            when += " were" if fire.moments != 1 else " was"
        else:
            when += " was"
        text = f"{when} {fire.verdict}"
        if fire.verdict != Verdict.FIRED:
            text += f": {fire.reason}" if fire.reason else ""
        else:
            text += self._became(fire)
        kind = fire.verdict if fire.kind == FireKind.DUE else fire.kind
        return finding(
            kind, text, due_at=fire.due_at, through_at=fire.through_at, run=fire.run_id, decided_at=fire.decided_at
        )

    def _became(self, fire: FireRecord) -> str:
        """What became of the run."""
        by = f", {fire.reason}" if fire.reason else ""
        record = runs.get(self.tx, fire.run_id) if fire.run_id is not None else None
        if record is None:
            return f"{by}; its run is no longer kept"
        late = fire.decided_at - fire.due_at
        lag = f", {span(late)} late" if self._is_late(fire, late) else ""
        if not record.host:
            return f"{by}{lag}; run {record.id} is {record.state}"
        return f"{by}{lag}; {counted(fire.runs, 'host')}: {self._on_hosts(fire)}"

    def _on_hosts(self, fire: FireRecord) -> str:
        """How many of its runs are in each state."""
        states = fires.states(self.tx, fire.id)
        return ", ".join(f"{counted(count, 'run')} {state}" for state, count in states.items())

    @staticmethod
    def _is_late(fire: FireRecord, late: int) -> bool:
        return fire.kind == FireKind.DUE and late > HARDLY_OVERDUE_US
