"""What is to become of the due moments of a schedule, from its watermark to now. Pure arithmetic.

::

    watermark          now - window          latest      now
        |  older than the window  |  in the window |       |
        |        missed           | by policy: ... | fired |

``latest`` fires the latest and lets it stand for the others; ``none`` fires it only if it is hardly late; ``all`` fires
every one in the window, the newest ``catch_up_cap`` of them, oldest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rota.calendar import Trigger
from rota.model.fire import Verdict
from rota.model.host import ANY_HOST
from rota.model.run import PausedRun
from rota.model.schedule import DAY, Definition

HARDLY_LATE_US = 60_000_000
"""A due moment this recent was met by a node that was there: no catching up, just a slow second."""
COUNTED_AT_MOST = 10_000
SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Moments:
    """One due moment, or a range of them, with one verdict; ``count`` is ``None`` beyond what is worth counting."""

    verdict: Verdict
    first: int
    last: int
    count: int | None
    reason: str | None = None
    hosts: tuple[str, ...] = (ANY_HOST,)
    """For each of them there is a run, where it fires."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Verdicts in order of time; the moments up to ``watermark`` are judged; ``next_due_at``: ``None``, never again."""

    moments: list[Moments]
    watermark: int
    next_due_at: int | None


def plan(definition: Definition, watermark: int, now: int) -> Plan:
    trigger = definition.due
    first = trigger.next_after_us(watermark)
    if first is None or first > now:
        return Plan([], watermark, first)
    following = trigger.next_after_us(first)
    if (following is None or following > now) and now - first <= HARDLY_LATE_US:
        return Plan([_one(first)], first, following)
    latest = trigger.previous_before_us(now + 1) or first
    following = trigger.next_after_us(latest)
    window_from = now - _window_us(definition, latest, following)
    return Plan(_catch_up(definition, first, latest, window_from, now), latest, following)


def _window_us(definition: Definition, latest: int, following: int | None) -> int:
    if definition.catch_up_window is not None:
        return int(definition.catch_up_window * SECOND)
    return max(int(DAY * SECOND), (following or latest) - latest)


def _catch_up(definition: Definition, first: int, latest: int, window_from: int, now: int) -> list[Moments]:
    trigger = definition.due
    if definition.catch_up == "none":
        window_from = max(window_from, now - HARDLY_LATE_US)
    if latest < window_from:
        return [_range(trigger, Verdict.MISSED, first, latest, _late(definition))]
    found: list[Moments] = []
    if first < window_from:
        last_missed = trigger.previous_before_us(window_from)
        found.append(_range(trigger, Verdict.MISSED, first, last_missed or first, _late(definition)))
        first = trigger.next_after_us(last_missed or first) or latest
    if definition.catch_up == "all":
        return found + _all(definition, first, latest)
    if first < latest:
        before = trigger.previous_before_us(latest) or first
        found.append(_range(trigger, Verdict.SUPERSEDED, first, before, "a later moment stands for it"))
    return [*found, _one(latest)]


def given_up(definition: Definition, waited: Sequence[PausedRun], now: int) -> dict[int, str]:
    """Runs that waited while their schedule was paused, and that it does not make up for any more, with the reasons.

    What is hardly late goes on, and so does what had begun.
    """
    last = {run.host: run.id for run in waited}
    latest = definition.trigger.previous_before_us(now + 1) or now
    window_from = now - _window_us(definition, latest, definition.trigger.next_after_us(latest))
    reasons: dict[int, str] = {}
    for run in waited:
        if run.attempts or run.due_at >= now - HARDLY_LATE_US:
            continue
        if definition.catch_up == "none":
            reasons[run.id] = "it is late, and catch_up is none"
        elif run.due_at < window_from:
            reasons[run.id] = "it is older than the catch-up window"
        elif definition.catch_up == "latest" and run.id != last[run.host]:
            reasons[run.id] = "a later moment stands for it"
    return reasons


def _late(definition: Definition) -> str:
    if definition.catch_up == "none":
        return "nobody was there, and catch_up is none"
    return "nobody was there, and it is older than the catch-up window"


def _all(definition: Definition, first: int, latest: int) -> list[Moments]:
    """The newest moments up to the cap; walked backwards, as there may be a great many before."""
    trigger, newest = definition.due, [latest]
    while len(newest) < definition.catch_up_cap and newest[-1] > first:
        earlier = trigger.previous_before_us(newest[-1])
        if earlier is None or earlier < first:
            break
        newest.append(earlier)
    found = [_one(moment) for moment in reversed(newest)]
    if newest[-1] > first:
        before = trigger.previous_before_us(newest[-1]) or first
        reason = f"more were missed than the cap of {definition.catch_up_cap}"
        found.insert(0, _range(trigger, Verdict.MISSED, first, before, reason))
    return found


def _one(moment: int) -> Moments:
    return Moments(Verdict.FIRED, moment, moment, 1)


def _range(trigger: Trigger, verdict: Verdict, first: int, last: int, reason: str) -> Moments:
    return Moments(verdict, first, last, count_moments(trigger, first, last), reason)


def count_moments(trigger: Trigger, first: int, last: int) -> int | None:
    """How many due moments lie from ``first`` through ``last``; ``None``: more than is worth counting."""
    count, moment = 1, first
    while moment < last:
        following = trigger.next_after_us(moment)
        if following is None or following > last:
            break
        moment = following
        count += 1
        if count > COUNTED_AT_MOST:
            return None
    return count
