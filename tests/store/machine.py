"""A stateful model of the store: whatever happens in whatever order, the ledger's promises hold after each step."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from pathlib import Path
from shutil import rmtree
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from rota.app.runs import Runs
from rota.engine import signals
from rota.engine.expiry import end, expire
from rota.engine.limits import Wanted, claim_limited
from rota.engine.rescuer import Rescuer
from rota.errors import ConflictError
from rota.model.attempt import Claimant, Envelope
from rota.model.host import Kept
from rota.model.job import Job
from rota.model.node import NewNode
from rota.model.rate import Rate
from rota.model.run import MOVES, NewRun, RunRecord, RunState, Settled
from rota.store import Store, batches, jobs, nodes, open_store, queues, runs
from rota.testing import ManualClock
from tests.ledgers import migrated
from tests.scratch import scratch

ONE, SHARED = "schedule:one", "job:job:shared"
MINUTE = 60_000_000
HOSTS = ("web-1", "web-2")
BACK = {RunState.FAILED, RunState.CANCELLED, RunState.EXPIRED}
"""What a person may send back."""


class Somebody:
    """An identity that rescues, and claims."""

    def __init__(self, node: str) -> None:
        self.id = node

    def may_judge(self) -> bool:
        return True


@cache
def empty_ledger() -> bytes:
    with tempfile.TemporaryDirectory(dir=scratch()) as folder:
        migrated(f"sqlite:///{folder}/rota.db")
        return Path(folder, "rota.db").read_bytes()


class Ledger(RuleBasedStateMachine):
    claims = Bundle("claims")
    """Every claim ever made: also of attempts that have lost their run since."""
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count(1)
        self.folder = Path(tempfile.mkdtemp(prefix="rota-machine-", dir=scratch()))
        path = self.folder / "rota.db"
        path.write_bytes(empty_ledger())
        self.clock = ManualClock()
        self.store: Store = open_store(f"sqlite:///{path}?synchronous=normal", self.clock)
        self.runs = Runs(self.store)
        self.nodes: list[str] = []
        self.hosts: dict[str, str] = {}
        """Of every node that ever was."""
        self.births = 0
        self.made: set[int] = set()
        self.seen: dict[int, RunRecord] = {}
        self.ends: dict[tuple[int, int], int] = defaultdict(int)
        self.started: dict[str, list[int]] = defaultdict(list)
        self.dismissed = 0
        self.job = Job(name="job", function=lambda: None)
        self.begun: set[int] = set()
        """Whose body began, since a person last sent them back."""
        self.batch_of: dict[int, int] = {}
        self.given: set[tuple[int, str]] = set()
        """The signals of each run, and those that it waited for in vain."""

    @initialize()
    def begin(self) -> None:
        with self.store.write() as tx:
            queues.ensure(tx, ["default"])
            self.batch = batches.add(tx, parent_run_id=0, job="job", total=3, then_job=None, then_arguments="{}", now=0)
        for _ in range(2):
            self.start_node()
        self.release(2, rated=True)

    @rule(count=st.sampled_from([None, 1, 2]), rated=st.booleans())
    def release(self, count: int | None, *, rated: bool) -> None:
        """A release of the application gives the job other limits."""
        self.job = Job(name="job", function=lambda: None, concurrency=count, rate=Rate.parse("3/m") if rated else None)
        with self.store.write() as tx:
            jobs.register(tx, "default", [("job", "tests:job", "default", "{}", count)], self.store.now_us())

    def start_node(self) -> None:
        node, now = f"node-{self.births}", self.store.now_us()
        self.births += 1
        with self.store.write() as tx:
            of = {"owner": "default", "release_id": "r"}
            host = HOSTS[self.births % 2]
            new = NewNode(id=node, host=host, machine=host, pid=1, version="0", queues="*", threads=1, **of)
            nodes.register(tx, new, now, lease_until=now + 10**15)
        self.nodes.append(node)
        self.hosts[node] = new.host

    @rule(
        target=ids,
        key=st.sampled_from([None, None, "a", "b"]),
        limit=st.sampled_from([None, ONE, SHARED]),
        delay=st.sampled_from([0, 0, 30]),
        within=st.sampled_from([None, 10]),
        in_batch=st.booleans(),
        priority=st.integers(-1, 1),
        host=st.sampled_from(["", "", *HOSTS]),
    )
    def enqueue(
        self, key: Any, limit: str | None, delay: int, within: int | None, in_batch: bool, priority: int, host: str
    ) -> int:
        now = self.store.now_us()
        in_batch = in_batch and len(self.batch_of) < 3
        run = self.new_run(now + delay * 1_000_000, key=key, limit=limit, priority=priority, within=within,
                           batch=self.batch if in_batch else None)._replace(host=host)  # fmt: skip
        with self.store.write() as tx:
            run_id, new = runs.insert_one(tx, run)
        assert new or run_id in self.made
        assert new or (self.seen[run_id].unique_key == key and not self.can_begin_no_more(run_id, now))
        self.made.add(run_id)
        if new and in_batch:
            self.batch_of[run_id] = self.batch
        return run_id

    @rule(target=ids, key=st.sampled_from(["a", "debounced"]))
    def debounce(self, key: str) -> int:
        with self.store.write() as tx:
            run_id, _ = runs.debounce(
                tx, self.new_run(self.store.now_us() + 5_000_000, key=key, until="start", within=10)
            )
        self.made.add(run_id)
        return run_id

    def new_run(
        self,
        due_at: int,
        *,
        key: str | None = None,
        until: str | None = None,
        limit: str | None = None,
        batch: int | None = None,
        priority: int = 0,
        within: int | None = None,
    ) -> NewRun:
        now = self.store.now_us()
        return NewRun(
            job="job", queue="default", state=RunState.SCHEDULED if due_at > now else RunState.AVAILABLE,
            due_at=due_at, created_at=now, arguments="{}", priority=priority, unique_key=key, unique_until=until,
            limit_key=limit, batch_id=batch, expires_at=None if within is None else due_at + within * 1_000_000,
        )  # fmt: skip

    @rule(seconds=st.sampled_from([1, 5, 20, 61]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    @rule()
    def stage(self) -> None:
        now = self.store.now_us()
        with self.store.write() as tx:
            runs.stage(tx, now, 100)

    @rule()
    def expire(self) -> None:
        """All that waits, has never begun and is past its time, and nothing else."""
        now = self.store.now_us()
        due = {
            run.id for run in self.seen.values() if self.is_past(run, now) and run.state in {"scheduled", "available"}
        }
        with self.store.write() as tx:
            assert expire(tx, now, 100, 0) == bool(due)
        assert due == {run.id for run in self.rows() if run.state == "expired"} - {
            run.id for run in self.seen.values() if run.state == "expired"
        }

    @rule(host=st.sampled_from(HOSTS))
    def host_is_gone(self, host: str) -> None:
        """All that waits for it ends, and nothing else; what has just been sent back has its time."""
        now = self.store.now_us()
        waits = {run.id: run for run in self.seen.values() if run.state in {"scheduled", "available"}}
        for what in (Kept(host, "default", "job", None), Kept(host, "default", "another", None)):
            with self.store.write() as tx:
                end(tx, runs.expire_kept(tx, what, now, 100, "gone"), now, 0, host=host, gone_at=0)
        for run in self.rows():
            if run.id in waits:
                kept = run.host == host and (waits[run.id].state == "scheduled" or run.due_at <= now - MINUTE)
                assert (run.state == "expired") == kept

    def can_begin_no_more(self, run_id: int, now: int) -> bool:
        return self.seen[run_id].state != RunState.RUNNING and self.is_past(self.seen[run_id], now)

    def is_past(self, run: RunRecord, now: int) -> bool:
        return run.id not in self.begun and run.expires_at is not None and run.expires_at <= now

    @rule(target=claims, node=st.integers(0, 9), room=st.integers(1, 3), suspects=st.booleans(), own=st.booleans())
    def claim(self, node: int, room: int, suspects: bool, own: bool) -> Any:
        who, now = self.nodes[node % len(self.nodes)], self.store.now_us()
        with self.store.write() as tx:
            queue = queues.survey(tx, self.hosts[who])[own]
            got: list[Envelope] = []
            if not self.job.is_limited:
                by = Claimant(who, next(self.numbers))
                got = runs.claim(tx, "default", "job", by, room, now, host=queue.host)
            if len(got) < room:
                by = Claimant(who, next(self.numbers))
                left = room - len(got)
                got += claim_limited(tx, Wanted(queue, [self.job], left, suspects=suspects), by, now).claims
        assert len(got) <= room
        assert all(self.seen[each.id].host == queue.host for each in got)
        assert not any(self.is_past(self.seen[each.id], now) for each in got)
        if self.job.rate is not None:
            self.started["rate"] += [now] * len(got)
        self.claimed_within_limits({each.id for each in got})
        return multiple(*((each, who) for each in got))

    @rule(claim=claims)
    def finish_well(self, claim: tuple[Envelope, str]) -> None:
        """By whoever ever claimed it: whether this is the end is decided by the ledger alone."""
        run, node = claim
        with self.store.write() as tx:
            accepted = runs.succeed(tx, node, [(*run.key, 1, 2, None, None)])
            self.freed(tx, accepted, run)
            if accepted and run.batch_id:
                batches.count(tx, {run.batch_id: Counter(succeeded=1)})
        self.judge(run, node, bool(accepted))

    @rule(claim=claims, state=st.sampled_from(["failed", "scheduled", "available", "cancelled"]))
    def finish_otherwise(self, claim: tuple[Envelope, str], state: str) -> None:
        run, node = claim
        over = RunState(state).ended
        later = self.store.now_us() + (7_000_000 if state == "scheduled" else 0)
        end = Settled(id=run.id, claim=run.claim, state=state, due_at=later, started_at=1,
                      finished_at=2 if over else None, error="why", failures=run.failures + 1, crashes=0, result=None,
                      peak_rss=None)  # fmt: skip
        with self.store.write() as tx:
            accepted = runs.settle(tx, node, [end], self.store.now_us())
            self.freed(tx, accepted, run)
            if accepted and run.batch_id and RunState(self.state(tx, run.id)).ended:
                failed = self.state(tx, run.id) == "failed"
                batches.count(tx, {run.batch_id: Counter(failed=int(failed), cancelled=int(not failed))})
        self.judge(run, node, bool(accepted))
        if accepted:
            self.begun.add(run.id)

    @rule(claim=claims, name=st.sampled_from(["yes", "go"]), timeout=st.sampled_from([None, 30]))
    def park(self, claim: tuple[Envelope, str], name: str, timeout: int | None) -> None:
        """Its body waits for a signal, which may have come before."""
        run, node = claim
        now = self.store.now_us()
        end = Settled(id=run.id, claim=run.claim, state="waiting", due_at=run.due_at, started_at=1, finished_at=None,
                      error=None, failures=run.failures, crashes=0, result=None, peak_rss=None, waits_for=name,
                      waits_until=None if timeout is None else now + timeout * 1_000_000,
                      keeps_place=1 if self.job.keeps_place(run.limit_key) else None)  # fmt: skip
        with self.store.write() as tx:
            accepted = runs.settle(tx, node, [end], now)
            runs.wake(tx, accepted, now)
            self.freed(tx, accepted, run)
            if accepted and run.batch_id and accepted[run.id] == RunState.CANCELLED:
                batches.count(tx, {run.batch_id: Counter(cancelled=1)})
        self.judge(run, node, bool(accepted))
        if accepted:
            self.begun.add(run.id)
            asked_to_stop = self.seen[run.id].cancel_at is not None
            expected = "cancelled" if asked_to_stop else "available" if (run.id, name) in self.given else "waiting"
            assert self.runs.get(run.id).state == expected

    @rule(run_id=ids, name=st.sampled_from(["yes", "go"]))
    def signal(self, run_id: int, name: str) -> None:
        """The first of a name is taken; who waits for it goes on."""
        before = self.seen[run_id]
        try:
            state = self.runs.approve(run_id, "anna", signal=name)
        except ConflictError:
            assert RunState(before.state).ended or (run_id, name) in self.given
        else:
            assert not RunState(before.state).ended
            assert (run_id, name) not in self.given
            self.given.add((run_id, name))
            goes_on = before.state == RunState.WAITING and before.waits_for == name
            assert state == (RunState.AVAILABLE if goes_on else before.state)

    @rule()
    def time_out(self) -> None:
        """All whose time to wait is up, and nobody else."""
        now = self.store.now_us()
        over = {run.id for run in self.seen.values() if run.state == "waiting" and (run.waits_until or now + 1) <= now}
        self.given |= {(run_id, self.seen[run_id].waits_for or "") for run_id in over}
        assert signals.time_out(self.store, now, 100) == bool(over)
        assert not signals.sweep(self.store, now, 100)
        waits = {run.id for run in self.seen.values() if run.state == "waiting"}
        assert {run.id for run in self.rows() if run.state == "waiting"} == waits - over

    def freed(self, tx: Any, accepted: Any, run: Envelope) -> None:
        if accepted and run.limit_key:
            runs.release(tx, {run.limit_key})

    def state(self, tx: Any, run_id: int) -> str:
        record = runs.get(tx, run_id)
        assert record is not None
        return record.state

    def judge(self, run: Envelope, node: str, accepted: bool) -> None:
        before = self.seen[run.id]
        holds = (before.state, before.claim, before.node) == (RunState.RUNNING, run.claim, node)
        assert accepted == holds
        self.ends[run.key] += accepted

    @rule(claim=claims)
    def hand_back(self, claim: tuple[Envelope, str]) -> None:
        run, node = claim
        with self.store.write() as tx:
            runs.hand_back(tx, node, [run.key])

    @rule(claim=claims)
    def server_forgets(self, claim: tuple[Envelope, str]) -> None:
        """A crash of the server before the claim was on its disk: the attempt's number will be given out again."""
        run, node = claim
        before = self.seen[run.id]
        if (before.state, before.claim, before.node) == (RunState.RUNNING, run.claim, node):
            with self.store.database.exclusive() as tx:
                tx.script(
                    "UPDATE rota_run SET state = 'available', node = NULL, claim = NULL, attempt = attempt - 1,"
                    f" started_at = NULL WHERE id = {run.id};"
                )
            self.seen[run.id] = replace(before, state=RunState.AVAILABLE, attempt=before.attempt - 1)

    @rule(run_id=ids)
    def cancel(self, run_id: int) -> None:
        over = RunState(self.seen[run_id].state).ended
        try:
            state = self.runs.cancel(run_id, "anna")
        except ConflictError:
            assert over
        else:
            assert not over
            assert state == (RunState.RUNNING if self.seen[run_id].state == RunState.RUNNING else RunState.CANCELLED)

    @rule(run_id=ids, afresh=st.booleans())
    def retry_by_hand(self, run_id: int, afresh: bool) -> None:
        before = self.seen[run_id]
        taken = before.unique_key and any(
            other.unique_key == before.unique_key and not RunState(other.state).ended for other in self.seen.values()
        )
        try:
            self.runs.retry(run_id, "anna", afresh)
        except ConflictError:
            assert before.state not in BACK or taken
        else:
            assert before.state in BACK
            self.begun.discard(run_id)
            self.given = {each for each in self.given if each[0] != run_id}
            self.given |= {(run_id, each.name) for each in self.runs.signals(run_id)}
            assert not any(each.timed_out_at or afresh for each in self.runs.signals(run_id))
            assert self.runs.get(run_id).expires_at is None

    @rule(run_id=ids)
    def dismiss(self, run_id: int) -> None:
        try:
            self.runs.dismiss(run_id, "anna")
        except ConflictError:
            assert self.seen[run_id].state != RunState.FAILED
        else:
            assert self.seen[run_id].state == RunState.FAILED

    @rule(node=st.integers(0, 9), claim=st.one_of(st.none(), consumes(claims)))
    def lose_node(self, node: int, claim: Any) -> None:
        """A node vanishes; another one gives it up and brings its runs back; the zombie's claims live on."""
        lost = self.nodes.pop(node % len(self.nodes))
        self.start_node()
        with self.store.write() as tx:
            assert nodes.lose(tx, lost, self.store.now_us(), lease_until=2**62)
            assert not nodes.lose(tx, lost, self.store.now_us(), lease_until=2**62)
        self.begun |= {run.id for run in self.seen.values() if run.node == lost and run.state == RunState.RUNNING}
        Rescuer(self.store, Somebody(self.nodes[0]), 0).tick()  # type: ignore[arg-type]
        assert not any(run.node == lost and run.state == RunState.RUNNING for run in self.rows())

    # --- what must hold

    def rows(self) -> list[RunRecord]:
        with self.store.read() as tx:
            return runs.page(tx, limit=10_000)

    @invariant()
    def holds(self) -> None:
        now_rows = self.rows()
        self.nothing_is_lost(now_rows)
        self.moves_are_allowed(now_rows)
        self.keys_and_limits(now_rows)
        self.waits_are_sound(now_rows)
        self.batch_counts(now_rows)
        self.seen = {run.id: run for run in now_rows}

    def nothing_is_lost(self, now_rows: list[RunRecord]) -> None:
        assert {run.id for run in now_rows} == self.made
        assert all(count <= 1 for count in self.ends.values())

    def moves_are_allowed(self, now_rows: list[RunRecord]) -> None:
        for run in now_rows:
            before = self.seen.get(run.id)
            if before is None:
                continue
            assert run.attempt >= before.attempt
            assert run.state == before.state or RunState(run.state) in MOVES[RunState(before.state)]
            if before.cancel_at is not None and before.state == RunState.RUNNING:
                # asked to stop, so it is not tried again; handed back before it began, it still knows
                assert RunState(run.state).ended or run.cancel_at == before.cancel_at
            claimed = before.state != RunState.RUNNING and run.state == RunState.RUNNING
            assert run.attempt == before.attempt + claimed

    def keys_and_limits(self, now_rows: list[RunRecord]) -> None:
        unfinished = [run.unique_key for run in now_rows if run.unique_key and not RunState(run.state).ended]
        assert len(unfinished) == len(set(unfinished))
        assert sum(run.limit_key == ONE and run.state == RunState.RUNNING for run in now_rows) <= 1
        one_waits = any(run.limit_key == ONE and run.state == RunState.WAITING for run in now_rows)
        began = [run for run in now_rows if run.limit_key == ONE and run.state == RunState.RUNNING
                 and self.seen.get(run.id, run).state != RunState.RUNNING]  # fmt: skip
        assert not (one_waits and began)  # it keeps its place, as runs of a schedule must not overlap
        for moment in self.started["rate"]:
            in_a_minute = [other for other in self.started["rate"] if moment <= other < moment + MINUTE]
            assert len(in_a_minute) <= 3 + 2  # a full bucket, and what is earned within the minute

    def claimed_within_limits(self, claimed: set[int]) -> None:
        """By what the job says now: also those that were asked for before it said so."""
        running = [run for run in self.rows() if run.state == RunState.RUNNING]
        if self.job.limit_count is not None:
            assert not any(run.id in claimed and run.limit_key is None for run in running)
            for key in {run.limit_key for run in running if run.id in claimed} - {ONE}:
                assert sum(run.limit_key == key for run in running) <= self.job.limit_count

    def waits_are_sound(self, now_rows: list[RunRecord]) -> None:
        for run in now_rows:
            assert run.held_by is None or run.state == RunState.AVAILABLE
            assert run.state != RunState.EXPIRED or run.started_at is None or run.error == "gone"
            assert (
                run.id not in self.begun or run.state == RunState.RUNNING or run.expires_at is None or run.finished_at
            )
            assert (run.state == RunState.WAITING) == (run.waits_for is not None)
            assert run.state != RunState.WAITING or (run.id, run.waits_for) not in self.given
            assert (run.state == RunState.RUNNING) == (run.node is not None and run.finished_at is None)
            assert RunState(run.state).ended == (run.finished_at is not None)

    def batch_counts(self, now_rows: list[RunRecord]) -> None:
        """The counts of a batch are what its children are."""
        with self.store.read() as tx:
            batch = batches.get(tx, self.batch)
        states = Counter(run.state for run in now_rows if run.batch_id == self.batch)
        assert batch is not None
        assert batch.succeeded == states["succeeded"]
        assert (batch.failed, batch.cancelled) == (states["failed"], states["cancelled"] + states["expired"])

    def teardown(self) -> None:
        self.store.close()
        rmtree(self.folder, ignore_errors=True)
