"""The jobs there are: those of the code at hand, and those that the ledger has heard of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rota.app.declare import describe
from rota.errors import NotFoundError
from rota.model.suggestion import suggestion
from rota.store import jobs

if TYPE_CHECKING:
    from rota.app.application import Rota


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """``policies`` as ``rota.app.declare.describe`` tells them; ``here``: the code at hand has it."""

    name: str
    policies: Mapping[str, Any]
    here: bool


def all_jobs(app: Rota) -> list[JobEntry]:
    """By name; the code's word stands over the ledger's."""
    with app.store.read() as tx:
        told = {each.name: json.loads(each.definition) for each in jobs.all_jobs(tx)}
    told |= {name: describe(job) for name, job in app.jobs.items()}
    return [JobEntry(name=name, policies=told[name], here=name in app.jobs) for name in sorted(told)]


def find_job(app: Rota, name: str) -> JobEntry:
    """Raises ``NotFoundError``, with the nearest name."""
    entries = {entry.name: entry for entry in all_jobs(app)}
    if name not in entries:
        raise NotFoundError(f"there is no job {name!r}", hint=suggestion(name, entries))
    return entries[name]
