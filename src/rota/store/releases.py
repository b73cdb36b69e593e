"""The releases of the ledger: which versions of an application's code are alive, and what each declares."""

from __future__ import annotations

import json

from rota.model.release import ALONE_US, NewRelease, Release
from rota.store.database import Transaction
from rota.store.rows import as_row, record


def declare(tx: Transaction, release: NewRelease, alone_at: int | None) -> int:
    """Returns its number. ``alone_at`` is the moment, where the process that declares it is no node."""
    parameters = dict(zip(release.__slots__, as_row(release), strict=True))
    row = tx.one("releases.declare", **parameters, alone_at=alone_at)
    return int(row[0]) if row else 0


def living(tx: Transaction, owner: str, now: int) -> list[Release]:
    """Those of an application that a node works by, or that was declared without one lately; the newest last."""
    rows = tx.all("releases.living", owner=owner, alone_after=now - ALONE_US)
    return [record(Release, row) for row in rows]


def knowing(tx: Transaction, job: str) -> frozenset[str]:
    """The ids of those that a node works by and that know a job."""
    name = json.dumps(job)  # with its quotes, it is no part of another name
    return frozenset(release for release, jobs in tx.all("releases.working") if name in jobs)


def unsettled(tx: Transaction, owner: str, now: int) -> bool:
    """Whether a release is gone, and what it said may still be in force."""
    return tx.one("releases.unsettled", owner=owner, alone_after=now - ALONE_US) is not None


def settle(tx: Transaction, owner: str, now: int) -> None:
    """What those that are gone said was dealt with."""
    tx.run("releases.settle", owner=owner, now=now, alone_after=now - ALONE_US)


def prune(tx: Transaction, before: int) -> None:
    tx.run("releases.prune", before=before)
