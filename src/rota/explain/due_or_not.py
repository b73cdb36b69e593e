"""What the calendar says of one moment of a trigger: due, or why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rota.calendar import AnyOf, Calendar, Calendars, Cron, Excluding, Trigger
from rota.calendar.trigger import Bounded
from rota.calendar.zones import zone
from rota.clock import from_us, to_us
from rota.explain.finding import Finding, finding
from rota.explain.words import SECOND, Words


@dataclass(frozen=True, slots=True)
class Asked:
    """The moment that was asked about, in microseconds; and what is odd about the time on the wall that named it."""

    moment: int
    facts: tuple[Finding, ...] = ()


def asked(at: datetime, trigger: Trigger) -> Asked:
    """A naive datetime is read on the clock of the trigger's zone: one that it skips, or shows twice, says so.

    One without a fraction stands for its whole second, as it is shown: the due moment within is the one that is meant.
    """
    found = _on_the_wall(at, trigger)
    if at.microsecond:
        return found
    due = trigger.next_after_us(found.moment - 1)
    return replace(found, moment=due) if due is not None and due < found.moment + SECOND else found


def _on_the_wall(at: datetime, trigger: Trigger) -> Asked:
    if at.tzinfo is not None:
        return Asked(to_us(at))
    place = ZoneInfo(trigger.tz)
    first, second = (to_us(at.replace(tzinfo=place, fold=fold)) for fold in (0, 1))
    if first == second:
        return Asked(first)
    if from_us(first).astimezone(place).replace(tzinfo=None) != at:
        return _in_gap(at, trigger, second, first)
    return _twice(at, trigger, first, second)


def _in_gap(at: datetime, trigger: Trigger, before: int, after: int) -> Asked:
    """The two readings lie on either side of the change of the clock."""
    change = zone(trigger.tz).segment(before // 1_000_000)[1] * 1_000_000
    shown = f"{from_us(change).astimezone(ZoneInfo(trigger.tz)):%H:%M}"
    text = f"the clock of {trigger.tz} does not show {at:%H:%M} on {at:%Y-%m-%d}: it is put forward to {shown}"
    made_up = _fires_at(trigger, change)
    then = "a fire is made up for then" if made_up else "nothing is made up for"
    return Asked(change if made_up else after, (finding("clock_gap", f"{text}, and {then}", at=change),))


def _twice(at: datetime, trigger: Trigger, first: int, second: int) -> Asked:
    text = f"the clock of {trigger.tz} shows {at:%H:%M} twice on {at:%Y-%m-%d}"
    due = [name for name, moment in (("first", first), ("second", second)) if _fires_at(trigger, moment)]
    which = {
        2: "and it is due both times",
        1: f"and it is due the {''.join(due)} time",
        0: "and it is due neither time",
    }
    chosen = second if due == ["second"] else first
    return Asked(chosen, (finding("clock_overlap", f"{text}, {which[len(due)]}", first=first, second=second),))


def not_due(trigger: Trigger, moment: int, words: Words) -> list[Finding]:
    """Why a moment is no due moment of a trigger; none if it is one."""
    if _fires_at(trigger, moment):
        return []
    found = [*_out_of_bounds(trigger, moment, words), *_excluded(trigger, moment), *_second_pass(trigger, moment)]
    before, after = trigger.previous_before_us(moment), trigger.next_after_us(moment)
    near = [f"the one before is {words.exact(before)}"] if before is not None else []
    near += [f"the next one is {words.exact(after)}"] if after is not None else []
    text = ", ".join([f"{words.exact(moment)} is no due moment", *near])
    return [*found, finding("not_a_due_moment", text, before=before, after=after)]


def _out_of_bounds(trigger: Trigger, moment: int, words: Words) -> list[Finding]:
    if not isinstance(trigger, Bounded):
        return []
    if trigger.first_us is not None and moment < trigger.first_us:
        text = f"its schedule starts not before {words.both(trigger.first_us)}"
        return [finding("not_before", text, starts=trigger.first_us)]
    if trigger.last_us is not None and moment > trigger.last_us:
        return [finding("over", f"its schedule is over since {words.both(trigger.last_us)}", ends=trigger.last_us)]
    return []


def _fires_at(trigger: Trigger, moment: int) -> bool:
    return trigger.next_after_us(moment - 1) == moment


def _parts(trigger: Trigger) -> Iterator[Trigger]:
    yield trigger
    if isinstance(trigger, AnyOf):
        for each in trigger.triggers:
            yield from _parts(each)
    elif isinstance(trigger, (Bounded, Excluding)):
        yield from _parts(trigger.trigger)


def _excluded(trigger: Trigger, moment: int) -> Iterator[Finding]:
    for part in _parts(trigger):
        if isinstance(part, Excluding) and _fires_at(part.trigger, moment):
            for calendar in _flat(part.calendar):
                if calendar.window_us(moment, zone(part.tz)) is not None:
                    yield finding(
                        "excluded", f"it would be due, but the calendar {calendar!r} covers it", calendar=repr(calendar)
                    )


def _flat(calendar: Calendar) -> tuple[Calendar, ...]:
    return calendar.calendars if isinstance(calendar, Calendars) else (calendar,)


def _second_pass(trigger: Trigger, moment: int) -> Iterator[Finding]:
    """The hour that the clock shows twice: a job at fixed times is due in one of the two passes."""
    for part in _parts(trigger):
        if not isinstance(part, Cron) or not part.fixed or part.overlap == "both":
            continue
        here = from_us(moment).astimezone(ZoneInfo(part.tz))
        other = here.replace(fold=1 - here.fold).astimezone(UTC)
        if to_us(other) != moment and _fires_at(part, to_us(other)):
            text = f"the clock of {part.tz} shows {here:%H:%M} twice then, and it is due the {part.overlap} time only"
            yield finding("clock_overlap", text, first=to_us(other), second=moment)
