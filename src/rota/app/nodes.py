"""Looking at the nodes and what their duties do, and draining them, by hand."""

from __future__ import annotations

from rota.errors import ConflictError, NotFoundError
from rota.model.edge import Count, checked
from rota.model.event import Event
from rota.model.node import NodeStatus, state_of
from rota.store import Store, nodes


@checked
class Nodes:
    """``rota.nodes``: list, drain."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, limit: Count = 200) -> list[NodeStatus]:
        """Those alive, and those that stopped or were lost within the last hour, newest first."""
        with self._store.read() as tx:
            return nodes.survey(tx, self._store.now_us(), limit)

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
                state = state_of(record, now)
                raise ConflictError(f"node {node_id} is {state} already")
            tx.events.append(Event(at=now, kind="node.draining", subject=f"node:{node_id}", actor=by))
