"""Lets what is declared here hold where a newer release is gone: rolled back, or replaced while both were at work."""

from __future__ import annotations

import logging
from typing import Protocol

from rota.model.passport import Held
from rota.model.release import NewRelease
from rota.store import Store, Transaction, releases

logger = logging.getLogger("rota.engine")
EVERY_SECONDS = 10.0


class Application(Protocol):
    """What a node needs to know of the application that it works for."""

    name: str
    held: Held | None
    """Why the code's declarations are not written down: the ledger is held."""

    def release(self) -> NewRelease:
        """The version of its code, as it was declared last."""

    def refuse_names_of_others(self, tx: Transaction) -> None:
        """Raises ``DuplicateJobError`` where another application has a job of the same name."""

    def declare_again(self) -> object:
        """Write down what the code declares."""


class Declarer:
    """The duty that looks whether a release of its application is gone, and what it said is still in force."""

    name = "declarer"

    def __init__(self, store: Store, application: Application) -> None:
        self.interval = EVERY_SECONDS
        self._store = store
        self._application = application

    def tick(self) -> bool:
        with self._store.read() as tx:
            unsettled = releases.unsettled(tx, self._application.name, self._store.now_us())
        if unsettled and self._is_newest():
            logger.info("a release of application %s is gone; what this one declares holds", self._application.name)
            self._application.declare_again()
        return False

    def _is_newest(self) -> bool:
        with self._store.read() as tx:
            living = releases.living(tx, self._application.name, self._store.now_us())
        working = [each for each in living if each.node is not None]
        return bool(working) and working[-1].id == self._application.release().id
