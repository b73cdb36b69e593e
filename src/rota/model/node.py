"""A node: one start of a process that works; and how it is set up."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from rota.model.settings import NodeSettings as NodeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRecord:
    """A node as the ledger holds it; moments are microseconds of UTC."""

    id: str
    host: str
    """As it is named in the settings, or by the machine: what runs are kept for."""
    machine: str
    """See ``machine_identity``."""
    pid: int
    version: str
    queues: str
    owner: str
    """The application that it works for, and its version of that."""
    release_id: str
    environment: str | None
    threads: int
    started_at: int
    seen_at: int
    lease_until: int
    running: int
    """All attempts under way, those in slots too."""
    slots: int
    """Attempts at one time in processes of their own, as of its last heartbeat; 0 where it can start none."""
    slots_busy: int
    rss: int | None
    draining_at: int | None
    stopped_at: int | None
    lost_at: int | None
    blocking: str | None
    """The run whose body blocks its event loop, as JSON: see ``Blocked``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """An event loop that one body keeps for itself."""

    run: int
    job: str
    since: int
    """Microseconds of UTC."""
    where: str
    """``jobs.py:17 in sync``."""


class Slots(NamedTuple):
    """What a node has for attempts in processes of their own."""

    number: int = 0
    busy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNode:
    """A node about to be registered; ``queues`` joined by commas."""

    id: str
    host: str
    machine: str
    pid: int
    version: str
    queues: str
    owner: str
    release_id: str
    threads: int
    environment: str | None = None
    slots: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProcess:
    """Where the process of a node is: on which machine (see ``machine_identity``), under which number."""

    id: str
    machine: str
    pid: int


class NodeState(StrEnum):
    ALIVE = "alive"
    DRAINING = "draining"
    """Alive; it finishes what it has, and stops."""
    LAPSED = "lapsed"
    """Its lease has run out, and nobody has given it up for lost yet."""
    LOST = "lost"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyRecord:
    """A duty's own heartbeat; ``patience`` is how old it may be, in microseconds, before somebody should look."""

    node: str
    name: str
    ticked_at: int | None
    failed_at: int | None
    error: str | None
    patience: int
    unable: str | None = None
    """The schedules that the node cannot judge, as JSON: each with the reason."""

    @property
    def cannot_judge(self) -> Mapping[str, str]:
        """Schedules, each with the reason."""
        found: dict[str, str] = json.loads(self.unable) if self.unable else {}
        return found

    def stale(self, now_us: int, started_at: int) -> bool:
        """One that has not ticked yet is given its time from the start of its node on."""
        return now_us - (started_at if self.ticked_at is None else self.ticked_at) > self.patience


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """A node with its duties' heartbeats; one whose process never had its duties started has none."""

    record: NodeRecord
    state: NodeState
    duties: tuple[DutyRecord, ...]
    stale: tuple[DutyRecord, ...]
    """The duties that have not worked for longer than anybody should be patient."""

    @property
    def blocked(self) -> Blocked | None:
        return Blocked(**json.loads(self.record.blocking)) if self.alive and self.record.blocking else None

    @property
    def alive(self) -> bool:
        return self.state in {NodeState.ALIVE, NodeState.DRAINING}

    def serves(self, queue: str) -> bool:
        return bool({"*", queue} & set(self.record.queues.split(",")))

    def does(self, duty: str) -> bool:
        return not self.duties or any(each.name == duty for each in self.duties)


def state_of(record: NodeRecord, now_us: int) -> NodeState:
    if record.stopped_at is not None:
        return NodeState.STOPPED
    if record.lost_at is not None:
        return NodeState.LOST
    if record.lease_until < now_us:
        return NodeState.LAPSED
    return NodeState.DRAINING if record.draining_at is not None else NodeState.ALIVE


def new_node_id() -> str:
    """Unique for every start of a process: names of hosts and numbers of processes come again."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


@cache
def machine_identity() -> str:
    """Two nodes of one identity see each other's processes by number: a machine, or a container on it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        space = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}/{space}"
