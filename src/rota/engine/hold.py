"""Whether the ledger is this node's to act on: a copy is looked at, and nothing is fired, begun or deleted in it.

The passport is judged when the node registers, with each heartbeat, after each failure of a duty, and, while the ledger
is held, at every poll. That it went back in time is seen by the node's own row: it is older than what the node wrote.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import uuid4

from rota.engine.service import Duty
from rota.errors import StoreError
from rota.model.event import Event
from rota.model.home import FileHome, ServerHome
from rota.model.passport import Held, HeldFor, Passport, PassportRecord, adopt_as, held, went_back
from rota.store import Store, Transaction, nodes, passports

logger = logging.getLogger("rota.engine")
ACTING = frozenset({"declarer", "scheduler", "stager", "rescuer", "pruner", "worker"})
"""The duties that fire, begin, change or delete; the others end what this node has begun."""
LOST_IN_A_FAILOVER_US = 60_000_000
"""A replica that takes over may lack the last moments: that is no ledger of another time."""
PRUNED_US = 7 * 86_400_000_000
"""A node that slept for so long may miss its own row."""


class Application(Protocol):
    """What is to be done once the ledger is adopted."""

    held: Held | None
    """Why it has not written down what its code declares."""

    def declare_again(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Standing:
    """The passport, where the ledger is, and why it is held, if it is."""

    record: PassportRecord
    here: FileHome | ServerHome
    held: Held | None

    @property
    def is_another(self) -> bool:
        """Whether it is held for being another ledger than its nodes know: what runs in it, no node of it is at."""
        return self.held is not None and self.held.why in {HeldFor.COPIED, HeldFor.WENT_BACK}

    @property
    def for_all(self) -> Standing:
        """What is so whatever the environment of a process."""
        return self if self.is_another else replace(self, held=None)

    @property
    def passport(self) -> Passport:
        reason = None if self.held is None else self.held.text
        record = self.record
        return Passport(
            id=record.id,
            environment=record.environment,
            database=self.here.place,
            fits=self.held is None,
            reason=reason,
        )


def look(store: Store, tx: Transaction, environment: str | None) -> Standing:
    """By reading alone, for a process of this environment."""
    here = store.database.home(tx)
    record = passports.get(tx) or new_passport(environment, store.now_us())
    return Standing(record, here, held(record, here, environment))


def new_passport(environment: str | None, now: int) -> PassportRecord:
    return PassportRecord(
        id=str(uuid4()), environment=environment, home=None, made_at=now, adopted_at=None, back_at=None, back_to=None
    )


@dataclass(frozen=True, slots=True)
class _OwnRow:
    """What this node has written of itself, and was committed."""

    node: str
    registered_at: int
    seen_at: int


class Hold:
    """``reason`` says why this node must keep its hands off; ``None``: it need not."""

    def __init__(self, store: Store, application: Application, environment: str | None) -> None:
        self.reason = application.held
        self._store = store
        self._application = application
        self._environment = environment
        self._own: _OwnRow | None = None
        self._told: HeldFor | None = None
        self._settling = threading.Lock()

    def move_in(self, tx: Transaction, node: str) -> Held | None:
        """At the registration. The first node of a ledger writes down where it lives."""
        passports.make(tx, new_passport(self._environment, self._store.now_us()))
        passports.move_in(tx, self._store.database.home(tx), self._environment)
        return self.judge(tx, node)

    def judge(self, tx: Transaction, node: str) -> Held | None:
        """In a transaction that writes: what is found is recorded, once. ``settle`` it after the commit."""
        now = self._store.now_us()
        found = self._look(tx)
        if found is not None and found.why is HeldFor.WENT_BACK and (to := self._is_back_to(tx)) is not None:
            passports.went_back(tx, now, to)
        if found is not None and found.why is not self._told:
            data = {"node": node, "why": found.why, "text": found.text}
            tx.events.append(Event(at=now, kind="ledger.held", subject="ledger", data=data))
        return found

    def settle(self, found: Held | None) -> None:
        """What ``judge`` found holds from now on, and was recorded."""
        self._go_by(found)
        self._told = None if found is None else found.why

    def _go_by(self, found: Held | None) -> None:
        """A ledger that was adopted is first told what the code declares."""
        with self._settling:
            before = self.reason
            if found is None and before is not None:
                self._application.declare_again()
                logger.warning("the ledger is held no more: this node works")
            elif found is not None and (before is None or before.why is not found.why):
                tell(found)
            self.reason = found

    def look(self) -> None:
        """Ask now, and do not wait for the next heartbeat."""
        with self._store.read() as tx:
            found = self._look(tx)
        self._go_by(found)

    def remember(self, node: str, now: int, *, registered: bool = False) -> None:
        """The node's own row has this moment in it, and that was committed."""
        since = now if registered or self._own is None else self._own.registered_at
        self._own = _OwnRow(node, since, now)

    def _look(self, tx: Transaction) -> Held | None:
        standing = look(self._store, tx, self._environment)
        if standing.held is None and (to := self._is_back_to(tx, standing.record.adopted_at)) is not None:
            return Held(why=HeldFor.WENT_BACK, text=went_back(to), todo=adopt_as(self._environment))
        return standing.held

    def _is_back_to(self, tx: Transaction, adopted_at: int | None = None) -> int | None:
        """The moment that the ledger is back at, by the row of this node; ``None``: it has all that was written."""
        own = self._own
        if own is None or (adopted_at is not None and own.seen_at <= adopted_at):
            return None
        seen_at = nodes.seen_at(tx, own.node)
        if seen_at is None and self._store.now_us() - own.seen_at > PRUNED_US:
            return None
        to = own.registered_at if seen_at is None else seen_at
        return to if own.seen_at - to > LOST_IN_A_FAILOVER_US else None


def tell(found: Held) -> None:
    logger.warning("HELD: %s. Nothing is fired, begun or deleted here; %s", found.text, found.todo)


class HandsOff:
    """A duty that acts on the ledger: it rests while that is held."""

    def __init__(self, duty: Duty, hold: Hold, poll: float, rest: Callable[[], object]) -> None:
        """``rest`` is called at each turn that is not taken."""
        self.name = duty.name
        self._duty = duty
        self._hold = hold
        self._poll = poll
        self._rest = rest
        self._doubtful = False

    @property
    def interval(self) -> float:
        return self._poll if self._hold.reason is not None else self._duty.interval

    def tick(self) -> bool:
        """After a failure, it may be another database that answers."""
        if self._doubtful or self._hold.reason is not None:
            self._hold.look()
            self._doubtful = False
        if self._hold.reason is not None:
            self._rest()
            return False
        try:
            return self._duty.tick()
        except StoreError:
            self._doubtful = True
            raise
