"""For the tests of applications: a clock that stands still, everything due worked off at once, events captured.

>>> clock = ManualClock(datetime(2026, 3, 5, 12, tzinfo=UTC))
>>> rota = Rota(f"sqlite:///{tmp_path}/test.db", clock=clock)
>>> rota.include(blueprint)
>>> clock.advance(hours=6)
>>> [run.job for run in run_due(rota)]
['shop/sync']
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from rota.app import Rota
from rota.body import log
from rota.body.run import Progress, Run
from rota.body.signal import StopSignal
from rota.clock import ManualClock, to_us
from rota.engine.node import Node
from rota.errors import ConfigError, ConflictError, Interrupted, Parked
from rota.model import payload
from rota.model.attempt import Envelope
from rota.model.edge import Count, Name, checks
from rota.model.event import Event
from rota.model.node import NodeSettings
from rota.model.run import RunRecord
from rota.model.signal import Signal
from rota.model.step import StepRecord
from rota.store import queues, runs

__all__ = ["FakeHome", "ManualClock", "captured_events", "make_run", "run_due"]

MOST_ROUNDS = 10_000
IDLE_ROUNDS = 3
"""What is claimable and was not claimed in so many rounds waits for something: the limit of its queue."""
_nodes: WeakKeyDictionary[Rota, Node] = WeakKeyDictionary()


@checks
def run_due(rota: Rota, *, rounds: Count = MOST_ROUNDS) -> list[RunRecord]:
    """Work off everything that is due at the moment of the manual clock, with all it leads to; returns the runs.

    Due moments fire, what has come due starts, bodies run (in threads of this process) and end, before this returns. A
    retry that is due later waits for the clock to be moved. The first call begins the node's life: schedules of code
    count from that moment on.
    """
    if not rota.store.manual:
        raise ConfigError("run_due needs a manual clock", hint="Rota(url, clock=ManualClock(…))")
    node = _nodes.get(rota) or _begin(rota)
    newest = _newest_id(rota)
    ended: dict[int, None] = {}
    with captured_events(rota, "run.*") as seen:
        idle = 0
        for _ in range(rounds):
            before = len(seen)
            idle = 0 if node.tick_all() or len(seen) > before else idle + 1
            if idle >= IDLE_ROUNDS or (idle and not _claimable(node)):
                break
    for event in seen:
        if event.run_id is not None:
            ended[event.run_id] = None
    with rota.store.read() as tx:
        fresh = [run.id for run in runs.oldest(tx, newest, 100_000) if run.finished_at is not None]
    return [rota.runs.get(run_id) for run_id in sorted({*ended, *fresh})]


def _begin(rota: Rota) -> Node:
    log.capture()
    rota.prepare()
    # One manual clock stands for hours in a test's steps: no lease is to lapse between two of them.
    node = rota.node(NodeSettings(lease=10 * 365 * 86_400, threads=4))
    node.identity.register()
    if (held := node.identity.hold.reason) is not None:
        raise ConflictError(f"nothing can be run: {held.text}", hint="Say what it is: rota.adopt(…).")
    _nodes[rota] = node
    return node


def _newest_id(rota: Rota) -> int:
    rota.declare_again()  # a test may have declared more since
    page = rota.runs.page(limit=1)
    return page[0].id if page else 0


def _claimable(node: Node) -> bool:
    with node.store.read() as tx:
        return any(queue.work for queue in queues.survey(tx, node.identity.host))


@checks
@contextmanager
def captured_events(rota: Rota, kind: Name = "*") -> Iterator[list[Event]]:
    """The events of a kind (or pattern) that are told in this process meanwhile."""
    seen: list[Event] = []

    def hear(event: Event) -> None:
        seen.append(event)

    rota.listeners.add(kind, hear, here=True)
    try:
        yield seen
    finally:
        rota.listeners.remove(kind, hear)


class FakeHome:
    """Where a ``make_run`` lives: it keeps what the body does, in memory."""

    def __init__(self) -> None:
        self.checkpoints: list[Any] = []
        self.fanned_out: list[tuple[str, list[Mapping[str, Any]], str | None]] = []
        self.emitted: list[tuple[str, Mapping[str, Any]]] = []
        self.locks: dict[str, threading.Lock] = {}
        self.signals: dict[str, Signal] = {}
        self.steps: dict[str, Any] = {}
        """What each step returned, by its name."""
        self.progress = Progress()
        """How far the body said it is."""
        self.signal = StopSignal()

    def stop(self, reason: Interrupted) -> None:
        """Tell the body to stop, as a cancel, a time-out or a node that stops does."""
        self.signal.give(reason)

    def give(self, name: str, data: Any = None, *, by: str | None = None, why: str | None = None) -> None:
        """What ``run.wait_for(name)`` returns from now on. Without it, the wait raises ``rota.errors.Parked``."""
        payload.dump(data, "the signal's data")
        self.signals[name] = Signal(name, data, by, why, datetime.now(UTC))

    def time_out(self, name: str) -> None:
        """``run.wait_for(name)`` finds that nobody gave the signal in time."""
        self.signals[name] = Signal(name, at=datetime.now(UTC), timed_out=True)

    def find_signal(self, envelope: Envelope, name: str) -> Signal | None:  # noqa: ARG002 - as the engine's
        return self.signals.get(name)

    def find_step(self, envelope: Envelope, name: str) -> StepRecord | None:
        if name not in self.steps:
            return None
        result = payload.dump(self.steps[name], name)
        return StepRecord(run_id=envelope.id, name=name, attempt=1, at=0, result=result, error=None)

    def keep_step(self, envelope: Envelope, name: str, result: str | None, error: str | None) -> bool:  # noqa: ARG002 - as the engine's
        if result is not None:
            self.steps[name] = payload.load(result)
        return True

    def save_checkpoint(self, envelope: Envelope, text: str, connection: Any) -> bool:  # noqa: ARG002 - as the engine's
        self.checkpoints.append(payload.load(text))
        return True

    def fan_out(
        self,
        envelope: Envelope,  # noqa: ARG002 - as the engine's
        job: str,
        items: Sequence[Mapping[str, Any]],
        then: str | None,
        then_arguments: Mapping[str, Any],
    ) -> int:
        payload.dump([*items, then_arguments], "items")
        self.fanned_out.append((job, list(items), then))
        return len(self.fanned_out)

    def emit(self, envelope: Envelope, kind: str, data: Mapping[str, Any]) -> None:  # noqa: ARG002 - as the engine's
        self.emitted.append((kind, data))

    def lock(self, name: str, ttl: float, wait: float) -> AbstractContextManager[Any]:  # noqa: ARG002 - as the engine's
        return self.locks.setdefault(name, threading.Lock())


@checks
def make_run(
    *,
    job: str = "test",
    id: int = 1,  # noqa: A002 - the run's own word
    attempt: int = 1,
    as_of: datetime | None = None,
    due_at: datetime | None = None,
    checkpoint: Any = None,
    dry_run: bool = False,
    muted: bool = False,
    actor: str | None = None,
    schedule: str | None = None,
    home: FakeHome | None = None,
) -> Run:
    """A ``Run`` to call a job's function with, without a ledger; what the body does lands in ``home``.

    One of the same ``home`` begins again: what was given there meanwhile is there, and so are the steps that were done.
    """
    moment = as_of or datetime.now(UTC)
    envelope = make_envelope(job=job, id=id)._replace(
        attempt=attempt,
        due_at=to_us(due_at or moment),
        as_of=to_us(moment),
        failures=attempt - 1,
        checkpoint=None if checkpoint is None else payload.dump(checkpoint, "checkpoint"),
        fire_due_at=to_us(due_at) if due_at else None,
        asked_by=actor,
        schedule=schedule,
        mode="dry_run" if dry_run else "muted" if muted else None,
    )
    home = home or FakeHome()
    if isinstance(home.signal.reason, Parked):
        home.signal = StopSignal()
    return Run(envelope, home, home.signal, home.progress)


def make_envelope(*, job: str = "test", id: int = 1, arguments: Mapping[str, Any] | None = None) -> Envelope:  # noqa: A002
    """A claimed run, as an executor gets it, without a ledger."""
    now = to_us(datetime.now(UTC))
    return Envelope(
        id=id,
        job=job,
        attempt=1,
        arguments=payload.dump(arguments or {}, "argument"),
        queue="default",
        due_at=now,
        as_of=now,
        failures=0,
        checkpoint=None,
        limit_key=None,
        batch_id=None,
        schedule=None,
        fire_due_at=None,
        asked_by=None,
        mode=None,
        crashes=0,
        suspected=0,
        priority_us=0,
        resumed_at=None,
        cancel_by=None,
        node="test",
        claim=1,
    )
