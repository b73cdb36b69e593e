"""Looks for what is wrong with an installation: each finding says how it is, and what to do about it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rota.app.ahead import TODO, ahead
from rota.app.nodes import survey
from rota.app.words import SECOND, Words, counted, span
from rota.errors import RotaError
from rota.store import Store, leases, migrate, runs, schedules
from rota.store.database import SEE_DOCTOR

if TYPE_CHECKING:
    from rota.app.application import Rota

OK, WARN, FAIL = "ok", "warn", "fail"
SKEW_US = 2 * SECOND
OLD_LEASE_US = 86_400 * SECOND
TZDATA_YEARS = 2
MIB = 1_048_576
LITTLE_DISK = 1_024 * MIB
NO_DISK = 100 * MIB
SCARCE = 0.8
RESTING, BUSY = 4, 33
"""Connections of one process: see ``rota.store.postgres``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``todo`` is empty where nothing is to be done."""

    verdict: str
    name: str
    told: str
    todo: str = ""


Findings = Iterator[Finding]


def examine(app: Rota) -> list[Finding]:
    """Everything, as far as the database answers."""
    found = [*_zones(), *_extras(app.settings.database.url)]
    database = check_database(app.store)
    found += database
    if all(each.verdict != FAIL for each in database):
        checks: tuple[Callable[[Store], Findings], ...] = (_clock, _nodes, _strays, _needed_extras)
        found += [finding for check in checks for finding in _safely(check, app.store)]
    return found


def check_database(store: Store) -> list[Finding]:
    """Whether it answers, its set-up, its tables, whether they can be written, the room on its disk."""
    checks = (_setup, _schema, _writing, _disk)
    found: list[Finding] = []
    for check in checks:
        found += _safely(check, store)
        if found[-1].verdict == FAIL:
            break
    return found


def _safely(check: Callable[[Store], Findings], store: Store) -> list[Finding]:
    """A check that the database does not answer is a finding too."""
    try:
        return list(check(store))
    except RotaError as error:
        return [Finding(FAIL, "database", str(error), error.hint.removesuffix(SEE_DOCTOR))]


def _setup(store: Store) -> Findings:
    path = getattr(store.database, "path", None)
    if path is not None and not path.exists():
        yield Finding(FAIL, "database", f"there is no {path} yet", "Make it: rota db init")
        return
    facts = store.database.facts()
    told = f"{facts['kind']} {facts['version']}, {facts['size'] / MIB:,.1f} MiB"
    yield Finding(OK, "database", told)
    mode = facts.get("journal_mode")
    if mode is not None:
        todo = "Readers and writers wait for each other: is the file on a network disk? Use a local one."
        yield Finding(OK if mode == "wal" else WARN, "journal mode", str(mode), "" if mode == "wal" else todo)
    for setting in ("fsync", "synchronous_commit"):
        if facts.get(setting) == "off":
            yield Finding(WARN, setting, "off: a power cut may lose what was acknowledged", f"Set {setting} = on.")
    if "connections" in facts:
        yield _connections(facts["connections"], facts["connections_allowed"])


def _connections(taken: int, allowed: int) -> Finding:
    """Full, the server takes neither new nodes nor this command."""
    scarce = taken > SCARCE * allowed
    todo = f"Raise max_connections: a process of `rota up` takes {RESTING} at rest, up to {BUSY} for moments."
    told = f"{taken} of {allowed} that the server allows are taken"
    return Finding(WARN if scarce else OK, "connections", told, todo if scarce else "")


def _schema(store: Store) -> Findings:
    found = migrate.peek(store.database)
    if found.current:
        yield Finding(OK, "schema", f"{found.applied}, as this Rota wants it")
        return
    try:
        migrate.demand(found)
    except RotaError as error:
        yield Finding(FAIL, "schema", str(error), error.hint)


def _writing(store: Store) -> Findings:
    store.database.probe()
    yield Finding(OK, "writing", "nobody stands in the way of a write")


def _disk(store: Store) -> Findings:
    path = getattr(store.database, "path", None)
    if path is None:
        return
    free = shutil.disk_usage(path.parent).free
    verdict = FAIL if free < NO_DISK else WARN if free < LITTLE_DISK else OK
    yield Finding(verdict, "disk", f"{free / MIB:,.0f} MiB are free", "" if verdict == OK else "Make room.")


def _clock(store: Store) -> Findings:
    """The database's time is what counts; a machine that is off logs and shows wrong times."""
    skew = store.database.now_us() - time.time_ns() // 1000
    verdict = OK if abs(skew) < SKEW_US else WARN
    side = "behind" if skew > 0 else "ahead of"
    told = f"{span(abs(skew))} {side} the database's" if abs(skew) >= 1_000 else "as the database's"
    yield Finding(verdict, "clock", told, "" if verdict == OK else "Let NTP set this machine's clock.")
    now = store.now_us()
    with store.read() as tx:
        found = ahead(tx, survey(tx, now), Words(now))
    for each in found:
        yield Finding(WARN, "clock", each, TODO)


def _zones() -> Findings:
    from rota.calendar import tzdata_version

    version = tzdata_version()
    if not version[:4].isdigit():
        yield Finding(
            WARN, "time zones", "no zone data was found, or none that tells its version", "pip install tzdata"
        )
        return
    age = time.gmtime().tm_year - int(version[:4])
    old = age >= TZDATA_YEARS
    told = f"tzdata {version}" + (f", {age} years old" if old else "")
    yield Finding(WARN if old else OK, "time zones", told, "pip install --upgrade tzdata" if old else "")


def _extras(database: str) -> Findings:
    have = {
        extra: find_spec(module) is not None for extra, module in (("postgres", "psycopg"), ("holidays", "holidays"))
    }
    told = ", ".join(f"{extra} {'installed' if there else 'not installed'}" for extra, there in have.items())
    needed = database.startswith("postgres") and not have["postgres"]
    todo = "pip install 'rota[postgres]'" if needed else ""
    yield Finding(FAIL if needed else OK, "extras", told, todo)


def _needed_extras(store: Store) -> Findings:
    """A schedule with holidays cannot be judged without the package."""
    if find_spec("holidays") is not None:
        return
    with store.read() as tx:
        for record in schedules.page(tx, limit=10_000):
            if '"holidays"' in json.dumps(json.loads(record.definition)["trigger"]):
                told = f"schedule {record.name} needs the extra holidays"
                yield Finding(FAIL, "extras", told, "pip install 'rota[holidays]'")
                return


def _nodes(store: Store) -> Findings:
    from rota import __version__

    now = store.now_us()
    words = Words(now)
    with store.read() as tx:
        alive = [node for node in survey(tx, now) if node.alive]
    if not alive:
        yield Finding(WARN, "nodes", "none is alive, so nothing runs", "Start one: rota up")
        return
    yield Finding(OK, "nodes", f"{counted(len(alive), 'node')} alive")
    versions = sorted({node.record.version for node in alive} | {__version__})
    mixed = len(versions) > 1
    todo = "Bring them all to one version; mixed ones are for the time of a deployment." if mixed else ""
    yield Finding(WARN if mixed else OK, "versions", ", ".join(versions), todo)
    stale = [(node, duty) for node in alive for duty in node.stale]
    for node, duty in stale:
        since = "has never worked" if duty.ticked_at is None else f"last worked {words.distance(duty.ticked_at)}"
        told = f"the {duty.name} of {node.record.id} {since}{f': {duty.error}' if duty.error else ''}"
        yield Finding(FAIL, "duties", told, f"See its log; restart it: rota node drain {node.record.id}")
    if not stale:
        yield Finding(OK, "duties", "every duty of every node works")


def _strays(store: Store) -> Findings:
    now = store.now_us()
    with store.read() as tx:
        stray_leases = leases.strays(tx, now - OLD_LEASE_US, 10)
        stray_runs = runs.strays(tx, 10)
    for each in stray_leases:
        told = f"{each.name} ran out {Words(now).distance(each.expires_at)} in the hands of {each.holder}"
        yield Finding(WARN, "leases", told, "Its holder died; whoever needs it next takes it. Nothing to do.")
    if stray_runs:
        shown = ", ".join(str(run_id) for run_id in stray_runs)
        todo = "No node will bring them back: rota run cancel, or report it."
        yield Finding(FAIL, "runs", f"runs of nodes that are not in the ledger: {shown}", todo)
    if not stray_leases and not stray_runs:
        yield Finding(OK, "leases", "none was left behind")
