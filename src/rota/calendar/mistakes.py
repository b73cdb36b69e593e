"""What is wrong with an expression and what was probably meant: read only once ``syntax`` has refused it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from rota.calendar.fields import DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, MONTH, Field
from rota.calendar.piece import Piece
from rota.errors import CronError

_ZONE = re.compile(r"(?:CRON_)?TZ=(\S*)", re.IGNORECASE)
_EVERY = re.compile(r"@every\s+(\S+)", re.IGNORECASE)


class _Slip(NamedTuple):
    """A form that people write and what they mean by it; ``hint`` may name the parts that ``pattern`` found."""

    fields: set[str]
    pattern: str
    hint: str


_ANY = {field.name for field in FIELDS}
_DAY, _WEEKDAY = {DAY_OF_MONTH.name}, {DAY_OF_WEEK.name}
_SLIPS = [  # the first that fits is told
    _Slip(_WEEKDAY, r"\w+#([06-9]|\d\d+)", "no month has a {0}th one; allowed: 1 to 5, as in FRI#2"),
    _Slip(_WEEKDAY, r".*#.*", "a weekday and which one of the month, 1 to 5: FRI#2"),
    _Slip(_WEEKDAY, r"L(\d)", "the letter goes last: {0}L"),
    _Slip(_WEEKDAY, r"L", "the last Saturday is SATL, the last day of the month is L in the day-of-month field"),
    _Slip(_DAY, r".*#.*", "# belongs to the day-of-week field: FRI#2"),
    _Slip(_DAY, r"W(\d+)", "the letter goes last: {0}W"),
    _Slip(_ANY, r".*\?.*", "? stands alone, in a day field; write * for every {field}"),
    _Slip(_ANY - _DAY - _WEEKDAY, r".*[LW#].*", "L, W and # belong to the day fields"),
    _Slip(_ANY, r"/([0-9]+)", "a step needs a start: */{0}"),
    _Slip(_ANY, r".*/", "a step needs a number: {text}2"),
    _Slip(_WEEKDAY, r".*[/.].*[A-Z].*|[A-Z]{4}.*", "leave only the fields: a command is no part of the expression"),
    _Slip(_ANY, r"H(?:/.*)?", "H is Jenkins'; choose a value, or use the schedule's jitter"),
    _Slip(_ANY, r".*~.*", "a random time is not a schedule; choose a value, or use the schedule's jitter"),
    _Slip(_ANY, r".*[LW].*", "L and W stand without ranges and steps: L, L-3, LW, 15W, FRIL"),
]
_NAMED_INTERVALS = {"minute": "* * * * *", "second": "* * * * * *"}


def not_text(expression: object) -> CronError:
    return CronError(f"a cron expression is text, not {type(expression).__name__}", hint='as in "0 6 * * MON-FRI"')


def not_ascii(expression: str) -> CronError:
    at = next(place for place, character in enumerate(expression) if not character.isascii())
    return CronError(
        f"{expression[at]!r} has no place in a cron expression",
        expression=expression,
        span=(at, at + 1),
        hint="write it with plain ASCII letters and digits",
    )


def macro(expression: str, macros: Iterable[str]) -> CronError:
    text = expression.strip()
    return CronError(
        f"{text} is not one of the macros",
        expression=expression,
        span=_trimmed(expression),
        hint=_macro_hint(text, list(macros)),
    )


def _macro_hint(text: str, macros: list[str]) -> str:
    name = text.split()[0].lower()
    interval = _EVERY.match(text)
    if interval:
        return f'for a fixed interval use every("{interval.group(1)}")'
    if name == "@reboot":
        return "a schedule is about time; do it where your program starts"
    if name.removeprefix("@every_") in _NAMED_INTERVALS:
        return f"write {_NAMED_INTERVALS[name.removeprefix('@every_')]}"
    if name in macros:
        return f"a macro stands alone: {name}"
    return _close(name, macros) or f"the macros are {', '.join(macros)}"


def count(expression: str, words: list[str]) -> CronError:
    zone = _ZONE.match(words[0]) if words else None
    if zone:
        return CronError(
            "a time zone is no part of the expression",
            expression=expression,
            span=_trimmed(expression, words[0]),
            hint=f'give it beside the expression: tz="{zone.group(1)}"',
        )
    if not words:
        return CronError("the expression is empty", hint='as in "0 6 * * MON-FRI"')
    return CronError(
        f"{len(words)} {'field' if len(words) == 1 else 'fields'}; there are 5, or 6 with the seconds first",
        expression=expression,
        span=_trimmed(expression),
        hint=_count_hint(words),
    )


def _count_hint(words: list[str]) -> str:
    if len(words) == 7:
        return f"years, as Quartz has them, are not supported; drop the last field: {' '.join(words[:6])}"
    if len(words) > 7:
        return "is there a comment or a command behind the expression? leave only the fields"
    return "minute, hour, day of month, month, day of week: as in 0 6 * * MON-FRI"


def item(piece: Piece) -> CronError:
    """An item that has no known form."""
    text, upper = piece.text, piece.text.upper()
    if not text:
        return piece.error("an item of the list is missing", "remove the comma, or write the value it should part")
    if _ZONE.match(text):
        return count(piece.expression, [text])
    if re.fullmatch(r"[A-Z]{2,}", upper) and (word := _close_word(piece.field, upper)):
        return piece.error(f"{text} is not a {piece.field.name}", word)
    return piece.error(f"{text} cannot be read", _form_hint(piece.field, upper))


def _form_hint(field: Field, text: str) -> str:
    for slip in _SLIPS:
        match = re.fullmatch(slip.pattern, text, re.DOTALL)
        if match and field.name in slip.fields:
            return slip.hint.format(*match.groups(), text=text, field=field.name)
    return f"allowed: {field.allowed}, *, ranges a-b, lists a,b and steps */n"


def value(piece: Piece) -> CronError:
    """A number out of bounds, or a word that the field does not know."""
    field, text = piece.field, piece.text
    if not text.isdigit():
        hint = _close_word(field, text.upper()) or f"allowed: {field.allowed}"
        return piece.error(f"{text} is not a {field.name}", hint)
    return piece.error(f"{text} is outside {field.low}-{field.high}", _bounds_hint(field, int(text)))


def _bounds_hint(field: Field, number: int) -> str:
    allowed = f"allowed: {field.allowed}"
    if number == field.high + 1 and field.low == 0 and field is not DAY_OF_WEEK:
        return f"{allowed}; the full round is 0"
    if field is DAY_OF_WEEK and number >= 1970:
        return f"{allowed}; years are not supported, and of six fields the first is the second"
    if field is DAY_OF_WEEK:
        return f"{allowed}; 0 and 7 are Sunday"
    return allowed


def before_last(piece: Piece) -> CronError:
    return piece.error(f"L-{piece.text} leaves every month", "allowed: L-0 to L-30")


def zero_step(piece: Piece, offset: int) -> CronError:
    step = piece.text[offset:]
    start = piece.text[: offset - 1]
    return piece.part(step, offset).error("a step of 0 never moves on", f"write {start}/1, or only {start}")


def backwards(piece: Piece, low: int, high: int, step: int) -> CronError:
    return piece.error("the range goes backwards", f"write {_unwrapped(piece, low, high, step)}")


def _unwrapped(piece: Piece, low: int, high: int, step: int) -> str:
    """The same round as a list: ``22-2`` is ``22-23,0-2`` and ``FRI-MON`` is ``FRI-SUN,MON``."""
    field = piece.field
    if field is DAY_OF_WEEK and low == 7:
        low = 0
    top = field.top
    size = top - field.low + 1
    if step > 1:
        round_ = range(low, (high if high >= low else high + size) + 1, step)
        return ",".join(str(field.low + (number - field.low) % size) for number in round_)
    if field is DAY_OF_WEEK and low == 0:
        return _range(field, piece, low, high)
    # Sunday closes the week, so that nobody writes FRI-SAT,SUN-MON.
    end, begin = (7, 1) if field is DAY_OF_WEEK else (top, field.low)
    return f"{_range(field, piece, low, end)},{_range(field, piece, begin, high)}"


def _range(field: Field, piece: Piece, low: int, high: int) -> str:
    names = {number: word for word, number in field.words.items()}
    if field is DAY_OF_WEEK:
        names[7] = "SUN"
    in_words = any(character.isalpha() for character in piece.text)
    first, last = (names[low], names[high]) if in_words else (str(low), str(high))
    return first if low == high else f"{first}-{last}"


def never(day: Piece, month: Piece, weekday: Piece) -> CronError:
    start, end = min(day.at, weekday.at), weekday.at + len(weekday.text)
    return CronError(
        f"day of month {day.text} in month {month.text} on weekday {weekday.text} never comes",
        expression=day.expression,
        span=(start, end),
        field=DAY_OF_MONTH.name,
        hint="L is the last day of a month, whatever its length",
    )


def _close_word(field: Field, text: str) -> str:
    candidates = list(field.words)
    if field in (MONTH, DAY_OF_WEEK) and text[:3] in field.words:
        return f"write {text[:3]}"
    return _close(text, candidates)


def _close(text: str, candidates: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(text, candidates, n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def _trimmed(expression: str, word: str | None = None) -> tuple[int, int]:
    """The span of a word, or of all that is not blank."""
    start = len(expression) - len(expression.lstrip())
    return start, start + len(word if word is not None else expression.strip())
