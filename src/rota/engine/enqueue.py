"""Making runs: what is asked for, checked and filled in with the policies of its job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from rota.errors import ConfigError, NotFoundError, PayloadError
from rota.model import payload
from rota.model.job import DEFAULT_QUEUE, Job
from rota.model.run import NewRun, RunState
from rota.model.suggestion import suggestion
from rota.store import Store, Transaction, queues, runs

T = TypeVar("T")
CHUNK = 2_000
"""Rows in one insert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the caller wants of a run beside its arguments; ``None`` leaves it to the job. Moments are microseconds."""

    due_at: int | None = None
    key: str | None = None
    debounce: bool = False
    queue: str | None = None
    priority: int | None = None
    dry_run: bool = False
    by: str | None = None
    batch_id: int | None = None
    limit: tuple[str | None, int | None] | None = None
    """The key and count to be limited by, instead of the job's own."""
    schedule: str | None = None
    fire_id: int | None = None
    fire_due_at: int | None = None


PLAIN = Ask()


class Enqueuer:
    """Builds and inserts runs of the jobs of one application."""

    def __init__(
        self, store: Store, jobs: Mapping[str, Job], environment: str | None = None, args_bytes: int = 262_144
    ) -> None:
        self.store = store
        self.jobs = jobs
        self.environment = environment
        self._args_bytes = args_bytes
        self._queues_made: set[str] = set()

    def job(self, name: str) -> Job:
        try:
            return self.jobs[name]
        except KeyError:
            raise NotFoundError(f"there is no job {name!r}", hint=suggestion(name, self.jobs)) from None

    def new_run(self, job: Job, arguments: Mapping[str, Any], now: int, ask: Ask = PLAIN) -> NewRun:
        """Check the arguments and fill in the job's policies.

        Raises:
            PayloadError: an argument cannot be stored, is too large, is missing or is not known to the job.
        """
        if ask.dry_run and not job.wants_run:
            raise ConfigError(
                f"job {job.name!r} takes no run, and cannot know that this one is dry: it would do its work",
                hint="Give it a parameter `run: Run`, and look at run.dry_run.",
            )
        return self._fill(job, self._text(job, arguments), ask.limit or job.limit(arguments), now, ask)

    def _text(self, job: Job, arguments: Mapping[str, Any]) -> str:
        check_arguments(job, arguments)
        return payload.dump(arguments, f"{job.name} argument", self._args_bytes) if arguments else "{}"

    def _fill(self, job: Job, text: str, limit: tuple[str | None, int | None], now: int, ask: Ask) -> NewRun:
        limit_key, limit_count = limit
        due_at = now if ask.due_at is None else ask.due_at
        return NewRun(
            job=job.name,
            queue=ask.queue or job.queue,
            state=RunState.SCHEDULED if due_at > now else RunState.AVAILABLE,
            due_at=due_at,
            created_at=now,
            arguments=text,
            priority=job.priority if ask.priority is None else ask.priority,
            asked_by=ask.by,
            schedule=ask.schedule,
            fire_id=ask.fire_id,
            fire_due_at=ask.fire_due_at,
            batch_id=ask.batch_id,
            mode="dry_run" if ask.dry_run else job.mode_in(self.environment),
            unique_key=None if ask.key is None else f"{job.name}:{payload.key(ask.key, 'key')}",
            unique_until="start" if ask.debounce else None,
            limit_key=limit_key,
            limit_count=limit_count,
            rate_key=job.rate_key,
        )

    def new_run_by_name(self, name: str, arguments: Mapping[str, Any], now: int, ask: Ask) -> NewRun:
        """A run of a job that this node's code may not know: then one that waits for a node which does."""
        job = self.jobs.get(name)
        if job is not None:
            return self.new_run(job, arguments, now, ask)
        return NewRun(
            job=name,
            queue=ask.queue or DEFAULT_QUEUE,
            state=RunState.AVAILABLE,
            due_at=now,
            created_at=now,
            arguments=payload.dump(arguments, "argument"),
            asked_by=ask.by,
        )

    def enqueue(self, job: Job, arguments: Mapping[str, Any], ask: Ask, connection: Any = None) -> tuple[int, bool]:
        """Insert one run. Returns its id, or that of the unfinished run which holds its key, and whether it is new."""
        run = self.new_run(job, arguments, self.store.now_us(), ask)
        insert = runs.debounce if ask.debounce else runs.insert_one
        return self._within(connection, run, lambda tx: insert(tx, run), single=True)

    def enqueue_many(self, job: Job, items: Iterable[Mapping[str, Any]], ask: Ask, connection: Any = None) -> list[int]:
        """Insert a run for each set of arguments, all of them or none, as one batch of rows."""
        pattern, rows = self.alike(job, items, self.store.now_us(), ask)
        return self._within(connection, pattern, lambda tx: insert_alike(tx, pattern, rows)) if rows else []

    def alike(
        self, job: Job, items: Iterable[Mapping[str, Any]], now: int, ask: Ask
    ) -> tuple[NewRun, list[tuple[str, str | None]]]:
        """What many runs have in common, and what each has of its own: arguments and limit key."""
        limits = [(self._text(job, each), job.limit(each)) for each in items]
        rows = [(text, limit[0]) for text, limit in limits]
        return self._fill(job, "{}", limits[0][1] if limits else (None, None), now, ask), rows

    def _within(self, connection: Any, run: NewRun, work: Callable[[Transaction], T], *, single: bool = False) -> T:
        """Do the work in the caller's transaction, or in one of our own; a ``single`` statement needs none."""
        known = run.queue in self._queues_made
        if connection is not None:
            tx = self.store.joined(connection)
            if not known:
                queues.ensure(tx, [run.queue])
            return work(tx)
        own = self.store.single if single and known else self.store.write
        with own() as tx:
            if not known:
                queues.ensure(tx, [run.queue])
            result = work(tx)
            if run.state is RunState.AVAILABLE:
                tx.announce()
        self._queues_made.add(run.queue)
        if run.state is RunState.SCHEDULED:
            self.store.wake_time()
        return result


def insert_alike(tx: Transaction, pattern: NewRun, rows: Sequence[tuple[str, str | None]]) -> list[int]:
    ids: list[int] = []
    for start in range(0, len(rows), CHUNK):
        ids += runs.insert_alike(tx, pattern, rows[start : start + CHUNK])
    return ids


def insert_all(tx: Transaction, made: Sequence[NewRun]) -> list[int]:
    ids: list[int] = []
    for start in range(0, len(made), CHUNK):
        ids += runs.insert(tx, made[start : start + CHUNK])
    return ids


def check_arguments(job: Job, arguments: Mapping[str, Any]) -> None:
    """Refuse a misspelt or missing argument where it is written, not in a failed run an hour later."""
    names = arguments.keys()
    if job.accepted is not None and not names <= job.accepted:
        unknown = min(names - job.accepted)
        raise PayloadError(
            f"job {job.name!r} takes no argument {unknown!r}",
            path=unknown,
            hint=suggestion(unknown, job.accepted),
        )
    if not job.required <= names:
        missing = ", ".join(sorted(job.required - names))
        raise PayloadError(f"job {job.name!r} needs the argument {missing}", path=missing, hint=f"Give it: {missing}=…")
