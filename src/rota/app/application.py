"""``Rota``: an application's jobs and schedules, and the ledger that they live in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

from rota.app.blueprint import Blueprint, Collection
from rota.app.declaration import Declaration
from rota.app.handles import Caller, Handles, JobHandle
from rota.app.requests import Requests
from rota.clock import Clock
from rota.engine.events import Listener, Listeners
from rota.errors import DuplicateJobError
from rota.forks import tell_of_forks
from rota.model.arguments import check_arguments
from rota.model.duration import Duration, seconds
from rota.model.edge import Length, Name, checks
from rota.model.job import Job
from rota.model.policy import TEXT, WORD, choice, of_type, read_name
from rota.model.schedule import Definition

if TYPE_CHECKING:
    from rota.app.counters import Counters
    from rota.app.nodes import Nodes
    from rota.app.queues import Queues
    from rota.app.runs import Runs
    from rota.app.said import Said
    from rota.app.schedules import Schedules
    from rota.engine.desk import LedgerDesk
    from rota.engine.enqueue import Enqueuer
    from rota.engine.lease import Lock
    from rota.engine.node import Node
    from rota.explain.status import Status
    from rota.explain.why import Why
    from rota.model.event import Event
    from rota.model.passport import Held, Passport
    from rota.model.release import NewRelease
    from rota.model.run import RunState
    from rota.model.settings import NodeSettings, Settings
    from rota.store import Store, Transaction


class Rota(Collection, Caller):
    """Jobs, their schedules, and the database that remembers them.

    >>> rota = Rota("sqlite:///app.db")
    >>> @rota.job(schedule=cron("0 */6 * * *", tz="UTC"))
    ... def sync(run: Run) -> None: ...

    What is not given here is as ``rota.toml`` and the environment say; what is given holds. ``name`` tells the jobs and
    schedules of several applications in one database apart; ``schema`` says where in PostgreSQL the tables are.
    ``clock`` stands in for the database's time: for tests, and then no settings are read. Nothing is read or connected
    to before it is needed.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        schema: str | None = None,
        name: str = "default",
        environment: str | None = None,
        clock: Clock | None = None,
        settings: Settings | None = None,
    ) -> None:
        Caller.__init__(self, Requests(self))
        WORD.check("Rota", "name", name)
        for given, kind, value in (
            ("url", TEXT, url),
            ("schema", WORD, schema),
            ("environment", WORD, environment),
        ):
            if value is not None:
                kind.check("Rota", given, value)
        if settings is not None:
            from rota.model.settings import Settings

            of_type(Settings).check("Rota", "settings", settings)
        self.name = name
        self._given = {"url": url, "schema": schema, "environment": environment}
        self._settings = settings
        self.jobs: dict[str, Job] = {}
        self.listeners = Listeners()
        self.handles = Handles(self.jobs, self._requests)
        self._definitions: dict[str, Definition] = {}
        self._clock = clock
        self._preparing = threading.Lock()
        self._release: NewRelease | None = None
        self.held: Held | None = None
        """Why ``prepare`` wrote nothing down, the last time."""
        tell_of_forks(self)

    def after_fork(self) -> None:
        self._preparing = threading.Lock()

    @classmethod
    def from_env(cls, *, name: str = "default", clock: Clock | None = None) -> Rota:
        """As ``rota.toml`` and the environment say. Raises ``SettingsError`` with all mistakes of them at once."""
        from rota.config import load_settings

        return cls.from_settings(load_settings(), name=name, clock=clock)

    @classmethod
    def from_settings(cls, settings: Settings, *, name: str = "default", clock: Clock | None = None) -> Rota:
        return cls(name=name, clock=clock, settings=settings)

    @cached_property
    def settings(self) -> Settings:
        """What holds for this application. Raises ``SettingsError`` with all mistakes of the settings at once."""
        if self._settings is None and self._clock is None:
            from rota.config import load_settings

            self._settings = load_settings()
        from rota.model.settings import Settings

        return (self._settings or Settings()).in_code(**self._given)

    # --- what is declared

    @checks
    def include(self, blueprint: Blueprint) -> None:
        """Take in a blueprint's jobs, under its prefix, and its listeners."""
        for handle, declaration in blueprint.declared:
            self._add(f"{blueprint.prefix}/{handle.short_name}", handle, declaration)
        for kind, listener in blueprint.listeners:
            self.listeners.add(kind, listener)
        blueprint.included = True

    def _declare(self, name: str, function: Callable[..., Any], declaration: Declaration) -> JobHandle[Any, Any, Any]:
        handle: JobHandle[Any, Any, Any] = JobHandle(function, name)
        self._add(name, handle, declaration)
        return handle

    def _add(self, name: str, handle: JobHandle[Any, Any, Any], declaration: Declaration) -> None:
        read_name("job", name)
        if name in self.jobs:
            raise DuplicateJobError(
                f"two jobs are called {name!r}: {_place(self.jobs[name].function)} and {_place(handle.function)}",
                hint='Give one of them another name: @rota.job("other-name").',
            )
        job = declaration.job(name, handle.function)
        handle.bind(self._requests, name)
        self.jobs[name] = job
        definition = declaration.definition(name)
        if definition is not None:
            check_arguments(job, definition.arguments)
            self._definitions[name] = definition

    def _listen(self, kind: str, listener: Listener) -> None:
        self.listeners.add(kind, listener)

    @property
    def declared_schedules(self) -> Mapping[str, Definition]:
        """The schedules of the code, as the settings alter them."""
        from rota.app.overrides import overridden

        return {name: overridden(self.settings, name, each) for name, each in self._definitions.items()}

    # --- the ledger

    @cached_property
    def store(self) -> Store:
        from rota.store import open_store

        url, schema = self.settings.database.url, self.settings.database.schema
        store = open_store(url, self._clock, **({} if schema is None else {"schema": schema}))
        store.tell = self.listeners.tell
        return store

    @cached_property
    def enqueuer(self) -> Enqueuer:
        from rota.engine.enqueue import Enqueuer

        settings = self.settings
        return Enqueuer(self.store, self.jobs, settings.environment, settings.args_bytes, settings.ageing)

    def migrate(self) -> list[str]:
        """Bring the database's tables up to date; returns the migrations that were missing."""
        from rota.engine.hold import new_passport
        from rota.store import migrate, passports

        now = self.store.now_us()
        applied = migrate.migrate(self.store.database, now)
        with self.store.write() as tx:
            passports.make(tx, new_passport(self.settings.environment, now))
        return applied

    def ready(self) -> None:
        """Give an empty database its tables. Raises ``SchemaError`` where they are older or newer than this code."""
        self._requests.ready()

    def prepare(self) -> list[Event]:
        """Check the tables (an empty database gets them), and write down what the code declares.

        In a ledger that is held (see ``passport``) nothing is written down; its nodes do it once it is adopted.

        Raises:
            SchemaError: the tables are older or newer than this code.
            DuplicateJobError: a node of another application lives that has a job of the same name.
        """
        return self._declare_all(alone=True)

    def declare_again(self) -> list[Event]:
        """As ``prepare``, for a process that is a node by now: what it says counts as long as the node lives."""
        return self._declare_all(alone=False)

    def _declare_all(self, *, alone: bool) -> list[Event]:
        from rota.app.declare import declare

        self.ready()
        with self._preparing:
            self._refuse_unknown_names()
            if self._is_held():
                return []
            said = self._said()
            self._release = said.release()
            return declare(self.store, said, self._release, alone=alone)

    def _is_held(self) -> bool:
        from rota.engine.hold import look, tell

        with self.store.read() as tx:
            found = look(self.store, tx, self.settings.environment).held
        if found is not None and found != self.held:
            tell(found)
        self.held = found
        return found is not None

    def _said(self) -> Said:
        from rota.app.overrides import paused
        from rota.app.said import Said

        schedules, settings = self.declared_schedules, self.settings
        held = paused(settings, schedules)
        off = frozenset(
            name for name, each in schedules.items() if not self.jobs[each.job].enabled_in(settings.environment)
        )
        return Said(owner=self.name, jobs=self.jobs, schedules=schedules, off=off, paused=held, queues=settings.queues)

    def release(self) -> NewRelease:
        """The version of the code, by what it declares."""
        return self._release or self._said().release()

    def refuse_names_of_others(self, tx: Transaction) -> None:
        """Raises ``DuplicateJobError`` where another application has a job of the same name."""
        from rota.app.ownership import refuse_names_of_others

        refuse_names_of_others(tx, self.name, self.jobs)

    def _refuse_unknown_names(self) -> None:
        from rota.app.overrides import unknown_schedules

        for error in unknown_schedules(self.settings, self._definitions):
            raise error

    @checks
    def lock(self, name: Name, ttl: Length = 30, wait: Duration = 0) -> Lock:
        """A lock over all nodes: see ``Lock``. Raises ``LockUnavailableError`` on entry if it is held elsewhere."""
        from rota.engine.lease import Lock

        return Lock(self.store, name, seconds(ttl), seconds(wait))

    # --- looking and steering

    @checks
    def signal(
        self,
        run_id: int,
        name: Name,
        data: Any = None,
        *,
        by: Name | None = None,
        why: str | None = None,
        connection: Any = None,
    ) -> RunState:
        """Give a run the signal that its ``run.wait_for(name)`` waits for, or will; the first of a name counts.

        With a ``connection``, it is part of your transaction. Returns the state that the run is in now: ``available``
        where it was waiting for this signal.

        Raises:
            NotFoundError: there is no such run.
            ConflictError: it is over, has a signal of this name, or waited for it in vain.
            PayloadError: JSON cannot hold the data, or it is too large.
        """
        from rota.engine.signals import give

        return give(self.store, run_id, name, data, by=by, why=why, connection=connection)

    @cached_property
    def runs(self) -> Runs:
        from rota.app.runs import Runs

        return Runs(self.store)

    @cached_property
    def schedules(self) -> Schedules:
        from rota.app.schedules import Schedules

        return Schedules(self.store, self.enqueuer, self.name)

    @cached_property
    def queues(self) -> Queues:
        from rota.app.queues import Queues

        return Queues(self.store)

    @cached_property
    def nodes(self) -> Nodes:
        from rota.app.nodes import Nodes

        return Nodes(self.store)

    @cached_property
    def counters(self) -> Counters:
        from rota.app.counters import Counters

        return Counters(self.store)

    def status(self) -> Status:
        """Whether all is well, and if not, why. Raises ``StoreError`` where the database is away or has no tables."""
        from rota.explain.here import here
        from rota.explain.status import status

        return status(self.store, here(self))

    @checks
    def why_run(self, run_id: int, zone: tzinfo | None = UTC) -> Why:
        """What a run waits for, who has it, or how it ended; moments are told in ``zone``, ``None``: the local one."""
        from rota.explain.why_run import why_run

        return why_run(self.store, run_id, zone)

    @checks
    def why_schedule(self, name: str, at: datetime | None = None, zone: tzinfo | None = UTC) -> Why:
        """What a schedule waits for; with ``at``, what became of that moment (naive: on the schedule's own clock)."""
        from rota.explain.here import here
        from rota.explain.why_schedule import why_schedule

        return why_schedule(self.store, here(self), name, at, zone)

    def passport(self) -> Passport:
        """Who the ledger is, and whether this process may act on it, or finds a copy.

        Raises ``StoreError`` where the database is away or has no tables.
        """
        from rota.engine.hold import look

        with self.store.read() as tx:
            return look(self.store, tx, self.settings.environment).passport

    @checks
    def adopt(
        self,
        environment: Name | None = None,
        *,
        by: str,
        missed: Annotated[str, choice(("fire", "skip"))] | None = None,
        waiting: Annotated[str, choice(("keep", "cancel"))] | None = None,
    ) -> Event | None:
        """Say that a ledger which was copied, moved or put back is this one from now on: its nodes begin to work.

        ``missed``: the due moments that passed meanwhile fire as their ``catch_up`` says, or are skipped. ``waiting``:
        the runs that wait, and those that ran when it was copied, are kept, or cancelled. Returns the event that tells
        of it, or ``None`` where there was nothing to do.

        Raises ``ConfigError`` where one of them has to be said, and is not.
        """
        from rota.app.adoption import Adoption

        self.ready()
        return Adoption(self.store, self.settings.environment, environment, missed, waiting, by).adopt()

    # --- working

    def node(self, settings: NodeSettings | None = None) -> Node:
        """A node of this application, not started.

        Raises:
            ConfigError: a job is to be done in a process of its own, which could not import this application.
        """
        from rota.app.place import child_of
        from rota.engine.node import Node
        from rota.version import __version__

        settings = self._for_a_node("rota.node", settings)
        child = None if self.store.manual else child_of(self, self.jobs)  # it would go by another clock
        return Node(self, self.store, self.enqueuer, self.listeners, settings, __version__, child)

    def _for_a_node(self, where: str, settings: NodeSettings | None) -> NodeSettings:
        from rota.model.settings import NodeSettings

        if settings is not None:
            of_type(NodeSettings).check(where, "settings", settings)
        return settings or self.settings.node

    @cached_property
    def desk(self) -> LedgerDesk:
        """What bodies ask of the ledger."""
        from rota.engine.desk import LedgerDesk

        return LedgerDesk(self.store, self.enqueuer)

    @contextmanager
    def running(self, settings: NodeSettings | None = None) -> Iterator[Node]:
        """Work in this process while the body of ``with`` runs; then drain and stop."""
        settings = self._for_a_node("rota.running", settings)
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
