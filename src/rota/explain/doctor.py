"""Looks for what is wrong with an installation: each finding says how it is, and what to do about it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

from rota.engine.hold import look
from rota.errors import RotaError
from rota.explain import checks
from rota.explain.clock_set_back import clock_set_back
from rota.explain.finding import Finding, Severity, finding
from rota.explain.here import NOWHERE, Here
from rota.explain.words import SECOND, Words, span
from rota.shown import counted
from rota.store import Store, migrate, nodes, schedules

OK, WARN, FAIL = "ok", "warn", "fail"
SKEW_US = 2 * SECOND
TZDATA_YEARS = 2
MIB = 1_048_576
LITTLE_DISK = 1_024 * MIB
NO_DISK = 100 * MIB
SCARCE = 0.8
RESTING, BUSY = 4, 33
"""Connections of one process: see ``rota.store.postgres``."""
EXTRAS = {"postgres": ("psycopg", "psycopg_pool"), "holidays": ("holidays",)}
"""What each extra installs: all of it is needed."""
INFO, WARNING, PROBLEM = Severity.INFO, Severity.WARNING, Severity.PROBLEM
_NAMES = {
    "database_unreachable": "database",
    "read_only": "writing",
    "held": "passport",
    "node_held": "nodes",
    "no_node": "nodes",
    "node_silent": "nodes",
    "duty_stale": "duties",
    "duty_missing": "duties",
    "clock_set_back": "clock",
    "stray_lease": "leases",
    "stray_runs": "runs",
}


def verdict_of(found: Finding) -> str:
    return {WARNING: WARN, PROBLEM: FAIL}.get(found.severity, OK)


def name_of(found: Finding) -> str:
    """What was looked at."""
    return _NAMES.get(found.kind, found.kind.replace("_", " "))


def examine(store: Store, url: str, version: str, here: Here = NOWHERE) -> list[Finding]:
    """Everything, as far as the database answers; ``version`` is that of the Rota which looks."""
    database = check_database(store)
    found = [*_zones(), *_extras(url), *database]
    if not _failed(database):
        for check in (_clock, partial(_nodes, version), partial(_environments, here), _left_behind, _needed_extras):
            found += _safely(check, store)
    return found


def check_database(store: Store) -> list[Finding]:
    """Whether it answers, its set-up, its tables, whether they can be written, the room on its disk."""
    found: list[Finding] = []
    for check in (_setup, _schema, _writing, _disk, _passport):
        found += _safely(check, store)
        if _failed(found):
            break
    return found


def _failed(found: Iterable[Finding]) -> bool:
    return any(each.severity is PROBLEM for each in found)


def _safely(check: Callable[[Store], Iterator[Finding]], store: Store) -> list[Finding]:
    """A check that the database does not answer is a finding too."""
    try:
        return list(check(store))
    except RotaError as error:
        return [checks.unreachable(error)]


def _setup(store: Store) -> Iterator[Finding]:
    path = getattr(store.database, "path", None)
    if path is not None and not path.exists():
        yield finding("database", f"there is no {path} yet", PROBLEM, "make it: rota db init")
        return
    facts = store.database.facts()
    text = f"{facts['kind']} {facts['version']}, {facts['size'] / MIB:,.1f} MiB"
    yield finding("database", text, size=facts["size"])
    mode = facts.get("journal_mode")
    if mode == "wal":
        yield finding("journal_mode", "wal")
    elif mode is not None:
        todo = "readers and writers wait for each other: is the file on a network disk? Use a local one"
        yield finding("journal_mode", str(mode), WARNING, todo)
    for setting in ("fsync", "synchronous_commit"):
        if facts.get(setting) == "off":
            yield finding(setting, "off: a power cut may lose what was acknowledged", WARNING, f"set {setting} = on")
    if "connections" in facts:
        yield _connections(facts["connections"], facts["connections_allowed"])


def _connections(taken: int, allowed: int) -> Finding:
    """Full, the server takes neither new nodes nor this command."""
    text = f"{taken} of {allowed} that the server allows are taken"
    if taken <= SCARCE * allowed:
        return finding("connections", text, taken=taken, allowed=allowed)
    todo = f"raise max_connections: a process of `rota up` takes {RESTING} at rest, up to {BUSY} for moments"
    return finding("connections", text, WARNING, todo, taken=taken, allowed=allowed)


def _schema(store: Store) -> Iterator[Finding]:
    """Without tables of this version nothing works that is looked at here."""
    status = migrate.peek(store.database)
    wrong = [replace(each, severity=PROBLEM) for each in checks.schema(status)]
    yield from wrong or [finding("schema", f"{status.applied}, as this Rota wants it", applied=status.applied)]


def _passport(store: Store) -> Iterator[Finding]:
    """Who the ledger is."""
    with store.read() as tx:
        standing = look(store, tx, None)
        strange = list(checks.strange_nodes(standing, nodes.survey(tx, store.now_us())))
    passport = standing.passport
    named = f"of the environment {passport.environment}" if passport.environment else "of no environment"
    text = f"ledger {passport.id}, {named}, in {passport.database}"
    yield from [*checks.held(standing), *strange] or [
        finding("passport", text, id=passport.id, environment=passport.environment)
    ]


def _writing(store: Store) -> Iterator[Finding]:
    if locked := checks.unwritable(store):
        yield from locked
        return
    store.database.probe()
    yield finding("writing", "nobody stands in the way of a write")


def _disk(store: Store) -> Iterator[Finding]:
    path = getattr(store.database, "path", None)
    if path is None:
        return
    free = shutil.disk_usage(path.parent).free
    severity = PROBLEM if free < NO_DISK else WARNING if free < LITTLE_DISK else INFO
    yield finding(
        "disk", f"{free / MIB:,.0f} MiB are free", severity, "" if severity is INFO else "make room", free=free
    )


def _clock(store: Store) -> Iterator[Finding]:
    """The database's time is what counts; a machine that is off logs and shows wrong times."""
    skew = store.database.now_us() - time.time_ns() // 1000
    side = "behind" if skew > 0 else "ahead of"
    text = f"{span(abs(skew))} {side} the database's" if abs(skew) >= 1_000 else "as the database's"
    wrong = abs(skew) >= SKEW_US
    todo = "let NTP set this machine's clock" if wrong else ""
    yield finding("clock", text, WARNING if wrong else INFO, todo, behind=skew / SECOND)
    now = store.now_us()
    with store.read() as tx:
        yield from clock_set_back(tx, nodes.survey(tx, now), Words(now))


def _zones() -> Iterator[Finding]:
    from rota.calendar import tzdata_version

    version = tzdata_version()
    if not version[:4].isdigit():
        text = "no zone data was found, or none that tells its version"
        yield finding("time_zones", text, WARNING, "install it: pip install tzdata")
        return
    age = time.gmtime().tm_year - int(version[:4])
    old = age >= TZDATA_YEARS
    text = f"tzdata {version}" + (f", {age} years old" if old else "")
    todo = "renew it: pip install --upgrade tzdata" if old else ""
    yield finding("time_zones", text, WARNING if old else INFO, todo, version=version)


def _extras(database: str) -> Iterator[Finding]:
    missing = {extra: [name for name in names if find_spec(name) is None] for extra, names in EXTRAS.items()}
    text = ", ".join(f"{extra} {_installed(extra, lacks)}" for extra, lacks in missing.items())
    needed = database.startswith("postgres") and bool(missing["postgres"])
    todo = "install it: pip install 'rota[postgres]'" if needed else ""
    yield finding("extras", text, PROBLEM if needed else INFO, todo)


def _installed(extra: str, lacks: list[str]) -> str:
    """``installed``, ``not installed``, or ``without psycopg_pool``."""
    if not lacks:
        return "installed"
    return "not installed" if len(lacks) == len(EXTRAS[extra]) else f"without {', '.join(lacks)}"


def _needed_extras(store: Store) -> Iterator[Finding]:
    """A schedule with holidays cannot be judged without the package."""
    if find_spec("holidays") is not None:
        return
    with store.read() as tx:
        for record in schedules.page(tx, limit=10_000):
            if '"holidays"' in json.dumps(json.loads(record.definition)["trigger"]):
                text, todo = (
                    f"schedule {record.name} needs the extra holidays",
                    "install it: pip install 'rota[holidays]'",
                )
                yield finding("extras", text, PROBLEM, todo, schedule=record.name)
                return


def _nodes(version: str, store: Store) -> Iterator[Finding]:
    now = store.now_us()
    words = Words(now)
    with store.read() as tx:
        found = nodes.survey(tx, now)
    alive = [node for node in found if node.alive]
    if not alive:
        # The installation may be at rest: that is for `rota status` to judge.
        yield from (replace(each, severity=WARNING) for each in checks.no_node(found, words))
        return
    yield finding("nodes", f"{counted(len(alive), 'node')} alive", count=len(alive))
    versions = sorted({node.record.version for node in alive} | {version})
    mixed = len(versions) > 1
    todo = "bring them all to one version; mixed ones are for the time of a deployment" if mixed else ""
    yield finding("versions", ", ".join(versions), WARNING if mixed else INFO, todo, versions=versions)
    # An installation is not in order while any duty stands still.
    stale = [replace(each, severity=PROBLEM) for each in checks.stale_duties(alive, words)]
    wrong = [*stale, *checks.missing_duties(alive)]
    yield from wrong or [finding("duties", "every duty of every node works")]


def _environments(here: Here, store: Store) -> Iterator[Finding]:
    with store.read() as tx:
        yield from checks.unnamed_environments(tx, nodes.survey(tx, store.now_us()), here)


def _left_behind(store: Store) -> Iterator[Finding]:
    with store.read() as tx:
        found = [*checks.stray_leases(tx, Words(store.now_us())), *checks.stray_runs(tx)]
    yield from found or [finding("leases", "none was left behind")]
