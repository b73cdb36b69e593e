"""Making runs: what is asked for, checked and filled in with the policies of its job."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

from rota.clock import to_us
from rota.engine.line import Line, let_go, limits_of
from rota.errors import CommitUnknownError, ConfigError, NotFoundError
from rota.model import payload
from rota.model.arguments import check_arguments
from rota.model.host import ANY_HOST
from rota.model.job import Job
from rota.model.options import PLAIN, Options
from rota.model.policy import DEFAULT_QUEUE
from rota.model.run import NewRun, RunState
from rota.model.suggestion import suggestion
from rota.shown import shown
from rota.store import Store, Transaction, queues, runs
from rota.store.database import WorkKind

T = TypeVar("T")
CHUNK = 2_000
"""Rows in one insert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What made a run, where the engine did so itself. Moments are microseconds."""

    due_at: int | None = None
    batch_id: int | None = None
    limit_key: str | None = None
    """What it is counted under, instead of the job's own."""
    schedule: str | None = None
    fire_id: int | None = None
    fire_due_at: int | None = None
    host: str = ANY_HOST


class RunIds(list[int]):
    """Ids of runs, in the order of what was asked for; ``new``: those that this call made."""

    def __init__(self, ids: Iterable[int], new: Iterable[int]) -> None:
        super().__init__(ids)
        self.new = frozenset(new)


AGES_US = 10**18
"""Thirty thousand years: what more would count for is no number of the database."""
CALLER = Origin()
"""Somebody asked for it."""


class Enqueuer:
    """Builds and inserts runs of the jobs of one application."""

    def __init__(
        self,
        store: Store,
        jobs: Mapping[str, Job],
        environment: str | None = None,
        args_bytes: int = 262_144,
        ageing: float = 86_400,
    ) -> None:
        """``ageing``: seconds of waiting that make up for one step of priority."""
        self.store = store
        self.jobs = jobs
        self.environment = environment
        self._args_bytes = args_bytes
        self._ageing_us = int(ageing * 1_000_000)
        self._queues_made: set[str] = set()

    def job(self, name: str) -> Job:
        if not isinstance(name, str):
            raise ConfigError(f"{shown(name)} is no name of a job", hint='As in rota.enqueue("mail", …).')
        try:
            return self.jobs[name]
        except KeyError:
            raise NotFoundError(f"there is no job {name!r}", hint=suggestion(name, self.jobs)) from None

    def new_run(
        self, job: Job, arguments: Mapping[str, Any], now: int, options: Options = PLAIN, origin: Origin = CALLER
    ) -> NewRun:
        """Check the arguments and fill in the job's policies.

        Raises:
            PayloadError: an argument cannot be stored, is too large, is missing or is not known to the job.
        """
        text = self._text(job, arguments)
        limit_key = origin.limit_key or job.limit_key(arguments)
        return self._fill(job, text, limit_key, now, options, origin, options.key_of(job.name, arguments))

    def _text(self, job: Job, arguments: Mapping[str, Any]) -> str:
        check_arguments(job, arguments)
        return payload.dump(arguments, f"{job.name} argument", self._args_bytes) if arguments else "{}"

    def _fill(
        self,
        job: Job,
        text: str,
        limit_key: str | None,
        now: int,
        options: Options,
        origin: Origin,
        key: str | None = None,
    ) -> NewRun:
        if options.dry_run and not job.wants_run:
            raise ConfigError(
                f"job {job.name!r} takes no run, and cannot know that this one is dry: it would do its work",
                hint="Give it a parameter `run: Run`, and look at run.dry_run.",
            )
        due_at = options.due_us(now) if origin.due_at is None else origin.due_at
        priority = job.priority if options.priority is None else options.priority
        within = options.start_within or job.start_within
        stands_for = options.due or options.as_of
        return NewRun(
            job=job.name,
            queue=options.queue or job.queue,
            state=RunState.SCHEDULED if due_at > now else RunState.AVAILABLE,
            due_at=due_at,
            created_at=now,
            arguments=text,
            priority=priority,
            priority_us=max(-AGES_US, min(priority * self._ageing_us, AGES_US)),
            asked_by=options.by,
            schedule=origin.schedule,
            fire_id=origin.fire_id,
            fire_due_at=origin.fire_due_at if stands_for is None else to_us(stands_for),
            batch_id=origin.batch_id,
            mode="dry_run" if options.dry_run else job.mode_in(self.environment),
            unique_key=None if key is None else f"{job.name}:{payload.key(key, 'key')}",
            unique_until="start" if options.debounce is not None else None,
            limit_key=limit_key,
            as_of=None if options.as_of is None else to_us(options.as_of),
            expires_at=None if within is None else due_at + int(within * 1_000_000),
            host=origin.host,
        )

    def new_run_by_name(self, name: str, arguments: Mapping[str, Any], now: int, options: Options) -> NewRun:
        """A run of a job that this node's code may not know: then one that waits for a node which does."""
        job = self.jobs.get(name)
        if job is not None:
            return self.new_run(job, arguments, now, options)
        return NewRun(
            job=name,
            queue=options.queue or DEFAULT_QUEUE,
            state=RunState.AVAILABLE,
            due_at=now,
            created_at=now,
            arguments=payload.dump(arguments, "argument"),
            asked_by=options.by,
        )

    def enqueue(self, job: Job, arguments: Mapping[str, Any], options: Options = PLAIN) -> tuple[int, bool]:
        """Insert one run. Returns its id, or that of the unfinished run which holds its key, and whether it is new."""
        run = self.new_run(job, arguments, self.store.now_us(), options)
        insert = runs.insert_one if options.debounce is None else runs.debounce

        def ask() -> tuple[int, bool]:
            if options.connection is not None or run.limit_key is None or run.state is not RunState.AVAILABLE:
                return self._within(options.connection, run, lambda tx: insert(tx, run), single=True)
            limits = limits_of([run.limit_key], job)
            return self._in_line(run, limits, lambda tx, line: insert(tx, _placed(run, line)))

        try:
            return ask()
        except CommitUnknownError:
            if run.unique_key is None:
                raise
            return self._made(run) or ask()

    def _made(self, run: NewRun) -> tuple[int, bool] | None:
        """The run of this very request, where it was made although the answer was lost."""
        with self.store.read() as tx:
            made = runs.lately_made(tx, run)
        return None if made is None else (made, True)

    def enqueue_many(self, job: Job, items: Iterable[Mapping[str, Any]], options: Options = PLAIN) -> RunIds:
        """Insert a run for each set of arguments, all of them or none, as one batch of rows.

        With keys, an item whose key an unfinished run holds, or an item before it, gets the id of that run.
        """
        if options.key is None:
            ids = self._enqueue_alike(job, items, options)
            return RunIds(ids, ids)
        now = self.store.now_us()
        made = [self.new_run(job, each, now, options) for each in items]
        if not made:
            return RunIds([], [])
        found = self._insert_keyed(job, made, options)
        new = {run_id for run_id, is_new in found.values() if is_new}
        return RunIds([found[run.unique_key][0] for run in made], new)

    def _insert_keyed(self, job: Job, made: Sequence[NewRun], options: Options) -> dict[str | None, tuple[int, bool]]:
        limits = limits_of((run.limit_key for run in made), job)
        if options.connection is not None or not limits or made[0].state is not RunState.AVAILABLE:
            return self._within(options.connection, made[0], lambda tx: insert_keyed(tx, made), len(made))

        def insert(tx: Transaction, line: Line) -> dict[str | None, tuple[int, bool]]:
            # One that is there already takes a place from another, which is found to be free after the commit.
            return insert_keyed(tx, [_placed(run, line) for run in made])

        return self._in_line(made[0], limits, insert, len(made))

    def _enqueue_alike(self, job: Job, items: Iterable[Mapping[str, Any]], options: Options) -> list[int]:
        pattern, rows = self.alike(job, items, self.store.now_us(), options)
        if not rows:
            return []
        limits = limits_of((key for _, key in rows), job)
        if options.connection is not None or not limits or pattern.state is not RunState.AVAILABLE:
            return self._within(options.connection, pattern, lambda tx: insert_alike(tx, pattern, rows), len(rows))
        return self._in_line(pattern, limits, lambda tx, line: insert_alike(tx, pattern, rows, line), len(rows))

    def _in_line(
        self, run: NewRun, limits: Mapping[str, int], insert: Callable[[Transaction, Line], T], count: int = 1
    ) -> T:
        """Insert runs that share limits: those that may not start yet are put in line."""
        lines: list[Line] = []

        def work(tx: Transaction) -> T:
            lines.append(Line(tx, run.queue, runs.turn_of(run), limits))
            return insert(tx, lines[-1])

        result = self._within(None, run, work, count)
        let_go(self.store, lines[-1].waiting)
        return result

    def alike(
        self, job: Job, items: Iterable[Mapping[str, Any]], now: int, options: Options, origin: Origin = CALLER
    ) -> tuple[NewRun, list[tuple[str, str | None]]]:
        """What many runs have in common, and what each has of its own: arguments and limit key."""
        rows = [(self._text(job, each), job.limit_key(each)) for each in items]
        return self._fill(job, "{}", None, now, options, origin), rows

    def _within(
        self, connection: Any, run: NewRun, work: Callable[[Transaction], T], count: int = 1, *, single: bool = False
    ) -> T:
        """Do the work in the caller's transaction, or in one of our own; a ``single`` statement needs none.

        ``count``: how many runs like this one it inserts.
        """
        known = run.queue in self._queues_made
        if connection is not None:
            tx = self.store.joined(connection)
            if not known:
                queues.ensure(tx, [run.queue])
            return self._announcing(tx, run, work, count)
        own = self.store.single if single and known else self.store.write
        with own() as tx:
            if not known:
                queues.ensure(tx, [run.queue])
            result = self._announcing(tx, run, work, count)
        self._queues_made.add(run.queue)
        if run.state is RunState.SCHEDULED:
            self.store.wake_time()
        return result

    @staticmethod
    def _announcing(tx: Transaction, run: NewRun, work: Callable[[Transaction], T], count: int) -> T:
        result = work(tx)
        if run.state is RunState.AVAILABLE:
            tx.announce({WorkKind(run.queue, run.job): count})
        return result


def insert_keyed(tx: Transaction, made: Sequence[NewRun]) -> dict[str | None, tuple[int, bool]]:
    """By unique key: the id of the run that holds it, and whether it is new.

    In the order of the keys: of two that insert the same ones, each would wait for the other otherwise.
    """
    first = {run.unique_key: run for run in reversed(made)}
    by_key = [run for _, run in sorted(first.items(), key=itemgetter(0))]
    found: dict[str | None, tuple[int, bool]] = {}
    for start in range(0, len(by_key), CHUNK):
        found |= runs.insert_keyed(tx, by_key[start : start + CHUNK])
    return found


def insert_alike(
    tx: Transaction, pattern: NewRun, rows: Sequence[tuple[str, str | None]], line: Line | None = None
) -> list[int]:
    """Each of arguments and limit key; those that have to wait in ``line`` are held."""
    ids: list[int] = []
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        ids += runs.insert_alike(tx, pattern, [(text, key, line.place(key) if line else None) for text, key in chunk])
    return ids


def _placed(run: NewRun, line: Line) -> NewRun:
    reason = line.place(run.limit_key)
    if reason is None:
        return run
    return run._replace(held_by=reason, held_for=reason, held_since=run.created_at)


def insert_all(tx: Transaction, made: Sequence[NewRun]) -> list[int]:
    ids: list[int] = []
    for start in range(0, len(made), CHUNK):
        ids += runs.insert(tx, made[start : start + CHUNK])
    return ids
