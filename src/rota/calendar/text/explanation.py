"""All there is to know about a cron: what it says, when it fires, what the clock of its zone does to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from rota.calendar.expression import LONGEST_GAP, Cron
from rota.calendar.fields import DAY_OF_MONTH, DAY_OF_WEEK, FIELDS, MONTH, SECOND, values
from rota.calendar.pattern import DAY
from rota.calendar.rhythm import Rhythm, rhythm
from rota.calendar.text.sentence import describe, month_day_words, weekday_words
from rota.calendar.text.words import MONTHS, WEEKDAYS, clock, listed
from rota.calendar.zones import FOREVER
from rota.clock import SECOND as MICROSECONDS
from rota.clock import to_us

_NAMES = {MONTH.name: ["", *MONTHS], DAY_OF_WEEK.name: WEEKDAYS}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRow:
    """One field: its name, its text as given, and the values that it means, in words."""

    name: str
    text: str
    means: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockChange:
    """A coming change of the zone's clock, and what it does to this cron."""

    at: datetime
    """The first moment after the change, in the zone."""
    shift: timedelta
    """How far the clock is put forward; negative when it is put back."""
    effect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    at: datetime
    """In the zone of the cron."""
    wait: timedelta
    """From the moment asked about."""
    note: str = ""
    """``moved from 02:30`` or ``second pass``, where there is something to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    expression: str
    tz: str
    sentence: str
    fields: tuple[FieldRow, ...]
    fixed: bool
    kind: str
    changes: tuple[ClockChange, ...]
    fires: tuple[Fire, ...]
    rhythm: Rhythm
    warnings: tuple[str, ...]

    def to_data(self) -> dict[str, Any]:
        """The explanation as plain JSON data: moments as ISO text, lengths of time in seconds."""
        return {
            "expression": self.expression,
            "tz": self.tz,
            "sentence": self.sentence,
            "fields": [{"name": row.name, "text": row.text, "means": row.means} for row in self.fields],
            "fixed": self.fixed,
            "kind": self.kind,
            "changes": [
                {"at": _iso(each.at), "shift": each.shift.total_seconds(), "effect": each.effect}
                for each in self.changes
            ],
            "fires": [fire_data(fire) for fire in self.fires],
            "rhythm": {
                "per_day": round(self.rhythm.per_day, 4),
                "per_year": round(self.rhythm.per_year, 2),
                "shortest": _seconds(self.rhythm.shortest),
                "longest": _seconds(self.rhythm.longest),
                "days": self.rhythm.days,
            },
            "warnings": list(self.warnings),
        }


def explain(cron: Cron, now: datetime, count: int = 5) -> Explanation:
    """Explain a cron as seen at an aware moment, with its next ``count`` fires."""
    return Explanation(
        expression=cron.expression,
        tz=cron.tz,
        sentence=describe(cron),
        fields=tuple(_rows(cron)),
        fixed=cron.fixed,
        kind=_kind(cron),
        changes=tuple(islice(_changes(cron, now), 2)),
        fires=tuple(next_fires(cron, now, count)),
        rhythm=rhythm(cron, now),
        warnings=cron.warnings,
    )


def next_fires(cron: Cron, after: datetime, count: int, now: datetime | None = None) -> Iterator[Fire]:
    """The next ``count`` fires after a moment; waits are counted from ``now``, or from that moment."""
    for at in islice(cron.fires(after), count):
        yield Fire(at=at, wait=at - (now or after).astimezone(UTC), note=_note(cron, to_us(at) // MICROSECONDS))


def fire_data(fire: Fire) -> dict[str, Any]:
    return {
        "at": _iso(fire.at),
        "utc": _iso(fire.at.astimezone(UTC)),
        "abbreviation": fire.at.tzname(),
        "wait": fire.wait.total_seconds(),
        "note": fire.note,
    }


def _rows(cron: Cron) -> Iterator[FieldRow]:
    pattern = cron.parsed.pattern
    rule = pattern.days
    masks = (pattern.seconds, pattern.minutes, pattern.hours, rule.days, pattern.months, rule.weekdays)
    special = {
        DAY_OF_MONTH.name: [month_day_words(each) for each in rule.special_days],
        DAY_OF_WEEK.name: [weekday_words(each) for each in rule.special_weekdays],
    }
    for field, text, mask in zip(FIELDS, cron.parsed.fields, masks, strict=True):
        if field is SECOND and not cron.parsed.seconds_given:
            continue
        plain = ["every" if mask == field.full else listed(values(mask), _NAMES.get(field.name, ()))] if mask else []
        yield FieldRow(name=field.name, text=text, means="; ".join(plain + special.get(field.name, [])))


def _kind(cron: Cron) -> str:
    if not cron.fixed:
        return "follows the clock: what is skipped does not run, what comes twice runs twice"
    gap = {"after_gap": "runs once, right after the gap", "skip": "does not run"}[cron.gap]
    overlap = {"first": "once, the first time", "second": "once, the second time", "both": "both times"}[cron.overlap]
    return f"fixed times: a skipped one {gap}; a repeated one runs {overlap}"


def _changes(cron: Cron, now: datetime) -> Iterator[ClockChange]:
    for second, before, after in cron.zone.changes_after(to_us(now) // MICROSECONDS):
        at = datetime.fromtimestamp(second, cron.zone.tzinfo)
        effect = _forward(cron, second, before, after) if after > before else _back(cron, second, before, after)
        yield ClockChange(at=at, shift=timedelta(seconds=after - before), effect=effect)


def _forward(cron: Cron, second: int, before: int, after: int) -> str:
    start, end = second + before, second + after
    skipped = cron.parsed.pattern.first_at(start)
    span = f"{_clock(start)} to {_clock(end)} does not exist"
    if skipped >= end:
        return f"{span}; nothing is due in it"
    if not cron.fixed:
        return f"{span}; what is due in it does not run"
    time = f"{_clock(skipped)} does not exist"
    if after - before > LONGEST_GAP:
        return f"{time}; it does not run, for a jump of more than 3 hours is a change of the calendar"
    if cron.gap == "skip":
        return f"{time}; it does not run"
    return f"{time}; runs {_clock(end)} {_abbreviation(cron, second)}"


def _back(cron: Cron, second: int, before: int, after: int) -> str:
    start, end = second + after, second + before
    repeated = cron.parsed.pattern.first_at(start)
    span = f"{_clock(start)} to {_clock(end)} comes twice"
    if repeated >= end:
        return f"{span}; nothing is due in it"
    if not cron.fixed:
        return f"{span}; runs in both passes"
    time = f"{_clock(repeated)} comes twice"
    if cron.overlap == "both":
        return f"{time}; runs twice"
    in_pass = second - 1 if cron.overlap == "first" else second
    return f"{time}; runs once, at {_clock(repeated)} {_abbreviation(cron, in_pass)}"


def _note(cron: Cron, fire: int) -> str:
    start, end, offset = cron.zone.segment(fire)
    before = cron.zone.segment(start - 1)[2]
    after = cron.zone.segment(end)[2] if end < FOREVER else offset
    if cron.fixed and fire == start:
        skipped = cron.parsed.pattern.first_at(start + before)
        if skipped < start + offset:
            return f"moved from {_clock(skipped)}"
    if fire + offset < start + before:
        return "second pass"
    return "first pass" if fire + offset >= end + after else ""


def _clock(local: int) -> str:
    return clock(local % DAY)


def _abbreviation(cron: Cron, second: int) -> str:
    return datetime.fromtimestamp(second, cron.zone.tzinfo).tzname() or ""


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
