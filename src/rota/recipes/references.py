"""What refers to a file: columns, and how a name is found in what they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sqlalchemy import Connection, select

_UPLOAD = re.compile(r"/uploads/([^\s\"'<>()\[\]\\?#]+)")


def in_urls(value: Any) -> set[str]:
    """What stands behind ``/uploads/`` anywhere in a text, whatever host, query or further path it has."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    found: set[str] = set()
    for rest in {*_UPLOAD.findall(text), *_UPLOAD.findall(unquote(text))}:
        name = unquote(rest).rstrip(".,;:!/")
        found |= {name, name.partition("/")[0], name.rpartition("/")[2]}
    return found


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names files; ``extract`` finds the names in a value. ``Reference(posts.c.upload_id, str)`` is for a
    column that holds the key of an upload, or its path, and nothing else."""

    column: Any
    extract: Callable[[Any], Iterable[str] | str] = in_urls

    def names(self, connection: Connection) -> Iterator[str]:
        """Without regard to case."""
        values = select(self.column).where(self.column.is_not(None)).execution_options(yield_per=1_000)
        with connection.execute(values) as rows:
            for value in rows.scalars():
                found = self.extract(value)
                yield from (each.casefold() for each in ([found] if isinstance(found, str) else found))
