"""``Rota``: an application's jobs and schedules, and the ledger that they live in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rota.app.blueprint import Blueprint, Collection
from rota.app.checks import check_types
from rota.app.counters import Counters
from rota.app.declaration import Declaration
from rota.app.declare import Declared, declare
from rota.app.handles import JobHandle, RunHandle, due_moment
from rota.app.nodes import Nodes
from rota.app.queues import Queues
from rota.app.runs import Runs
from rota.app.schedules import Schedules
from rota.app.setup import Setup, unknown_schedule
from rota.clock import Clock
from rota.engine.enqueue import Ask, Enqueuer, check_arguments
from rota.engine.events import Listener, Listeners
from rota.engine.lease import Lock
from rota.engine.node import Node
from rota.errors import ConfigError, ConflictError, DuplicateJobError
from rota.model.duration import Duration, seconds
from rota.model.event import Event, run_event
from rota.model.job import Job
from rota.model.node import NodeSettings
from rota.model.schedule import Definition
from rota.store import Store, migrate, open_store

if TYPE_CHECKING:
    from rota.config import Settings
    from rota.explain.status import Status
    from rota.explain.why import Why

P = ParamSpec("P")
R = TypeVar("R")


class Rota(Collection):
    """Jobs, their schedules, and the database that remembers them.

    >>> rota = Rota("sqlite:///app.db")
    >>> @rota.job(schedule=cron("0 */6 * * *", tz="UTC"))
    ... def sync(run: Run) -> None: ...

    What is not given here is as ``rota.toml`` and the environment say; what is given holds. ``name`` tells schedules of
    several applications in one database apart. ``clock`` stands in for the database's time: for tests, and then no
    settings are read. Nothing is read or connected to before it is needed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        name: str = "default",
        environment: str | None = None,
        clock: Clock | None = None,
        setup: Setup | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self._given: dict[str, Any] = {"database": url, "environment": environment}
        self._setup = setup
        self.jobs: dict[str, Job] = {}
        self.listeners = Listeners()
        self.handles: dict[str, JobHandle[Any, Any]] = {}
        self._definitions: dict[str, Definition] = {}
        self._clock = clock
        self._ready = threading.Lock()
        self._is_ready = False

    @classmethod
    def from_env(cls, *, name: str = "default", clock: Clock | None = None) -> Rota:
        """As ``rota.toml`` and the environment say. Raises ``SettingsError`` with all mistakes of them at once."""
        from rota.config import load_settings

        return cls.from_settings(load_settings(), name=name, clock=clock)

    @classmethod
    def from_settings(cls, settings: Settings, *, name: str = "default", clock: Clock | None = None) -> Rota:
        return cls(name=name, clock=clock, setup=Setup.from_settings(settings))

    @cached_property
    def setup(self) -> Setup:
        """What holds for this application. Raises ``SettingsError`` with all mistakes of the settings at once."""
        given = {name: value for name, value in self._given.items() if value is not None}
        if self._setup is not None:
            return self._setup
        if self._clock is not None:
            return Setup(**given)
        from rota.config import load_settings

        return replace(Setup.from_settings(load_settings()), **given)

    # --- what is declared

    def include(self, blueprint: Blueprint) -> None:
        """Take in a blueprint's jobs, under its prefix, and its listeners."""
        for handle, declaration in blueprint.declared:
            self._add(f"{blueprint.prefix}/{handle.short_name}", handle, declaration)
        for kind, listener in blueprint.listeners:
            self.listeners.add(kind, listener)

    def _declare(self, name: str, function: Callable[P, R], declaration: Declaration) -> JobHandle[P, R]:
        handle = super()._declare(name, function, declaration)
        self._add(name, handle, declaration)
        return handle

    def _add(self, name: str, handle: JobHandle[Any, Any], declaration: Declaration) -> None:
        if name in self.jobs:
            raise DuplicateJobError(
                f"two jobs are called {name!r}: {_place(self.jobs[name].function)} and {_place(handle.function)}",
                hint='Give one of them another name: @rota.job("other-name").',
            )
        job = declaration.job(name, handle.function)
        handle.bind(self, name)
        self.jobs[name] = job
        self.handles[name] = handle
        definition = declaration.definition(name)
        if definition is not None:
            check_arguments(job, definition.arguments)
            self._definitions[name] = definition

    def _listen(self, kind: str, listener: Listener) -> None:
        self.listeners.add(kind, listener)

    @property
    def declared_schedules(self) -> Mapping[str, Definition]:
        """The schedules of the code, as the settings alter them."""
        return {name: self.setup.altered(name, each) for name, each in self._definitions.items()}

    # --- the ledger

    @cached_property
    def store(self) -> Store:
        store = open_store(self.setup.database, self._clock)
        store.tell = self.listeners.tell
        return store

    @cached_property
    def enqueuer(self) -> Enqueuer:
        return Enqueuer(self.store, self.jobs, self.setup.environment, self.setup.args_bytes)

    def migrate(self) -> list[str]:
        """Bring the database's tables up to date; returns the migrations that were missing."""
        return migrate.migrate(self.store.database, self.store.now_us())

    def ready(self) -> None:
        """Give an empty database its tables, once: whoever asks for runs may come before the first node.

        Raises:
            SchemaError: the tables are older or newer than this code.
        """
        if self._is_ready:
            return
        with self._ready:
            if migrate.status(self.store.database).applied == 0:
                self.migrate()
            migrate.check(self.store.database)
            self._is_ready = True

    def prepare(self) -> list[Event]:
        """Check the tables (an empty database gets them), and write down what the code declares.

        Raises:
            SchemaError: the tables are older or newer than this code.
        """
        self.ready()
        with self._ready:
            self._refuse_unknown_names()
            return declare(self.store, self._declared())

    def _declared(self) -> Declared:
        schedules = self.declared_schedules
        environment = self.setup.environment
        off = frozenset(name for name, each in schedules.items() if not self.jobs[each.job].enabled_in(environment))
        return Declared(self.name, self.jobs, schedules, off, self.setup.paused(schedules), self.setup.queues)

    def _refuse_unknown_names(self) -> None:
        for name in self.setup.unknown_schedules(self._definitions):
            raise unknown_schedule(name, self._definitions)

    # --- asking for runs

    def ask(
        self,
        *,
        at: datetime | None = None,
        delay: Duration | None = None,
        key: str | None = None,
        debounce: Duration | None = None,
        queue: str | None = None,
        priority: int | None = None,
        dry_run: bool = False,
        by: str | None = None,
    ) -> Ask:
        check_types("enqueue", key=key, queue=queue, priority=priority, dry_run=dry_run, by=by)
        now = self.store.now_us()
        due_at = due_moment(now, at, delay)
        if debounce is not None:
            if key is None:
                raise ConfigError("debounce= needs a key=", hint="The key says which calls are the same.")
            due_at = now + int(seconds(debounce) * 1_000_000)
        return Ask(
            due_at=due_at,
            key=key,
            debounce=debounce is not None,
            queue=queue,
            priority=priority,
            dry_run=dry_run,
            by=by,
        )

    def enqueue(self, job: str, **options_and_arguments: Any) -> RunHandle:
        """Ask for a run of a job by its name; the rest as in ``JobHandle.enqueue``."""
        self.enqueuer.job(job)
        return self.handles[job].enqueue(**options_and_arguments)

    def trigger(
        self,
        job: str,
        *,
        wait: bool = False,
        timeout: Duration | None = None,
        force_disabled: bool = False,
        dry_run: bool = False,
        by: str | None = None,
        **arguments: Any,
    ) -> RunHandle:
        """Run a job now, by hand: audited, under the same limits as its scheduled runs, using up no due moment.

        ``wait`` blocks until it is over (somewhere: a node must be up). A job that is off in this environment needs
        ``force_disabled``.
        """
        self.ready()
        handle = self.run_by_hand(job, arguments, force_disabled=force_disabled, dry_run=dry_run, by=by)
        if wait:
            handle.wait(timeout)
        return handle

    def run_by_hand(
        self,
        job: str,
        arguments: Mapping[str, Any],
        *,
        force_disabled: bool = False,
        dry_run: bool = False,
        by: str | None = None,
    ) -> RunHandle:
        """As ``trigger``, for arguments of any name."""
        spec = self.enqueuer.job(job)
        environment = self.setup.environment
        enabled = spec.enabled_in(environment)
        if not enabled and not force_disabled:
            raise ConflictError(
                f"job {job!r} is off in the environment {environment!r}",
                hint="Give force_disabled=True (`rota job run --force`) to run it all the same.",
            )
        run_id, new = self.enqueuer.enqueue(spec, arguments, self.ask(dry_run=dry_run, by=by or "manual"))
        handle = RunHandle(self.store, run_id, new)
        if not enabled:
            self._record_forced(handle, job, by)
        return handle

    def _record_forced(self, handle: RunHandle, job: str, by: str | None) -> None:
        data = {"job": job, "environment": self.setup.environment}
        with self.store.write() as tx:
            tx.told.append(run_event("run.forced", handle.id, self.store.now_us(), actor=by or "manual", data=data))

    def lock(self, name: str, ttl: Duration = 30, wait: Duration = 0) -> Lock:
        """A lock over all nodes: see ``Lock``. Raises ``LockUnavailableError`` on entry if it is held elsewhere."""
        return Lock(self.store, name, seconds(ttl), seconds(wait))

    # --- looking and steering

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.store)

    @cached_property
    def schedules(self) -> Schedules:
        return Schedules(self.store, self.enqueuer)

    @cached_property
    def queues(self) -> Queues:
        return Queues(self.store)

    @cached_property
    def nodes(self) -> Nodes:
        return Nodes(self.store)

    @cached_property
    def counters(self) -> Counters:
        return Counters(self.store)

    def status(self) -> Status:
        """Whether all is well, and if not, why. Raises ``StoreError`` where the database is away or has no tables."""
        from rota.explain.status import status

        return status(self.store)

    def why_run(self, run_id: int, zone: tzinfo | None = UTC) -> Why:
        """What a run waits for, who has it, or how it ended; moments are told in ``zone``, ``None``: the local one."""
        from rota.explain.why_run import why_run

        return why_run(self.store, run_id, zone)

    def why_schedule(self, name: str, at: datetime | None = None, zone: tzinfo | None = UTC) -> Why:
        """What a schedule waits for; with ``at``, what became of that moment (naive: on the schedule's own clock)."""
        from rota.explain.why_schedule import Here, why_schedule

        return why_schedule(self.store, Here(self.jobs, self.setup.environment), name, at, zone)

    # --- working

    def node(self, settings: NodeSettings | None = None) -> Node:
        """A node of this application, not started."""
        from rota import __version__

        return Node(self.store, self.enqueuer, self.listeners, settings or self.setup.node, __version__)

    @contextmanager
    def running(self, settings: NodeSettings | None = None) -> Iterator[Node]:
        """Work in this process while the body of ``with`` runs; then drain and stop."""
        self.prepare()
        node = self.node(settings)
        node.start()
        try:
            yield node
        finally:
            node.stop()

    def close(self) -> None:
        if "store" in self.__dict__:
            self.store.close()


def _place(function: Callable[..., Any]) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
