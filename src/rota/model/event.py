"""An event: a fact at a transition, handed to listeners, and kept where somebody must be able to see it later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RESTRICTED = "run.restricted"
KINDS = {
    "run.succeeded": "an attempt ended well; to listeners only, the run's row and the counters keep it",
    "run.retried": "an attempt failed, and another will follow",
    "run.failed": "the last attempt failed: the run is a dead letter",
    "run.snoozed": "the body asked to be run again later",
    "run.waiting": "the body waits for a signal, and its attempt has ended",
    "run.signalled": "somebody gave it a signal",
    "run.wait_timed_out": "nobody gave it its signal in time: it goes on and is told so",
    "run.cancelled": "somebody gave the run up",
    "run.expired": "the run had not begun in time, and will not begin late",
    "run.cancel_requested": "somebody asked a running attempt to stop",
    "run.timed_out": "the attempt was told that its time is up",
    "run.overran": "a plain function did not look at the signal to stop, and ended after its time was up",
    "run.rescued": "its node was lost, and another may claim it",
    "run.crashed": "its own process died, and another attempt will follow",
    "run.quarantined": "the process that did it died, or its node was lost, too often: a dead letter",
    "run.refused": "a result came from an attempt that had lost its run",
    RESTRICTED: "its node's environment let the body do less than it was asked for: dry_run, or muted",
    "run.retried_by_hand": "a person sent a dead letter back",
    "run.dismissed": "a person closed a dead letter",
    "run.dated": "a person ran a job for another moment than now",
    "run.forced": "a person ran a job that is off in this environment",
    "fire.skipped": "a due moment was not run on purpose",
    "fire.missed": "a due moment passed with nobody there",
    "batch.finished": "all children of a batch are over",
    "schedule.added": "a person made a schedule",
    "schedule.edited": "a person changed a schedule",
    "schedule.set_aside": "the database refused what a schedule leads to; it is tried again every minute",
    "schedule.kept": "the code changed a schedule that a person had edited: the person's stands",
    "schedule.reset": "a person took the code's version of a schedule back",
    "schedule.paused": "",
    "schedule.resumed": "",
    "schedule.removed": "",
    "schedule.manual": "a person ran a schedule's job now",
    "schedule.backfill": "a person had past moments run",
    "job.taken_over": "an application has a job that was another's, for which no node works any more",
    "queue.paused": "",
    "queue.resumed": "",
    "queue.limited": "",
    "ledger.held": "a node found a copy, or a ledger that went back in time: it looks, and does nothing",
    "ledger.adopted": "a person said that the ledger is this one from now on",
    "node.started": "",
    "node.draining": "a person asked a node to finish and stop",
    "node.stopped": "",
    "node.lost": "a node's lease ran out",
    "node.refused": "a node found itself given up for lost, and started anew",
}
"""Every kind of event that Rota itself makes, and what it means where the name is not enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """``at`` is in microseconds of UTC; ``subject`` names the noun (``run:17``, ``schedule:nightly``)."""

    at: int
    kind: str
    subject: str
    run_id: int | None = None
    actor: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Routine success is told to listeners only: the run's row and the counters keep it."""
        return self.kind != "run.succeeded"


def run_event(
    kind: str, run_id: int, at: int, *, actor: str | None = None, data: Mapping[str, Any] | None = None
) -> Event:
    return Event(at=at, kind=kind, subject=f"run:{run_id}", run_id=run_id, actor=actor, data=data or {})
