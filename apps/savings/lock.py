"""A lock on Redis or Valkey around a job: with a token, renewed while it is held, given back by its owner alone.

The ledger keeps two runs of a job apart already; this one also keeps out programs that know nothing of the ledger.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis import Redis
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from apps.around import Around
from apps.savings.settings import Settings
from rota import JobResult
from rota.errors import RunLostError
from rota.recipes import fenced

if TYPE_CHECKING:
    from rota import Run

PREFIX = "scheduler:lock:"
ANSWER_SECONDS = 5.0
LEASE_SECONDS = 60.0
"""It is held for so long at a time: who dies with it keeps others from it no longer."""


class LockBackendError(Exception):
    """The server of the locks does not answer: without a lock nothing is done, and the job is tried again."""


@dataclass(frozen=True, eq=False)
class Locked(Around):
    """A recipe that is done under the lock of its job; while somebody else has it, the run is ``skipped``.

    ``ttl``: seconds, the longest that the lock may be held without being renewed.
    """

    task: str
    ttl: float
    settings: Settings

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        lease = min(self.ttl, LEASE_SECONDS)
        with _client(self.settings) as client:
            lock = client.lock(PREFIX + self.task, timeout=lease, blocking=False, thread_local=False)
            try:
                if not lock.acquire():
                    return JobResult(status="skipped", message=f"somebody else has the lock of {self.task}")
            except RedisError as error:
                raise LockBackendError(f"lock_backend: {type(error).__name__}") from error
            run.log.info("lock acquired", task=self.task)
            with _renewed(lock, lease) as lost, fenced(lambda: _check(lost)):
                return self.recipe(run, plan)


@contextmanager
def _client(settings: Settings) -> Iterator[Redis]:
    client = Redis(
        host=settings.redis_host,
        port=settings.redis_port,
        password=settings.redis_password or None,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
    )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def _renewed(lock: Lock, ttl: float) -> Iterator[threading.Event]:
    """Renewed each third of its time; the event is set when that fails. It is given back if it is ours still."""
    lost, over = threading.Event(), threading.Event()

    def renew() -> None:
        while not over.wait(ttl / 3):
            try:
                lock.reacquire()
            except (LockError, RedisError):
                lost.set()
                return

    thread = threading.Thread(target=renew, name="renew-lock", daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        over.set()
        thread.join()
        with suppress(LockError, RedisError):
            lock.release()


def _check(lost: Any) -> None:
    if lost.is_set():
        raise RunLostError("the lock was lost: it could not be renewed")
