"""What can be stored: JSON, checked before it is lost in a log file."""

from __future__ import annotations

import json
import math
from typing import Any

from rota.errors import PayloadError

KEY_CHARACTERS = 500
_PLAIN = (str, int, bool, type(None))


def dump(value: Any, path: str, limit: int | None = None) -> str:
    """The value as JSON text.

    Raises:
        PayloadError: something in it has no JSON form (its ``path`` says where), or the text is longer than ``limit``.
    """
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):
        raise _offence(value, path) from None
    if limit is not None and len(text) > limit:
        raise PayloadError(
            f"{path} is {len(text):,} bytes long, more than the {limit:,} allowed",
            path=path,
            hint="Store it in your own table or file, and pass its key.",
        )
    return text


_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _offence(value: Any, path: str) -> PayloadError:
    found = _find(value, path, 0)
    where, what = found or (path, value)
    hint = _HINTS.get(type(what).__name__, "Pass text, numbers, booleans, None, and lists and dicts of them.")
    kind = f"{what} is" if isinstance(what, float) else f"a {type(what).__name__} is"
    return PayloadError(f"{where}: {kind} nothing that JSON can hold", path=where, hint=hint)


def _find(value: Any, path: str, depth: int) -> tuple[str, Any] | None:
    """The first thing, in reading order, that has no JSON form."""
    if isinstance(value, float):
        return None if math.isfinite(value) else (path, value)
    if isinstance(value, _PLAIN):
        return None
    if depth > 100:
        return path, value
    if isinstance(value, dict):
        return _find_in_dict(value, path, depth)
    if isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            if found := _find(item, f"{path}[{place}]", depth + 1):
                return found
        return None
    return path, value


def storable(text: str) -> str:
    """Text that both databases can hold as it stands: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _find_in_dict(value: dict[Any, Any], path: str, depth: int) -> tuple[str, Any] | None:
    for key, item in value.items():
        if not isinstance(key, (*_PLAIN, float)):
            return f"{path}.{key!r} (the key)", key
        if found := _find(item, f"{path}.{key}", depth + 1):
            return found
    return None


def key(text: str, what: str) -> str:
    """Text as it may stand in an index of both databases; raises ``PayloadError`` for more than that takes."""
    text = storable(text)
    if len(text) > KEY_CHARACTERS:
        raise PayloadError(
            f"{what} is {len(text):,} characters long, more than the {KEY_CHARACTERS} allowed",
            path=what,
            hint="Use a digest: hashlib.blake2b(text.encode()).hexdigest().",
        )
    return text


_HINTS = {
    "datetime": "Pass moment.isoformat(), and datetime.fromisoformat() it in the job.",
    "date": "Pass day.isoformat(), and date.fromisoformat() it in the job.",
    "UUID": "Pass str(uuid).",
    "Decimal": "Pass str(amount), and Decimal() it in the job.",
    "set": "Pass sorted(the_set).",
    "frozenset": "Pass sorted(the_set).",
    "bytes": "Pass base64 text, or store them and pass their key.",
    "float": "NaN and infinity have no JSON form: pass None.",
    "PosixPath": "Pass str(path).",
}


def load(text: str) -> Any:
    """The value of text that ``dump`` made; there is no white space around it to look for."""
    return _decode(text)[0]
