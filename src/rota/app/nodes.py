"""Looking at the nodes and what their duties do, and draining them, by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum

from rota.errors import ConflictError, NotFoundError
from rota.model.event import Event
from rota.model.node import DutyRecord, NodeRecord
from rota.store import Store, Transaction, nodes


class NodeState(StrEnum):
    ALIVE = "alive"
    DRAINING = "draining"
    """Alive; it finishes what it has, and stops."""
    LAPSED = "lapsed"
    """Its lease has run out, and nobody has given it up for lost yet."""
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """A node with its duties' heartbeats; one whose process never had its duties started has none."""

    record: NodeRecord
    state: NodeState
    duties: tuple[DutyRecord, ...]
    stale: tuple[DutyRecord, ...]
    """The duties that have not worked for longer than anybody should be patient."""

    @property
    def alive(self) -> bool:
        return self.state in {NodeState.ALIVE, NodeState.DRAINING}

    def serves(self, queue: str) -> bool:
        return bool({"*", queue} & set(self.record.queues.split(",")))

    def knows(self, job: str) -> bool:
        return job in json.loads(self.record.jobs)

    def does(self, duty: str) -> bool:
        return not self.duties or any(each.name == duty for each in self.duties)


class Nodes:
    """``rota.nodes``: list, drain."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, limit: int = 200) -> list[NodeStatus]:
        """Those alive, and those that stopped or were lost within the last hour, newest first."""
        with self._store.read() as tx:
            return survey(tx, self._store.now_us(), limit)

    def drain(self, node_id: str, by: str) -> None:
        """Ask a node to take no new work, finish, and stop; it hears of it with its next heartbeat.

        Raises:
            NotFoundError: there is no such node.
            ConflictError: it is draining already, or gone.
        """
        now = self._store.now_us()
        with self._store.write() as tx:
            record = nodes.get(tx, node_id)
            if record is None:
                raise NotFoundError(f"there is no node {node_id!r}", hint="See them all: rota node ls")
            if not nodes.drain(tx, node_id, now):
                state = _state(record, now)
                raise ConflictError(f"node {node_id} is {state} already")
            tx.told.append(Event(at=now, kind="node.draining", subject=f"node:{node_id}", actor=by))


def survey(tx: Transaction, now: int, limit: int = 200) -> list[NodeStatus]:
    """As ``Nodes.all``, within a transaction."""
    by_node: dict[str, list[DutyRecord]] = defaultdict(list)
    for duty in nodes.duties(tx):
        by_node[duty.node].append(duty)
    return [_status(record, by_node.get(record.id, []), now) for record in nodes.all_nodes(tx, now, limit)]


def _status(record: NodeRecord, duties: list[DutyRecord], now: int) -> NodeStatus:
    stale = tuple(duty for duty in duties if _is_stale(duty, record, now))
    return NodeStatus(record=record, state=_state(record, now), duties=tuple(duties), stale=stale)


def _is_stale(duty: DutyRecord, node: NodeRecord, now: int) -> bool:
    """A duty that has not ticked yet is given its time from the start of its node on."""
    if duty.ticked_at is None:
        return now - node.started_at > duty.patience
    return duty.stale(now)


def _state(record: NodeRecord, now: int) -> NodeState:
    if record.stopped_at is not None:
        return NodeState.STOPPED
    if record.lost_at is not None:
        return NodeState.LOST
    if record.lease_until < now:
        return NodeState.LAPSED
    return NodeState.DRAINING if record.draining_at is not None else NodeState.ALIVE
