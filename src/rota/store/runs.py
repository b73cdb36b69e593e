"""The runs of the ledger: every move a run can make, each guarded by what it expects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rota.model.attempt import Claimant, Envelope
from rota.model.host import ANY_HOST, GONE_US, Kept
from rota.model.run import (
    NOT_IN_TIME,
    Candidate,
    Chosen,
    ExpiredRun,
    GivenUp,
    Held,
    LostRun,
    NewRun,
    Rescued,
    RunAge,
    RunningRun,
    RunRecord,
    Settled,
    WaitedOut,
)
from rota.store.database import Row, Transaction, WorkKind
from rota.store.queues import COUNT_CAP
from rota.store.rows import as_row, record

AT_LEAST_OF_EACH = 32
"""Runs of one job that a claim among several looks at."""


def insert(tx: Transaction, runs: Sequence[NewRun]) -> list[int]:
    """Insert runs and return the ids of those that are new, in order; one whose unique key is taken is left out."""
    return sorted(row[0] for row in tx.over("runs.insert", runs))


def insert_alike(tx: Transaction, pattern: NewRun, rows: Sequence[tuple[str, str | None, str | None]]) -> list[int]:
    """Insert a run like ``pattern`` for each (arguments, limit key, why it is held), without a unique key.

    Returns the ids in order.
    """
    return sorted(row[0] for row in tx.over("runs.insert_alike", rows, **_parameters(pattern)))


def insert_one(tx: Transaction, run: NewRun) -> tuple[int, bool]:
    """Insert a run, or find the unfinished one that holds its unique key. Returns the id, and whether it is new."""
    while True:
        if row := tx.one("runs.insert_one", **_parameters(run)):
            return int(row[0]), True
        if held := _held_keys(tx, [run]):
            return held[run.unique_key], False


def insert_keyed(tx: Transaction, runs: Sequence[NewRun]) -> dict[str | None, tuple[int, bool]]:
    """Insert runs of different unique keys. By key: the id of the unfinished run that has it, and whether it is new."""
    found: dict[str | None, tuple[int, bool]] = {}
    left = list(runs)
    while left:  # again, where a holder ended between the two statements
        found |= {key: (run_id, True) for run_id, key in tx.over("runs.insert", left)}
        left = [run for run in left if run.unique_key not in found]
        if left:
            found |= {key: (run_id, False) for key, run_id in _held_keys(tx, left).items()}
            left = [run for run in left if run.unique_key not in found]
    return found


def _held_keys(tx: Transaction, runs: Sequence[NewRun]) -> dict[str | None, int]:
    """Who holds their keys. What can begin no more lets go of them, for another try to insert."""
    keys, now = [(run.unique_key,) for run in runs], runs[0].created_at
    held = {key: run_id for run_id, key in tx.over("runs.by_unique_keys", keys, now=now)}
    if len(held) < len(keys):
        tx.over("runs.free_keys", [(key,) for (key,) in keys if key not in held], now=now)
    return held


def _parameters(run: NewRun) -> dict[str, Any]:
    return run._asdict()


def debounce(tx: Transaction, run: NewRun) -> tuple[int, bool]:
    """Put off the waiting run of the same key, with the new arguments, or insert one."""
    new = {
        "due_at": run.due_at,
        "expires_at": run.expires_at,
        "arguments": run.arguments,
        "limit_key": run.limit_key,
    }
    for _ in range(2):  # twice, for whoever enqueues the same at this very moment: the later call's arguments count
        if row := tx.one("runs.debounce", unique_key=run.unique_key, **new):
            return int(row[0]), False
        if row := tx.one("runs.insert_one", **_parameters(run)):
            return int(row[0]), True
    return insert_one(tx, run)


# What is kept for a ``host`` is claimed apart from what any may do.


def waiting_jobs(tx: Transaction, queue: str, after: str = "", limit: int = 200, *, host: str = ANY_HOST) -> list[str]:
    """The jobs that have something to claim in a queue, by name, beyond one."""
    return [name for (name,) in tx.all("runs.waiting_jobs", queue=queue, host=host, after=after, limit=limit)]


def some_limited(tx: Transaction, queue: str, jobs: Iterable[str], *, host: str = ANY_HOST) -> bool:
    """Whether some of what these jobs have to claim is under limits."""
    return bool(tx.over("runs.some_limited", [(job,) for job in jobs], queue=queue, host=host))


def claim(
    tx: Transaction, queue: str, job: str, by: Claimant, limit: int, now: int, *, host: str = ANY_HOST
) -> list[Envelope]:
    """Take runs of a job that share no limit with others, most urgent first."""
    place = {"queue": queue, "host": host, "job": job}
    return _in_order(tx.all("runs.claim", **place, node=by.node, claim=by.claim, limit=limit, now=now))


def claim_chosen(tx: Transaction, chosen: Sequence[Chosen], by: Claimant, now: int) -> list[Envelope]:
    return _in_order(tx.over("runs.claim_chosen", chosen, node=by.node, claim=by.claim, now=now))


def candidates(
    tx: Transaction,
    queue: str,
    jobs: Sequence[str],
    limit: int,
    now: int,
    *,
    host: str = ANY_HOST,
    limited: bool = True,
    suspects: bool = False,
) -> list[Candidate]:
    """Up to ``limit`` available runs of these jobs, most urgent first (or their suspects); locked, for the claim.

    None where the queue has limits of its own by now and the caller, not ``limited``, does not know. Of each job so
    many are looked at; where that was not all, nothing beyond the last one seen of it is given: there may be a more
    urgent one that was not.
    """
    each = min(limit, max(AT_LEAST_OF_EACH, 2 * limit // len(jobs)))
    options = {"each": each, "limited": int(limited), "suspects": int(suspects), "now": now}
    rows = tx.over("runs.candidates", [(job,) for job in jobs], queue=queue, host=host, **options)
    found = sorted((Candidate._make(row) for row in rows), key=_order)
    seen = Counter(candidate.job for candidate in found)
    ends = [next(one for one in reversed(found) if one.job == job) for job, count in seen.items() if count == each]
    if len(jobs) > 1 and ends:
        last = min(map(_order, ends))
        found = [candidate for candidate in found if _order(candidate) <= last]
    return found[:limit]


def _order(candidate: Candidate) -> tuple[int, int]:
    return candidate.turn, candidate.id


def turn_of(run: RunRecord | NewRun) -> int:
    """Waiting runs take their turns by this."""
    return run.due_at + run.priority_us


def _in_order(rows: list[Row]) -> list[Envelope]:
    envelopes = [Envelope._make(row) for row in rows]
    if len(envelopes) > 1:
        envelopes.sort(key=lambda each: (each.due_at + each.priority_us, each.id))
    return envelopes


def hand_back(tx: Transaction, node: str, claimed: Sequence[tuple[int, int]]) -> None:
    """Give claimed runs (id and claim) that have not begun back to their queue."""
    tx.over("runs.hand_back", claimed, node=node)
    tx.announce()


def arguments(tx: Transaction, ids: Iterable[int]) -> dict[int, str]:
    """Of some runs, as JSON."""
    return dict(tx.over("runs.arguments", [(run_id,) for run_id in ids]))


def hold(tx: Transaction, held: Sequence[Held], now: int) -> None:
    """Set aside runs that may not start yet."""
    tx.over("runs.hold", held, now=now)


def held_keys(tx: Transaction, after: str, limit: int) -> list[str]:
    """Shared limits that somebody is held for, by name beyond one."""
    return [key for (key,) in tx.all("runs.held_keys", after=after, limit=limit)]


def running_in_queue(tx: Transaction, queue: str) -> int:
    row = tx.one("runs.running_in_queue", queue=queue)
    return int(row[0]) if row else 0


def running_by_key(tx: Transaction, keys: Iterable[str]) -> dict[str, int]:
    return {key: count for key, count in tx.over("runs.running_by_key", [(key,) for key in keys])}


def places_taken(
    tx: Transaction, keys: Iterable[str], queue: str, turn: int, *, host: str = ANY_HOST
) -> dict[str, int]:
    """How many of each run, or may be claimed in this queue and go before a turn."""
    return dict(tx.over("runs.places_taken", [(key,) for key in keys], queue=queue, host=host, turn=turn))


def places_free(tx: Transaction, keys: Iterable[str]) -> dict[tuple[str, str, str], int]:
    """For how many of those held for these limits there is a place now, by key, queue and host."""
    rows = tx.over("runs.places_free", [(key,) for key in keys])
    return {(key, queue, host): free for key, queue, host, free in rows if free > 0}


def release(tx: Transaction, keys: Iterable[str]) -> None:
    """Let as many of those held for these limits try as there are places."""
    released: Counter[WorkKind] = Counter()
    for (key, queue, host), free in sorted(places_free(tx, keys).items()):  # in one order on every node
        rows = tx.all("runs.release", key=key, queue=queue, host=host, limit=free)
        released.update(map(WorkKind._make, rows))
    if released:
        tx.announce(released)


def succeed(tx: Transaction, node: str, rows: Sequence[Row]) -> set[int]:
    """End attempts well: rows of (id, claim, started, finished, result, rss). Returns the ids that were accepted."""
    return {row[0] for row in tx.over("runs.succeed", rows, node=node)}


def settle(tx: Transaction, node: str, ends: Sequence[Settled], now: int) -> dict[int, str]:
    """End attempts in any other way. Returns the states of those that were accepted, by id.

    A run that was to be tried again is ``cancelled`` instead where somebody has asked it to stop.
    """
    return {row[0]: row[1] for row in tx.over("runs.settle", [as_row(end) for end in ends], node=node, now=now)}


def give_up(tx: Transaction, after: int, limit: int, now: int, reason: str, *, running: bool) -> list[GivenUp]:
    """Cancel so many of those that wait, from an id on, and with ``running`` of those that run."""
    rows = tx.all("runs.give_up", after=after, limit=limit, now=now, reason=reason, running=int(running))
    return [record(GivenUp, row) for row in rows]


def lost(tx: Transaction, node: str, limit: int) -> list[LostRun]:
    """What a lost node left running; locked."""
    return [record(LostRun, row) for row in tx.all("runs.lost", node=node, limit=limit)]


def rescue(tx: Transaction, rescued: Sequence[Rescued]) -> None:
    tx.over("runs.rescue", [as_row(each) for each in rescued])


def stage(tx: Transaction, now: int, limit: int) -> list[tuple[int, str | None]]:
    """Make available what has come due. Returns the id of each, and the key of the limit it is to wait for."""
    staged = tx.all("runs.stage", now=now, limit=limit)
    if staged:
        tx.announce(Counter(WorkKind._make(kind) for _, _, *kind in staged))
    return [(run, key) for run, key, *_ in staged]


def expire(tx: Transaction, now: int, limit: int) -> list[ExpiredRun]:
    """End what has not begun in time, most overdue first."""
    return [ExpiredRun._make(row) for row in tx.all("runs.expire", now=now, limit=limit, reason=NOT_IN_TIME)]


def kept(tx: Transaction) -> list[Kept]:
    """What waits for hosts."""
    return [Kept._make(row) for row in tx.all("runs.kept")]


def expire_kept(tx: Transaction, what: Kept, now: int, limit: int, reason: str) -> list[ExpiredRun]:
    """End what waits for a host that is gone."""
    place = {"host": what.host, "queue": what.queue, "job": what.job, "due_before": now - GONE_US}
    return [ExpiredRun._make(row) for row in tx.all("runs.expire_kept", **place, now=now, limit=limit, reason=reason)]


def next_moment(tx: Transaction) -> tuple[int | None, int | None, int | None]:
    """When the next scheduled run is due, when the next one expires, and when the next wait for a signal ends."""
    [(due_at, expires_at, waits_until)] = tx.all("runs.next_moment")
    return due_at, expires_at, waits_until


# Those that wait for a signal.


def wake(tx: Transaction, run_ids: Iterable[int], now: int) -> set[int]:
    """Let those of them go on that wait for a signal which is there. Returns their ids."""
    woken = tx.over("runs.wake", [(run_id,) for run_id in run_ids], now=now)
    if woken:
        tx.announce(Counter(WorkKind._make(kind) for _, *kind in woken))
    return {run_id for run_id, *_ in woken}


def answered(tx: Transaction, limit: int) -> list[int]:
    """Those that wait for a signal which is there."""
    return [run_id for (run_id,) in tx.all("runs.answered", limit=limit)]


def waited_out(tx: Transaction, now: int, limit: int) -> list[WaitedOut]:
    """Those whose time to wait is up; locked."""
    return [WaitedOut._make(row) for row in tx.all("runs.waited_out", now=now, limit=limit)]


# By the schedule that made them, or by the key of their limit: what an overlap policy goes by.


def active_by_key(tx: Transaction, keys: Iterable[str], now: int) -> dict[str, dict[str, int]]:
    """How many of each state are not over, by key; what can begin no more is none of them."""
    found: dict[str, dict[str, int]] = {}
    for key, state, count in tx.over("runs.active_by_key", [(key,) for key in keys], now=now):
        found.setdefault(key, {})[state] = count
    return found


def active_by_schedule(tx: Transaction, names: Iterable[str], now: int) -> dict[tuple[str, str], dict[str, int]]:
    """The same by schedule and host."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for name, host, state, count in tx.over("runs.active_by_schedule", [(name,) for name in names], now=now):
        found.setdefault((name, host), {})[state] = count
    return found


def request_cancel_by_key(tx: Transaction, key: str, now: int, by: str) -> list[int]:
    """Ask the running ones to stop. Returns the ids of those that nobody had asked before."""
    return [run_id for (run_id,) in tx.all("runs.request_cancel_by_key", key=key, now=now, by=by)]


def request_cancel_by_schedule(tx: Transaction, schedule: str, now: int, by: str, host: str | None = None) -> list[int]:
    """``host``: of those that are kept for it alone."""
    asked = {"schedule": schedule, "now": now, "by": by, "host": host}
    return [run_id for (run_id,) in tx.all("runs.request_cancel_by_schedule", **asked)]


def cancel_waiting_by_key(tx: Transaction, key: str, now: int, reason: str) -> dict[int, int | None]:
    """Cancel those that wait. Returns their ids, each with its batch."""
    return {run: batch for run, batch in tx.all("runs.cancel_waiting_by_key", key=key, now=now, reason=reason)}


def cancel_waiting_by_schedule(
    tx: Transaction, schedule: str, now: int, reason: str, host: str | None = None
) -> dict[int, int | None]:
    asked = {"schedule": schedule, "now": now, "reason": reason, "host": host}
    return {run: batch for run, batch in tx.all("runs.cancel_waiting_by_schedule", **asked)}


# By hand.


def lock(tx: Transaction, run_id: int) -> RunRecord | None:
    """As ``get``, and nobody claims, ends or changes it before the transaction ends."""
    row = tx.one("runs.lock", id=run_id)
    return record(RunRecord, row) if row else None


def close(tx: Transaction, run_id: int, now: int, by: str) -> bool:
    """Cancel a run that waits, for whatever, or a dead letter. False: it is neither."""
    return tx.one("runs.close", id=run_id, now=now, by=by) is not None


def request_cancel(tx: Transaction, run_id: int, now: int, by: str) -> bool:
    """Ask a running one to stop. False: it is not running."""
    return tx.one("runs.request_cancel", id=run_id, now=now, by=by) is not None


def retry(tx: Transaction, run_id: int, now: int, *, afresh: bool = False) -> bool:
    """Send it back to its queue, counts at zero. False: it did not end badly, or another run holds its key.

    ``afresh``: without its checkpoint.
    """
    return tx.one("runs.retry", id=run_id, now=now, afresh=int(afresh)) is not None


# Looking.


def get(tx: Transaction, run_id: int) -> RunRecord | None:
    row = tx.one("runs.get", id=run_id)
    return record(RunRecord, row) if row else None


def page(
    tx: Transaction,
    *,
    state: str | None = None,
    job: str | None = None,
    queue: str | None = None,
    schedule: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[RunRecord]:
    """Newest first; ``before`` is the id to go on from."""
    rare = {"failed": "runs.failed_page", "waiting": "runs.waiting_page"}
    if state in rare and queue is None and schedule is None:
        return [record(RunRecord, row) for row in tx.all(rare[state], job=job, before=before, limit=limit)]
    rows = tx.all("runs.page", state=state, job=job, queue=queue, schedule=schedule, before=before, limit=limit)
    return [record(RunRecord, row) for row in rows]


def oldest(tx: Transaction, after: int, limit: int) -> list[RunAge]:
    """A stretch of runs by id, from one on."""
    return [record(RunAge, row) for row in tx.all("runs.oldest", after=after, limit=limit)]


def delete(tx: Transaction, run_ids: Iterable[int]) -> None:
    tx.over("runs.delete", [(run_id,) for run_id in run_ids])


def longest(tx: Transaction, before: int, limit: int) -> list[RunningRun]:
    """Those that have run since before a moment, and for longest."""
    return [record(RunningRun, row) for row in tx.all("runs.longest", before=before, limit=limit)]


def holders_of_key(tx: Transaction, key: str, limit: int) -> list[RunningRun]:
    """Who has the slots of a shared limit."""
    return [record(RunningRun, row) for row in tx.all("runs.holders_of_key", key=key, limit=limit)]


def holders_of_queue(tx: Transaction, queue: str, limit: int) -> list[RunningRun]:
    return [record(RunningRun, row) for row in tx.all("runs.holders_of_queue", queue=queue, limit=limit)]


def on_nodes(tx: Transaction, nodes: Iterable[str], cap: int = COUNT_CAP) -> list[RunningRun]:
    """What some nodes have under way, the longest first."""
    return [record(RunningRun, row) for row in tx.over("runs.on_nodes", [(node,) for node in nodes], cap=cap)]


def strays(tx: Transaction, limit: int) -> list[int]:
    """Running ones whose node is not in the ledger: no node will bring them back."""
    return [run_id for (run_id,) in tx.all("runs.strays", limit=limit)]


# Counted up to a cap: a page must not scan a million rows.


def count_ahead(tx: Transaction, run: RunRecord, cap: int = COUNT_CAP) -> int:
    """How many would be claimed before it."""
    waiting = [(job,) for job in waiting_jobs(tx, run.queue, host=run.host)]
    place = {"queue": run.queue, "host": run.host, "turn": turn_of(run), "id": run.id}
    [(count,)] = tx.over("runs.count_ahead", waiting, **place, cap=cap)
    return int(count)


def count_rated_ahead(tx: Transaction, run: RunRecord, cap: int = COUNT_CAP) -> int:
    """How many of its job, in any queue, would be started before it."""
    row = tx.one("runs.count_rated_ahead", job=run.job, host=run.host, turn=turn_of(run), id=run.id, cap=cap)
    return int(row[0]) if row else 0


def count_held_ahead(tx: Transaction, run: RunRecord, cap: int = COUNT_CAP) -> int:
    """How many are held for the same limit and go first."""
    place = {"queue": run.queue, "host": run.host, "turn": turn_of(run), "id": run.id}
    row = tx.one("runs.count_held_ahead", **place, key=run.limit_key, cap=cap)
    return int(row[0]) if row else 0


def count_failed(tx: Transaction, cap: int = COUNT_CAP) -> int:
    """The dead letters."""
    row = tx.one("runs.count_failed", cap=cap)
    return int(row[0]) if row else 0


def count_waiting(tx: Transaction, cap: int = COUNT_CAP) -> int:
    """Those that wait for a signal."""
    row = tx.one("runs.count_waiting", cap=cap)
    return int(row[0]) if row else 0


def lately_made(tx: Transaction, run: NewRun) -> int | None:
    """The run that this very request for one with a key made, if it did, whatever became of it since."""
    row = tx.one("runs.lately_made", unique_key=run.unique_key, created_at=run.created_at)
    return int(row[0]) if row else None
