"""What the user holds: a job that is still a plain function, and a run that was asked for."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from rota.clock import to_us
from rota.engine.enqueue import Ask, Enqueuer
from rota.errors import ConfigError, NotFoundError, WaitTimeoutError
from rota.model.duration import Duration, seconds, show_duration
from rota.model.run import ENDED, RunRecord, RunState
from rota.store import Store, runs

P = ParamSpec("P")
R = TypeVar("R")
FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25


class RunHandle:
    """A run that was asked for; ``new`` is False where one with the same key was there already."""

    def __init__(self, store: Store, run_id: int, new: bool = True) -> None:
        self.id = run_id
        self.new = new
        self._store = store

    def __repr__(self) -> str:
        return f"<Run {self.id}>"

    @property
    def state(self) -> RunState:
        return RunState(self.record().state)

    @property
    def result(self) -> Any:
        """What the body returned, from JSON; ``None`` before the end."""
        text = self.record().result
        return None if text is None else json.loads(text)

    def record(self) -> RunRecord:
        """The run as the ledger has it now. Raises ``NotFoundError`` once it is pruned, or if it was rolled back."""
        with self._store.read() as tx:
            found = runs.get(tx, self.id)
        if found is None:
            hint = "Its transaction was rolled back, or it was pruned: see keep.* in `rota config show`."
            raise NotFoundError(f"there is no run {self.id}", hint=hint)
        return found

    def wait(self, timeout: Duration | None = None) -> RunRecord:
        """Wait until the run is over. Raises ``WaitTimeoutError`` after ``timeout``; the run goes on then."""
        give_up_at = None if timeout is None else time.monotonic() + seconds(timeout)
        pause = FIRST_PAUSE
        while (record := self.record()).state not in ENDED:
            if give_up_at is not None and time.monotonic() >= give_up_at:
                raise waited_in_vain(record, seconds(timeout or 0))
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
        return record


def waited_in_vain(run: RunRecord, waited: float) -> WaitTimeoutError:
    told = f"after {show_duration(waited)} run {run.id} is still {run.state}"
    return WaitTimeoutError(told, hint=f"Ask why: rota run why {run.id}")


class Asked(Protocol):
    """The application that a job belongs to, as far as asking for a run goes."""

    @property
    def store(self) -> Store: ...

    @property
    def enqueuer(self) -> Enqueuer: ...

    def ready(self) -> None: ...

    @property
    def ask(self) -> Callable[..., Ask]: ...


class JobHandle(Generic[P, R]):
    """A job: call it like the function it is, or enqueue it."""

    def __init__(self, function: Callable[P, R], short_name: str) -> None:
        self.function = function
        self.short_name = short_name
        self._app: Asked | None = None
        self._name: str | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self._name or self.short_name}>"

    @property
    def name(self) -> str:
        """The full name, with its blueprint's prefix."""
        self._bound()
        return self._name or self.short_name

    def bind(self, app: Asked, name: str) -> None:
        if self._app not in {None, app}:
            raise ConfigError(f"job {name!r} belongs to another Rota already", hint="Include a blueprint once only.")
        self._app, self._name = app, name

    def enqueue(
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
        connection: Any = None,
        **arguments: Any,
    ) -> RunHandle:
        """Ask for a run.

        ``at`` or ``delay`` put it off. With a ``key``, nothing is added while a run of this job with that key waits or
        runs: the handle is then that run's, and its ``new`` is False. ``debounce`` with a ``key`` starts a run that
        long after the last call, with that call's arguments. A ``connection`` (a SQLAlchemy Session or Connection, a
        psycopg or sqlite3 connection, to the store's database) makes the run part of the caller's transaction: rolled
        back, it never was.

        Raises:
            PayloadError: an argument is misspelt, missing, or cannot be stored.
        """
        app = self._bound()
        if connection is None:
            app.ready()
        ask = app.ask(
            at=at, delay=delay, key=key, debounce=debounce, queue=queue, priority=priority, dry_run=dry_run, by=by
        )
        run_id, new = app.enqueuer.enqueue(app.enqueuer.job(self.name), arguments, ask, connection)
        return RunHandle(app.store, run_id, new)

    def enqueue_many(
        self,
        items: Iterable[Mapping[str, Any]],
        *,
        at: datetime | None = None,
        delay: Duration | None = None,
        queue: str | None = None,
        priority: int | None = None,
        by: str | None = None,
        connection: Any = None,
    ) -> list[int]:
        """Ask for a run with each set of arguments, all in one transaction; returns their ids in order."""
        app = self._bound()
        if connection is None:
            app.ready()
        ask = app.ask(at=at, delay=delay, queue=queue, priority=priority, by=by)
        return app.enqueuer.enqueue_many(app.enqueuer.job(self.name), items, ask, connection)

    def _bound(self) -> Asked:
        if self._app is None:
            raise ConfigError(
                f"job {self.short_name!r} belongs to no Rota yet",
                hint="Include its blueprint first: rota.include(blueprint).",
            )
        return self._app


_AT = "As in datetime(2026, 3, 5, 18, tzinfo=ZoneInfo('Europe/Paris'))."


def due_moment(now: int, at: datetime | None, delay: Duration | None) -> int | None:
    """The moment to start from, in microseconds; raises ``ConfigError`` for both, or for a naive moment."""
    if at is not None and delay is not None:
        raise ConfigError("at= and delay= were both given", hint="Give one of them.")
    if at is not None:
        if not isinstance(at, datetime):
            raise ConfigError(f"at={at!r} is no datetime", hint=_AT)
        try:
            return to_us(at)
        except ValueError as error:
            raise ConfigError(str(error), hint=_AT) from None
    return None if delay is None else now + int(seconds(delay) * 1_000_000)
