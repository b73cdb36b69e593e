"""What can be stored: JSON, checked before it is lost in a log file."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from rota.errors import PayloadError
from rota.shown import shown

KEY_CHARACTERS = 500
DEEPEST = 100
"""Lists and dicts in each other."""
_PLAIN = (str, bool, type(None))
_TEXT = frozenset({str})
_CONTAINERS = (dict, list, tuple)


def dump(value: Any, path: str, limit: int | None = None) -> str:
    """The value as JSON text.

    Raises:
        PayloadError: something in it has no JSON form (its ``path`` says where), or the text is longer than ``limit``.
    """
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError):
        raise _offence(value, path) from None
    if not (_is_flat(value, text) or _is_plain(value, text.count("{") + text.count("["))):
        raise _offence(value, path)
    if limit is not None and len(text) > limit:
        raise PayloadError(
            f"{path} is {len(text):,} bytes long, more than the {limit:,} allowed",
            path=path,
            hint="Store it in your own table or file, and pass its key.",
        )
    return text


def load(text: str) -> Any:
    """The value of text that ``dump`` made; there is no white space around it to look for."""
    return _decode(text)[0]


def storable(text: str) -> str:
    """Text that both databases can hold as it stands: no NUL, no half of a surrogate pair."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


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


_decode = json.JSONDecoder().raw_decode
_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def _is_flat(value: Any, text: str) -> bool:
    """Whether it is a dict with text for keys and nothing nested in it, as most arguments are: a quick look."""
    return (
        value.__class__ is dict and _TEXT.issuperset(map(type, value)) and text.find("{", 1) < 0 and text.find("[") < 0
    )


def _is_plain(value: Any, containers: int) -> bool:
    """Whether all keys are text (the encoder would make text of others, and say nothing), and nothing is too deep.

    There are at most so many ``containers`` (lists and dicts) in it, so that mostly there is one to look at.
    """
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(DEEPEST):
        if any(_has_odd_key(each) for each in level if isinstance(each, dict)):
            return False
        containers -= len(level)
        if containers > 0:
            insides = (each.values() if isinstance(each, dict) else each for each in level)
            level = [each for inside in insides for each in inside if isinstance(each, _CONTAINERS)]
        if containers <= 0 or not level:
            return True
    return False


def _has_odd_key(value: dict[Any, Any]) -> bool:
    return not _TEXT.issuperset(map(type, value)) and not all(isinstance(key, str) for key in value)


class _Found(NamedTuple):
    """The first thing, in reading order, that has no JSON form."""

    path: str
    what: str
    hint: str


def _offence(value: Any, path: str) -> PayloadError:
    found = _find(value, path, 0) or _nothing(value, path)
    return PayloadError(f"{found.path}: {found.what}", path=found.path, hint=found.hint)


_TOO_MANY_DIGITS = (
    "an integer of so many digits is nothing that JSON can hold",
    "Pass hex(number), and int(text, 16) it in the job.",
)


def _nothing(value: Any, path: str) -> _Found:
    kind = f"{value} is" if isinstance(value, float) else f"a {type(value).__name__} is"
    hint = _HINTS.get(type(value).__name__, "Pass text, numbers, booleans, None, and lists and dicts of them.")
    return _Found(path, f"{kind} nothing that JSON can hold", hint)


def _find(value: Any, path: str, depth: int) -> _Found | None:
    if isinstance(value, float):
        return None if math.isfinite(value) else _nothing(value, path)
    if isinstance(value, int):
        return None if _is_writable(value) else _Found(path, *_TOO_MANY_DIGITS)
    if isinstance(value, _PLAIN):
        return None
    if depth >= DEEPEST:
        return _Found(path, f"it is nested more than {DEEPEST} deep", "Pass a flatter value, or the key of a file.")
    if isinstance(value, dict):
        return _find_in_dict(value, path, depth)
    if isinstance(value, (list, tuple)):
        for place, item in enumerate(value):
            if found := _find(item, f"{path}[{place}]", depth + 1):
                return found
        return None
    return _nothing(value, path)


def _find_in_dict(value: dict[Any, Any], path: str, depth: int) -> _Found | None:
    for key, item in value.items():
        if not isinstance(key, str):
            what = f"a key of a dict is text in JSON, and this is a {type(key).__name__}"
            return _Found(
                f"{path}.{shown(key)} (the key)", what, "Pass {str(key): value}, and turn the keys back in the job."
            )
        if found := _find(item, f"{path}.{key}", depth + 1):
            return found
    return None


def _is_writable(number: int) -> bool:
    """Python writes, and reads, no integer of more than some thousands of digits."""
    try:
        return bool(str(number))
    except ValueError:
        return False


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
