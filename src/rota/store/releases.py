"""The releases of the ledger: which versions of an application's code are alive, and what each declares."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable

from rota.model.release import ALONE_US, NewRelease, Release
from rota.store.database import Transaction
from rota.store.rows import as_row, record


def declare(tx: Transaction, release: NewRelease, alone_at: int | None) -> tuple[int, bool]:
    """Returns its number, and whether it is the one whose word was written down last.

    ``alone_at`` is the moment, where the process that declares it is no node.
    """
    parameters = dict(zip(release.__slots__, as_row(release), strict=True))
    number, said_at = tx.one("releases.declare", **parameters, alone_at=alone_at) or (0, None)
    return number, said_at is not None


def said(tx: Transaction, release: NewRelease, now: int) -> None:
    """All that it declares is written down."""
    tx.run("releases.said", id=release.id, owner=release.owner, now=now)


def unsay(tx: Transaction, owners: Iterable[str]) -> None:
    """Others have changed what was written down for these applications."""
    tx.over("releases.unsay", [(owner,) for owner in owners])


def living(tx: Transaction, owner: str, now: int) -> list[Release]:
    """Those of an application that a node works by, or that was declared without one lately; the newest last."""
    rows = tx.all("releases.living", owner=owner, alone_after=now - ALONE_US)
    return [record(Release, row) for row in rows]


def knowing(tx: Transaction, job: str) -> frozenset[str]:
    """The ids of those that a node works by and that know a job."""
    name = json.dumps(job)  # with its quotes, it is no part of another name
    return frozenset(release for release, jobs in tx.all("releases.working") if name in jobs)


def unknown(tx: Transaction, jobs: Iterable[str], among: Collection[str]) -> list[str]:
    """Those of the jobs that none of these releases knows."""
    said = [text for release, text in tx.all("releases.working") if release in among]
    return [job for job in jobs if not any(json.dumps(job) in text for text in said)]


def unsettled(tx: Transaction, owner: str, now: int, but: str = "") -> bool:
    """Whether a release, other than one, is gone, and what it said may still be in force."""
    return tx.one("releases.unsettled", owner=owner, but=but, alone_after=now - ALONE_US) is not None


def settle(tx: Transaction, owner: str, now: int) -> None:
    """What those that are gone said was dealt with."""
    tx.run("releases.settle", owner=owner, now=now, alone_after=now - ALONE_US)


def prune(tx: Transaction, before: int) -> None:
    tx.run("releases.prune", before=before)
