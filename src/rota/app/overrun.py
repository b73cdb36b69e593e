"""Runs that are past their time-out and go on: a body that is in C, or catches everything, cannot be stopped."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rota.app.words import SECOND, Words, counted, span
from rota.store import Transaction, jobs, runs

GRACE_US = 5 * SECOND
"""A body that was told to stop gets so long to clean up before anybody is told."""
LOOKED_AT = 1_000
TODO = "It holds its thread until it ends: see `rota run why`, or restart its node."


@dataclass(frozen=True, slots=True)
class Overrun:
    run: int
    job: str
    node: str
    started_at: int
    timeout_us: int

    def told(self, words: Words) -> str:
        since, limit = span(words.now - self.started_at), span(self.timeout_us)
        told = f"run {self.run} of {self.job} has run for {since} on {self.node}"
        return f"{told}; it was told to stop at {limit}, and does not"


def timeout_us(policies: dict[str, Any]) -> int | None:
    """Of a job as it was last declared."""
    timeout = policies.get("timeout")
    return None if timeout is None else int(timeout * SECOND)


def overruns(tx: Transaction, now: int) -> list[Overrun]:
    """Among those that run for longest."""
    running = runs.longest(tx, now - GRACE_US, LOOKED_AT)
    limits = {job: _timeout(tx, job) for job in {run.job for run in running}}
    found = [
        Overrun(run.id, run.job, run.node, run.started_at, limit)
        for run in running
        if (limit := limits[run.job]) is not None
    ]
    return [each for each in found if now - each.started_at > each.timeout_us + GRACE_US]


def told_of(found: Sequence[Overrun], words: Words) -> list[str]:
    """A sentence on the worst."""
    if not found:
        return []
    more = f" ({counted(len(found) - 1, 'run')} more like it)" if len(found) > 1 else ""
    told = found[0].told(words)
    return [f"{told[0].upper()}{told[1:]}{more}. {TODO}"]


def _timeout(tx: Transaction, job: str) -> int | None:
    record = jobs.get(tx, job)
    return timeout_us(json.loads(record.definition)) if record else None
