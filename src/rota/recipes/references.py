"""What refers to a file: columns, and how a name is found in what they hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from html import unescape
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

from sqlalchemy import Connection, select

NESTED = 3
_UPLOAD = re.compile(r"/uploads/([^\s\"'<>()\[\]\\?#]+)")
_PLACE = re.compile(r"uploads/([^\s\"'<>()\[\]?#]*)")
_END = re.compile(r"(?![\w-])(?!\.\w)")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([^\w\s]))")


def in_urls(value: Any) -> set[str]:
    """What stands behind ``/uploads/`` anywhere in a text, whatever host, query or further path it has."""
    found: set[str] = set()
    for text in _readings(value):
        for rest in _UPLOAD.findall(text):
            name = unquote(rest).rstrip(".,;:!/")
            found |= {name, name.partition("/")[0], name.rpartition("/")[2]} if "\0" not in name else set()
    return found


def normal(name: str) -> str:
    """Without regard to case, and to whether an accent is a letter of its own."""
    return normalize("NFC", normalize("NFC", name).casefold())


def mentioned(value: Any, wanted: Container[str], lengths: Sequence[int]) -> Iterator[str]:
    """Those of the ``wanted`` names, normal and of these lengths, that a text may mean. Only who knows a name sees
    where it ends: it may have spaces, brackets and quotes. Rather one too many than one too few."""
    for text in {normal(each) for each in _readings(value)}:
        for found in _PLACE.finditer(text):
            slashes = (at for at in range(*found.span(1)) if text[at] == "/")
            for start in (found.start(1), *(at + 1 for at in slashes)):
                rest = text[start : start + lengths[-1] + 2]
                for length in lengths:
                    if len(rest) >= length and _END.match(rest, length):
                        yield from (each for each in (rest[:length], rest[:length].replace("+", " ")) if each in wanted)


def _readings(value: Any) -> set[str]:
    """A text as it is, and without the escapes of URLs, HTML and JSON, however they are nested."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    found, new = {text}, {text}
    for _ in range(NESTED):
        new = {read(each) for each in new for read in (unquote, unescape, _without_backslashes)} - found
        found |= new
    return found


def _without_backslashes(text: str) -> str:
    if "\\" not in text:
        return text
    plain = _ESCAPE.sub(lambda found: chr(int(found[1] or found[2], 16)) if found[1] or found[2] else found[3], text)
    return plain.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two escapes may be one character


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that names files; ``extract`` finds the names in a value. ``Reference(posts.c.upload_id, str)`` is for a
    column that holds the key of an upload, or its path, and nothing else."""

    column: Any
    extract: Callable[[Any], Iterable[str] | str] = in_urls

    def names(self, connection: Connection, wanted: Set[str] = frozenset()) -> Iterator[str]:
        """All that is extracted; and of the ``wanted`` also those that a text may mean, where it is free text."""
        lengths = sorted({len(each) for each in wanted}) if self.extract is in_urls else []
        values = select(self.column).where(self.column.is_not(None)).execution_options(yield_per=1_000)
        with connection.execute(values) as rows:
            for value in rows.scalars():
                found = self.extract(value)
                yield from (normal(each) for each in ([found] if isinstance(found, str) else found))
                if lengths:
                    yield from mentioned(value, wanted, lengths)
