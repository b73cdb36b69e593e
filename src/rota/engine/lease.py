"""A lock for users' code: a lease in the ledger with a rising term, renewed while it is held."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from uuid import uuid4

from rota.body import signal
from rota.errors import LockUnavailableError
from rota.store import Store, leases

logger = logging.getLogger("rota.engine")
LONGEST_RETRY = 1.0


class Lock:
    """``with rota.lock("billing", ttl=30) as lease: …``: one holder at a time, over all nodes.

    While the body runs, the lease is renewed every third of its ``ttl`` (seconds). ``lease.term`` rises with each new
    holding: give it to whatever you write to as a fencing token. ``lease.lost`` tells that renewing failed.
    """

    def __init__(self, store: Store, name: str, ttl: float, wait: float = 0.0) -> None:
        self.name = name
        self.term = 0
        self.lost = False
        self._store = store
        self._ttl = ttl
        self._wait = wait
        self._holder = uuid4().hex
        self._released = threading.Event()

    def __enter__(self) -> Lock:
        """Raises ``LockUnavailableError`` if somebody else holds it for longer than the time to wait."""
        give_up_at = time.monotonic() + self._wait
        pause = 0.02
        while not self._acquire():
            left = give_up_at - time.monotonic()
            if left <= 0:
                raise LockUnavailableError(
                    f"the lock {self.name!r} is held by somebody else",
                    hint="Try later, or give wait= seconds.",
                )
            signal.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_RETRY)
        self.lost = False
        self._released = threading.Event()  # one for each holding: a lock may be held again
        keeper = threading.Thread(target=self._keep, args=(self._released,), name=f"rota-lock-{self.name}", daemon=True)
        keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        with self._store.write() as tx:
            leases.release(tx, self._key, self._holder, self.term)

    @property
    def _key(self) -> str:
        return f"lock:{self.name}"

    def _acquire(self) -> bool:
        now = self._store.now_us()
        expires_at = now + int(self._ttl * 1_000_000)
        with self._store.write() as tx:
            term = leases.acquire(tx, self._key, self._holder, now, expires_at)
        self.term = term or 0
        return term is not None

    def _keep(self, released: threading.Event) -> None:
        """Renew until released. A store that is away is tried again while the lease lasts."""
        held_until = time.monotonic() + self._ttl
        while not released.wait(self._ttl / 3):
            begun = time.monotonic()
            try:
                if not self._renew():
                    break
                held_until = begun + self._ttl
            except Exception as error:  # noqa: BLE001 - whatever it is, the holder must learn that it is no longer safe
                logger.debug("renewing the lock %r failed: %s", self.name, error)
                if time.monotonic() > held_until:
                    break
        if not released.is_set():
            self.lost = True

    def _renew(self) -> bool:
        now = self._store.now_us()
        expires_at = now + int(self._ttl * 1_000_000)
        with self._store.write() as tx:
            return leases.renew(tx, self._key, self._holder, self.term, now, expires_at)
