"""Gives back runs that only the ledger takes for this node's: no work for the heartbeat, which never waits for runs."""

from __future__ import annotations

from rota.engine.worker import Worker
from rota.model.node import NodeSettings


class Strays:
    """The duty that looks for them, as often as the heart beats."""

    name = "strays"

    def __init__(self, worker: Worker, settings: NodeSettings) -> None:
        self.interval = settings.heartbeat
        self._worker = worker

    def tick(self) -> bool:
        self._worker.give_back_strays()
        return False
