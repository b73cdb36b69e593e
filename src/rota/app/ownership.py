"""Whose a job's name is: one application's, while a node of it lives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rota.errors import DuplicateJobError
from rota.model.event import Event
from rota.model.job import Job
from rota.model.release import Release
from rota.store import Transaction, releases, schedules
from rota.store import jobs as ledger_jobs

SHOWN = 3


class Foreign(NamedTuple):
    """A job of this application whose name another one has in the ledger, with the function it is there."""

    name: str
    owner: str
    code: str


def claim_names(tx: Transaction, owner: str, jobs: Mapping[str, Job], now: int) -> list[Event]:
    """Take over the names of applications that no node works for any more; returns what people should know.

    Raises:
        DuplicateJobError: a node of another application lives that has one of the names.
    """
    foreign = _foreign(tx, owner, jobs)
    living = {each.owner: _working(tx, each.owner, now) for each in foreign}
    held = {each: release for each in foreign for release in living[each.owner] if release.knows(each.name)}
    _refuse(list(held), owner, jobs, held)
    schedules.hand_over(tx, [each.name for each in foreign], owner)
    if foreign:
        releases.unsay(tx, {owner, *living})
    return [_taken_over(each, owner, now) for each in foreign]


def refuse_names_of_others(tx: Transaction, owner: str, jobs: Mapping[str, Job]) -> None:
    """Of two applications that start at the same moment, one comes second: its node does not begin."""
    _refuse(_foreign(tx, owner, jobs), owner, jobs, {})


def _foreign(tx: Transaction, owner: str, jobs: Mapping[str, Job]) -> list[Foreign]:
    return [Foreign(*row) for row in ledger_jobs.of_others(tx, owner) if row[0] in jobs]


def _working(tx: Transaction, owner: str, now: int) -> list[Release]:
    return [release for release in releases.living(tx, owner, now) if release.node is not None]


def _refuse(clashes: Sequence[Foreign], owner: str, jobs: Mapping[str, Job], held: Mapping[Foreign, Release]) -> None:
    if not clashes:
        return
    first = clashes[0]
    node = f", which node {held[first].node} works for" if first in held else ""
    more = f" (and {len(clashes) - 1:,} more names)" if len(clashes) > 1 else ""
    raise DuplicateJobError(
        f"job {first.name!r} belongs to application {first.owner!r}{node}, and application {owner!r} has one of that"
        f" name too: {first.code} there, {jobs[first.name].code} here{more}",
        hint="Give one of the two another name, or its blueprint another prefix. If both are processes of one"
        f" application, give both its name: Rota(name={first.owner!r}).",
    )


def _taken_over(job: Foreign, owner: str, now: int) -> Event:
    data = {"job": job.name, "before": job.owner, "owner": owner}
    return Event(at=now, kind="job.taken_over", subject=f"job:{job.name}", data=data)
