"""A person says that a ledger which was copied, moved or put back is this one from now on, and what is due in it.

While the ledger is held nobody acts on it, so that a backlog of any length is dealt with a stretch at a time; the last
transaction ends the hold. Cut short before, it is begun again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from uuid import uuid4

from rota.app.skipped_moments import passed
from rota.engine.hold import Standing, look, new_passport
from rota.engine.waiting import by_batch
from rota.errors import ConfigError, RotaError
from rota.model.attempt import End
from rota.model.event import Event
from rota.model.fire import NewFire
from rota.model.home import home_from_json
from rota.model.run import AttemptRecord, GivenUp
from rota.model.schedule import Definition, ScheduleRecord
from rota.store import Store, Transaction, attempts, batches, fires, passports, runs, schedules

AT_ONCE = 1_000


@dataclass(slots=True)
class Adoption:
    """One adoption. ``environment``: of the process that adopts; ``to``: the ledger's from now on."""

    store: Store
    environment: str | None
    to: str | None
    missed: str | None
    waiting: str | None
    by: str
    _cancelled: int = field(default=0, init=False)
    _after: int = field(default=0, init=False)
    _skipped: int = field(default=0, init=False)

    def adopt(self) -> Event | None:
        """Returns the event that tells of it; ``None``: there was nothing to do.

        Raises:
            ConfigError: what has to be said is not said.
        """
        with self.store.read() as tx:
            standing = look(self.store, tx, self.environment)
        self._refuse_unsaid(standing)
        if not self._changes(standing):
            return None
        if self.waiting == "cancel":
            self._each(lambda tx: self._cancel(tx, standing))
        if self.missed == "skip":
            self._each(self._skip)
        return self._conclude()

    def _refuse_unsaid(self, standing: Standing) -> None:
        record, held = standing.record, standing.held
        if self.to is None and record.environment is not None:
            raise ConfigError(
                f"the ledger is of the environment {record.environment}: say which it is of from now on",
                hint="Give --environment (in code: environment=…).",
            )
        if held is not None and standing.is_another and None in {self.missed, self.waiting}:
            raise ConfigError(
                f"{held.text}: say what becomes of what is due and of what waits in it",
                hint="Give --missed fire or skip, and --waiting keep or cancel (in code: missed=, waiting=).",
            )

    def _changes(self, standing: Standing) -> bool:
        asked = self.missed == "skip" or self.waiting == "cancel"
        return standing.is_another or asked or self.to != standing.record.environment

    def _each(self, step: Callable[[Transaction], bool]) -> None:
        """A transaction a stretch, until there is no more."""
        more = True
        while more:
            with self.store.write() as tx:
                more = step(tx)

    def _why(self) -> str:
        return f"the ledger was adopted{f' as {self.to}' if self.to else ''} by {self.by}"

    def _cancel(self, tx: Transaction, standing: Standing) -> bool:
        """Told by one event, at the end: whoever is told of each run must not act on what others did with it."""
        now, why = self.store.now_us(), self._why()
        given_up = runs.give_up(tx, self._after, AT_ONCE, now, why, running=standing.is_another)
        attempts.add(tx, [_stopped(each, now, why) for each in given_up if each.node is not None])
        batches.count(tx, by_batch(each.batch_id for each in given_up))
        if standing.is_another:
            batches.drop_next_steps(tx)
        self._after = max((each.id for each in given_up), default=self._after)
        self._cancelled += len(given_up)
        return len(given_up) == AT_ONCE

    def _skip(self, tx: Transaction) -> bool:
        """The watermark of what is due moves to now, and its moments have their verdict."""
        now = self.store.now_us()
        due = schedules.overdue(tx, now + 1, AT_ONCE)
        skipped: list[NewFire] = []
        changed: list[ScheduleRecord] = []
        for each in due:
            try:
                next_at = Definition.from_json(each.definition).due.next_after_us(now)
                skipped += passed(each, now, self._why())
            except RotaError as error:  # nobody could say what it would fire
                schedules.pause(tx, each.name, now, by=self.by, why=f"{self._why()}; it cannot be read here: {error}")
                continue
            changed.append(_moved_on(each, now, next_at))
        fires.add(tx, skipped, now)
        schedules.write(tx, changed)
        self._skipped += sum(each.moments or 1 for each in skipped)
        return len(due) == AT_ONCE

    def _conclude(self) -> Event:
        """Under another environment it is a ledger of its own, with an id of its own."""
        now = self.store.now_us()
        with self.store.write() as tx:
            passports.make(tx, new_passport(self.to, now))
            passports.lock(tx)
            standing = look(self.store, tx, self.environment)
            record, here = standing.record, standing.here
            moved = record.home is not None and not here.is_same(home_from_json(record.home))
            renamed = self.to != record.environment and (moved or record.environment is not None)
            id_ = str(uuid4()) if renamed else record.id
            passports.adopt(tx, id=id_, environment=self.to, home=here, now=now)
            data = {
                "from": {"id": record.id, "environment": record.environment, "database": place_of(standing)},
                "to": {"id": id_, "environment": self.to, "database": here.place},
                "held": standing.held and standing.held.why,
                "missed": self.missed or "fire",
                "waiting": self.waiting or "keep",
                "skipped": self._skipped,
                "cancelled": self._cancelled,
            }
            event = Event(at=now, kind="ledger.adopted", subject="ledger", actor=self.by, data=data)
            tx.events.append(event)
            tx.announce()
        self.store.wake_time()
        return event


def _stopped(run: GivenUp, now: int, why: str) -> AttemptRecord:
    return AttemptRecord(
        run_id=run.id,
        number=run.attempt,
        node=run.node,
        started_at=run.started_at,
        finished_at=now,
        outcome=End.CANCELLED,
        error=why,
        traceback=None,
    )


def _moved_on(record: ScheduleRecord, now: int, next_at: int | None) -> ScheduleRecord:
    return replace(record, watermark=now, next_due_at=next_at)


def place_of(standing: Standing) -> str:
    """Where its passport says that it lives."""
    home = standing.record.home
    return standing.here.place if home is None else home_from_json(home).place
