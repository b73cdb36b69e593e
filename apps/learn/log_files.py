"""Made-up log files, with what becomes of each: as many names as asked for, each with what was rotated from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.made_up import MadeUp

PRUNING = "learn/daily-log-pruning"
File = dict[str, Any]
MEGABYTE = 2**20


def log_files(made: MadeUp, names: int) -> list[File]:
    """Sizes are of holes: two gigabytes of them take no room."""
    made.count(PRUNING, rotated=0, compressed=0, deleted_age=0, deleted_count=0)
    files = [file for number in range(names) for file in _of_one(made, f"service{number}.log", number)]
    return [*files, *_foreign(made)]


def _of_one(made: MadeUp, name: str, number: int) -> list[File]:
    is_big = number % 5 == 0
    files = [_file(name, 101 * MEGABYTE if is_big else 4_000, made.ago(0, minutes=5))]
    made.count(PRUNING, rotated=is_big)
    match number % 3:
        case 0:  # more than ten, none of them old; one that is rotated now makes one more
            files += [_rotated(made, name, days) for days in range(2, 14)]
            made.count(PRUNING, deleted_count=2 + is_big)
        case 1:  # some that are too old
            files += [_rotated(made, name, days) for days in (3, 7, 28, 33, 60, 400)]
            made.count(PRUNING, deleted_age=3)
        case _:  # some that are still to be compressed
            files += [_rotated(made, name, days, packed=False) for days in (2, 3)]
            files.append(_file(f"{name}.1", 2_000, made.ago(0, minutes=30)))
            made.count(PRUNING, compressed=2)
    return files


def _rotated(made: MadeUp, name: str, days: int, *, packed: bool = True) -> File:
    at = made.ago(days)
    return _file(f"{name}.{at:%Y%m%d}" + (".gz" if packed else ""), 5 * MEGABYTE if packed else 20_000, at)


def _foreign(made: MadeUp) -> list[File]:
    """What no rule is about, whatever its age; and one that nobody has written to for long, which is no reason."""
    old = made.ago(400)
    return [
        _file("notes.txt", 500, old),
        _file("quiet.log", 500, old),
        _file("locked.log.1", 500, made.ago(0, minutes=10)) | {"mode": "400"},
        _file("service0.log.2.gz.tmp", 100, made.ago(0, minutes=20)),
        {"name": "current.log", "symlink": "service0.log"},
    ]


def _file(name: str, size: int, at: datetime) -> File:
    return {"name": name, "size": size, "mtime": at.isoformat()}
