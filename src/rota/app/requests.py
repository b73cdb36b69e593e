"""How a request for a run becomes one: by a handle, by name, or by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from rota.app.by_hand import is_forced, record_dated, record_forced
from rota.errors import ConfigError
from rota.forks import tell_of_forks
from rota.model.job import Job
from rota.model.options import Options
from rota.model.policy import ITEMS

if TYPE_CHECKING:
    from rota.app.run_handle import RunHandle
    from rota.engine.enqueue import Enqueuer, RunIds
    from rota.store import Store


class Application(Protocol):
    """The part of ``Rota`` that asking for a run needs."""

    @property
    def store(self) -> Store: ...

    @property
    def enqueuer(self) -> Enqueuer: ...

    def migrate(self) -> list[str]: ...


class Requests:
    """Makes the runs that are asked for of one application."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._is_ready = False
        tell_of_forks(self)

    def after_fork(self) -> None:
        self._lock = threading.Lock()

    def ready(self) -> None:
        """Give an empty database its tables, once: whoever asks for runs may come before the first node.

        Raises:
            SchemaError: the tables are older or newer than this code.
        """
        if self._is_ready:
            return
        from rota.store import migrate

        database = self._app.store.database
        with self._lock:
            if migrate.status(database).applied == 0:
                self._app.migrate()
            migrate.check(database)
            self._is_ready = True

    def enqueue(self, job: str, given: tuple[Any, ...], arguments: Mapping[str, Any], options: Options) -> RunHandle:
        """``given``: arguments by position."""
        spec = self._app.enqueuer.job(job)
        return _waited_for(self._insert(spec, spec.by_name(given, arguments), options), options)

    def enqueue_many(self, job: str, items: Iterable[Mapping[str, Any]], options: Options) -> RunIds:
        for name in ("debounce", "wait"):
            if getattr(options, name) not in {None, False}:
                raise ConfigError(f"{name}= is for one run, not for many", hint="Enqueue them one by one.")
        if isinstance(options.key, str):
            raise ConfigError("one key is for one run, not for many", hint=_MANY_KEYS)
        spec = self._app.enqueuer.job(job)
        ITEMS.check(job, "items", items)
        self._ready_for(options)
        return self._app.enqueuer.enqueue_many(spec, items, options)

    def trigger(self, job: str, given: tuple[Any, ...], arguments: Mapping[str, Any], options: Options) -> RunHandle:
        """By hand: refused where the job is off, unless that is asked for, and then it is recorded."""
        spec, environment = self._app.enqueuer.job(job), self._app.enqueuer.environment
        dated = options.due is not None or options.as_of is not None
        if dated and options.connection is not None:
            raise ConfigError("what is run for another moment leaves a record", hint=_APART_FROM_YOURS)
        forced = is_forced(spec, environment, options.force_disabled)
        by = options.by or "manual"
        handle = self._insert(spec, spec.by_name(given, arguments), replace(options, by=by))
        if forced or dated:
            store = self._app.store
            with store.write() as tx:
                if forced:
                    record_forced(tx, spec, environment, [handle.id], by, store.now_us())
                if dated and handle.new:
                    record_dated(tx, spec, options, handle.id, by, store.now_us())
        return _waited_for(handle, options)

    def _insert(self, spec: Job, arguments: Mapping[str, Any], options: Options) -> RunHandle:
        from rota.app.run_handle import RunHandle

        self._ready_for(options)
        run_id, new = self._app.enqueuer.enqueue(spec, arguments, options)
        return RunHandle(self._app.store, run_id, new)

    def _ready_for(self, options: Options) -> None:
        """In a transaction of the caller's, no tables are made: it may be rolled back."""
        if options.connection is None:
            self.ready()


_APART_FROM_YOURS = "It is no part of your transaction: leave connection= out."
_MANY_KEYS = 'Give a function of the arguments: options(key=lambda to: f"welcome:{to}").'


def _waited_for(handle: RunHandle, options: Options) -> RunHandle:
    if options.wait is not False:
        handle.wait(None if options.wait is True else options.wait)
    return handle
