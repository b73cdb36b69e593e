"""Looking at the nodes and what their duties do, and draining them, by hand."""

from __future__ import annotations

from rota.errors import ConflictError, NotFoundError
from rota.model.event import Event
from rota.model.node import NodeRecord, NodeStatus, state_of
from rota.store import Store, nodes
from rota.store.database import record


class Nodes:
    """``rota.nodes``: list, drain."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, limit: int = 200) -> list[NodeStatus]:
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
            row = tx.one("why.node", id=node_id)
            if row is None:
                raise NotFoundError(f"there is no node {node_id!r}", hint="See them all: rota node ls")
            if not tx.run("nodes.drain", id=node_id, now=now):
                state = state_of(record(NodeRecord, row), now)
                raise ConflictError(f"node {node_id} is {state} already")
            tx.told.append(Event(at=now, kind="node.draining", subject=f"node:{node_id}", actor=by))
