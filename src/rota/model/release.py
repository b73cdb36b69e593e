"""A release: one version of an application's code, by what it declares. Nodes of the same code are of one release."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

ALONE_US = 86_400_000_000
"""So long counts what a process declares that is no node, against releases that are older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRelease:
    """``id`` is a digest of all that it declares; ``jobs`` and ``schedules`` are JSON lists of names."""

    id: str
    owner: str
    jobs: str
    schedules: str

    @classmethod
    def of(cls, digest: str, owner: str, jobs: Iterable[str], schedules: Iterable[str]) -> NewRelease:
        return cls(id=digest, owner=owner, jobs=json.dumps(list(jobs)), schedules=json.dumps(list(schedules)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as the ledger holds it. Of two, the one with the higher ``number`` is the newer."""

    number: int
    id: str
    owner: str
    jobs: str
    schedules: str
    node: str | None
    """One of the living nodes that work by it."""

    def knows(self, job: str) -> bool:
        return json.dumps(job) in self.jobs  # a name with its quotes is no part of another

    @property
    def job_names(self) -> frozenset[str]:
        return frozenset(json.loads(self.jobs))

    @property
    def schedule_names(self) -> frozenset[str]:
        return frozenset(json.loads(self.schedules))
