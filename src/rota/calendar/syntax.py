"""Reads the text of a cron expression into masks; everything it refuses is explained by ``mistakes``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rota.calendar import mistakes
from rota.calendar.days import DayRule, MonthDay, WeekdayOfMonth
from rota.calendar.fields import DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, Field
from rota.calendar.pattern import Pattern
from rota.calendar.piece import Piece

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
SUNDAY = 7

# A long number is out of bounds, but as a step it is only long; \d would take the digits of every script.
_VALUE = "[0-9]{1,99}|[A-Z]{3}"
_ITEM = re.compile(rf"(?:(\*)|({_VALUE})(?:-({_VALUE}))?)(?:/([0-9]{{1,99}}))?", re.IGNORECASE | re.ASCII)
_MONTH_DAY = re.compile(r"(?:L(?:-([0-9]{1,2}))?(W)?|([0-9]{1,2})W)", re.IGNORECASE | re.ASCII)
_WEEKDAY = re.compile(r"([0-7]|[A-Z]{3})(?:L|#([1-5]))", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[^ \t\r\n\f\v]+")


@dataclass(frozen=True, slots=True)
class Expression:
    """What an expression says, without a zone."""

    text: str
    """As given, with single blanks."""
    fields: tuple[str, ...]
    """The six texts, seconds first; five fields have the second ``0``, a macro the fields it stands for."""
    seconds_given: bool
    pattern: Pattern
    fixed: bool
    """No field among second, minute and hour begins with ``*``: the job is at fixed times."""


@lru_cache(maxsize=4096)
def parse(expression: str) -> Expression:
    """Read five fields, six with the seconds first, or a macro; raises ``CronError``."""
    pieces = _split(expression)
    second, minute, hour, day, month, weekday = pieces
    time = _plain(second), _plain(minute), _plain(hour)
    rule = _day_rule(day, weekday)
    pattern = Pattern(*time, _plain(month), rule)
    if not pattern.can_match():
        raise mistakes.never(day, month, weekday)
    words = tuple(expression.split())
    return Expression(
        text=" ".join(words),
        fields=tuple(piece.text for piece in pieces),
        seconds_given=len(words) == len(FIELDS),
        pattern=pattern,
        fixed=not any(piece.text.startswith("*") for piece in (second, minute, hour)),
    )


def _split(expression: str) -> list[Piece]:
    if not expression.isascii():
        raise mistakes.not_ascii(expression)
    words = [(match.group(), match.start()) for match in _WORD.finditer(expression)]
    if words and words[0][0].startswith("@"):
        macro = MACROS.get(words[0][0].lower()) if len(words) == 1 else None
        if macro is None:
            raise mistakes.macro(expression, MACROS)
        words = [(word, 0) for word in macro.split()]
    if len(words) == len(FIELDS) - 1:
        words.insert(0, ("0", 0))
    if len(words) != len(FIELDS):
        raise mistakes.count(expression, [word for word, _ in words])
    return [Piece(expression, field, text, at) for field, (text, at) in zip(FIELDS, words, strict=True)]


def _plain(piece: Piece) -> int:
    mask = 0
    for item in piece.items():
        mask |= _item(item)
    return mask


def _item(piece: Piece) -> int:
    """The mask of ``*``, ``5`` or ``1-5``, each with ``/step`` or without; ``5/15`` goes on to the end."""
    match = _ITEM.fullmatch(piece.text)
    if match is None:
        raise mistakes.item(piece)
    star, first, last, step_text = match.groups()
    field = piece.field
    step = int(step_text) if step_text is not None else 1
    if step == 0:
        raise mistakes.zero_step(piece, match.start(4))
    if star:
        return _mask(field, field.low, field.top, step)
    low = _value(piece, first, match.start(2))
    if last is None:
        return _mask(field, low, max(low, field.top), step) if step_text is not None else 1 << _bit(field, low)
    high = _value(piece, last, match.start(3))
    if field is DAY_OF_WEEK and high == 0 < low:
        high = SUNDAY  # a week that ends at Sunday, FRI-SUN, is read to 7
    if high < low:
        raise mistakes.backwards(piece, low, high, step)
    return _mask(field, low, high, step)


def _value(piece: Piece, text: str, at: int) -> int:
    """A number inside the field's bounds, or one of its words."""
    field = piece.field
    number = int(text) if text.isdigit() else field.words.get(text.upper())
    if number is None or not field.low <= number <= field.high:
        raise mistakes.value(piece.part(text, at))
    return number


def _bit(field: Field, number: int) -> int:
    return number % 7 if field is DAY_OF_WEEK else number


def _mask(field: Field, low: int, high: int, step: int) -> int:
    if step == 1 and high <= field.top:
        return (1 << (high + 1)) - (1 << low)
    mask = 0
    for number in range(low, high + 1, step):
        mask |= 1 << _bit(field, number)
    return mask


def _day_rule(day: Piece, weekday: Piece) -> DayRule:
    days, special_days = _days(day)
    weekdays, special_weekdays = _weekdays(weekday)
    # The first character decides, as in Debian's entry.c: `*/2` and `*,5` count as a star, `1-31` does not.
    both = day.text[0] in "*?" or weekday.text[0] in "*?"
    return _shared_rule(days, tuple(special_days), weekdays, tuple(special_weekdays), both)


# Most expressions mean the same few sets of days: each is worked out once.
_shared_rule = lru_cache(maxsize=1024)(DayRule)


def _days(piece: Piece) -> tuple[int, list[MonthDay]]:
    if piece.text == "?":
        return DAY_OF_MONTH.full, []
    mask, special = 0, []
    for item in piece.items():
        match = _MONTH_DAY.fullmatch(item.text)
        if match is None:
            mask |= _item(item)
        else:
            special.append(_month_day(item, match))
    return mask, special


def _month_day(piece: Piece, match: re.Match[str]) -> MonthDay:
    before_last, weekday, day = match.groups()
    if day is not None:
        return MonthDay(_value(piece, day, match.start(3)), nearest_weekday=True)
    offset = int(before_last or 0)
    if offset >= DAY_OF_MONTH.high:
        raise mistakes.before_last(piece.part(before_last, match.start(1)))
    return MonthDay(offset, from_end=True, nearest_weekday=weekday is not None)


def _weekdays(piece: Piece) -> tuple[int, list[WeekdayOfMonth]]:
    if piece.text == "?":
        return DAY_OF_WEEK.full, []
    mask, special = 0, []
    for item in piece.items():
        match = _WEEKDAY.fullmatch(item.text)
        if match is None:
            mask |= _item(item)
        else:
            weekday = _value(item, match.group(1), 0) % 7
            special.append(WeekdayOfMonth(weekday, int(match.group(2)) if match.group(2) else "last"))
    return mask, special
