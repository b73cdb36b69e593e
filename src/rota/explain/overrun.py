"""Runs that are past their time-out and go on: a body that is in C, or catches everything, cannot be stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rota.explain.finding import Finding, Severity, finding
from rota.explain.words import SECOND, Words, span
from rota.shown import counted
from rota.store import Transaction, jobs, runs

GRACE_US = 5 * SECOND
"""A body that was told to stop gets so long to clean up before anybody is told."""
LOOKED_AT = 1_000


@dataclass(frozen=True, slots=True)
class Overrun:
    run: int
    job: str
    node: str
    started_at: int
    timeout_us: int

    def is_past(self, now: int) -> bool:
        return now - self.started_at > self.timeout_us + GRACE_US


def timeout_us(policies: dict[str, Any]) -> int | None:
    """Of a job as it was last declared."""
    timeout = policies.get("timeout")
    return None if timeout is None else int(timeout * SECOND)


def overruns(tx: Transaction, now: int) -> list[Overrun]:
    """Among those that run for longest."""
    running = runs.longest(tx, now - GRACE_US, LOOKED_AT)
    limits = {job: _timeout(tx, job) for job in {run.job for run in running}}
    found = [
        Overrun(run.id, run.job, run.node or "", run.started_at, limit)
        for run in running
        if (limit := limits[run.job]) is not None
    ]
    return [each for each in found if each.is_past(now)]


def past_their_time(found: Sequence[Overrun], words: Words) -> list[Finding]:
    """The worst, and how many more there are."""
    if not found:
        return []
    worst = past_its_time(found[0], words, f"run {found[0].run} of {found[0].job}")
    more = f" ({counted(len(found) - 1, 'run')} more like it)" if len(found) > 1 else ""
    return [replace(worst, text=worst.text + more, data={**worst.data, "more": len(found) - 1})]


def past_its_time(each: Overrun, words: Words, said: str) -> Finding:
    length, limit = span(words.now - each.started_at), span(each.timeout_us)
    text = f"{said} has run for {length} on {each.node}; it was told to stop at {limit}, and does not"
    todo = f"it holds its thread until it ends; to free it, replace its node: rota node drain {each.node}"
    data = {"run": each.run, "job": each.job, "node": each.node, "started_at": each.started_at}
    return finding("overrun", text, Severity.WARNING, todo, **data, timeout=each.timeout_us / SECOND)


def _timeout(tx: Transaction, job: str) -> int | None:
    record = jobs.get(tx, job)
    return timeout_us(json.loads(record.definition)) if record else None
