"""The jobs there are: those of the code at hand, and those that the ledger has heard of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rota.app.overrides import overridden, unknown_schedules
from rota.app.said import describe
from rota.errors import ConfigError, NotFoundError
from rota.model.suggestion import suggestion
from rota.store import jobs

if TYPE_CHECKING:
    from rota.app.application import Rota


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEntry:
    """``policies`` as ``rota.app.said.describe`` tells them; ``here``: the code at hand has it."""

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


def mistakes(app: Rota) -> list[ConfigError]:
    """All for which a start would refuse this application with these settings; nothing is connected to."""
    try:
        settings = app.settings
    except ConfigError as error:
        return [error]
    definitions = app._definitions  # noqa: SLF001 - as the code has them: altered, the first mistake hides the others
    found = unknown_schedules(settings, definitions)
    checks: list[Callable[[], object]] = [lambda: app.store]
    checks += [partial(overridden, settings, name, each) for name, each in definitions.items()]
    for check in checks:
        try:
            check()
        except ConfigError as error:
            found.append(error)
    return found
