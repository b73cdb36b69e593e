"""Where a ledger lives: what tells one database from a copy of it. Pure; the store finds the facts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Protocol


class Home(Protocol):
    """A database, with a name for people and the facts that a copy does not share."""

    @property
    def place(self) -> str: ...

    def is_same(self, other: Home) -> bool:
        """Whether what is said of two databases is said of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileHome:
    """A file. Its number and birth go with it where it is mounted; a copy has others, and so has one that was moved to
    another file system."""

    place: str
    number: int
    born: int | None
    """Nanoseconds of UTC; ``None`` where the file system does not tell."""
    volume: int
    host: str
    path: str

    def is_same(self, other: Home) -> bool:
        if not isinstance(other, FileHome) or self.number != other.number:
            return False
        if self.born is not None and other.born is not None:
            return self.born == other.born
        return self.volume == other.volume or (self.host, self.path) == (other.host, other.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHome:
    """A database on a PostgreSQL server. Replicas share all of it, so that a failover changes nothing."""

    place: str
    system: int | None
    """The cluster's identifier; ``None`` where this user may not ask."""
    database: int
    table: int
    """The numbers of the database and of our table in it: new with each restore from a dump."""

    def is_same(self, other: Home) -> bool:
        if not isinstance(other, ServerHome):
            return False
        systems = {self.system, other.system} - {None}
        return len(systems) < 2 and (self.database, self.table) == (other.database, other.table)


_KINDS: dict[str, type[FileHome] | type[ServerHome]] = {"file": FileHome, "server": ServerHome}


def home_to_json(home: FileHome | ServerHome) -> str:
    kind = next(name for name, each in _KINDS.items() if isinstance(home, each))
    return json.dumps({"kind": kind, **asdict(home)})


def home_from_json(text: str) -> FileHome | ServerHome:
    facts = json.loads(text)
    return _KINDS[facts.pop("kind")](**facts)
