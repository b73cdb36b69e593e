"""What the events that somebody should hear of say to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rota.clock import from_us
from rota.explain.finding import Finding, Severity, finding
from rota.model.duration import show_duration
from rota.model.event import Event
from rota.model.host import gone_words
from rota.shown import counted


@dataclass(frozen=True, slots=True)
class Telling:
    """How one kind of event is told, and how many more of it."""

    severity: Severity
    tell: Callable[[Event], str]
    more: str
    """What so many others did, whether it is one or many."""
    todo: str = ""
    more_todo: str = ""
    noun: str = "more run"


def about(event: Event) -> Finding:
    """What an event says, if it is one of ``TOLD``."""
    telling = TOLD[event.kind]
    todo = telling.todo.format(id=event.run_id)
    return Finding(kind=event.kind, severity=telling.severity, text=telling.tell(event), todo=todo, data=event.data)


def many_more(kind: str, count: int) -> Finding:
    """So many events of one kind that were not told by themselves."""
    telling = TOLD[kind]
    text = telling.more.format(counted(count, telling.noun))
    return finding(kind, text, telling.severity, telling.more_todo, count=count)


def _of_job(text: str) -> Callable[[Event], str]:
    return lambda event: text.format_map(_Words(event))


class _Words(dict[str, Any]):
    """What an event says, with lengths of time as people write them."""

    def __init__(self, event: Event) -> None:
        lengths = {name: event.data.get(name) for name in ("seconds", "took", "timeout")}
        shown = {name: show_duration(length) for name, length in lengths.items() if length is not None}
        super().__init__({**event.data, **shown})

    def __missing__(self, name: str) -> str:
        return "it" if name == "job" else "?"


def _of_fire(verdict: str) -> Callable[[Event], str]:
    def tell(event: Event) -> str:
        data = event.data
        count = data.get("moments")
        when = f"{from_us(data['due_at']).astimezone():%Y-%m-%d %H:%M:%S %Z}"
        moments = f"its due moment {when} was" if count == 1 else f"{count or 'many'} due moments from {when} on were"
        name = event.subject.removeprefix("schedule:")
        return f"schedule {name}: {moments} {verdict}" + (f": {data['reason']}" if data.get("reason") else "")

    return tell


def _expired(event: Event) -> str:
    data = event.data
    if "host" in data:
        return f"{data['job']} expired, as {gone_words(data['host'], data['gone_at'])}"
    within = show_duration((data["expires_at"] - data["due_at"]) / 1_000_000)
    held = f"; it was held: {data['held_for']}" if data["held_for"] else ""
    return f"{data['job']} expired, as it had not begun within {within} of its due moment{held}"


def _waiting(event: Event) -> str:
    about = event.data.get("about")
    return f"{event.data['job']} waits for the signal {event.data['signal']}" + (f": {about}" if about else "")


INFO, WARNING, PROBLEM = Severity.INFO, Severity.WARNING, Severity.PROBLEM
SHOW = "see: rota run show {id}"
TOLD: Mapping[str, Telling] = {
    "run.succeeded": Telling(INFO, _of_job("{job} succeeded"), "{} succeeded"),
    "run.overran": Telling(
        WARNING,
        _of_job("{job} took {took}, longer than its time-out of {timeout}, and did not look at the signal to stop"),
        "{} took longer than their time-out",
    ),
    "run.cancelled": Telling(INFO, _of_job("{job} was cancelled"), "{} ended as cancelled"),
    "run.expired": Telling(
        WARNING,
        _expired,
        "{} expired, as they had not begun in time or their host was gone",
        "see: rota run why {id}",
        "see: rota run ls --state expired",
    ),
    "run.waiting": Telling(INFO, _waiting, "{} began to wait for a signal", "see: rota run why {id}"),
    "run.wait_timed_out": Telling(
        WARNING,
        _of_job("{job} goes on without the signal {signal}, which nobody gave it in time"),
        "{} went on without their signal",
    ),
    "run.rescued": Telling(
        WARNING,
        _of_job("{job} is brought back: its node {node} was lost while it ran"),
        "{} came back from lost nodes",
    ),
    "run.quarantined": Telling(
        PROBLEM,
        _of_job("{job} is given up: its process died while it ran, {crashes} times"),
        "{} ended for good, as the processes that did them died",
        SHOW,
        "see: rota dead ls",
    ),
    "run.refused": Telling(
        WARNING,
        _of_job(
            "{job} ended in attempt {attempt}, but had been given to another node meanwhile; this end does not count"
        ),
        "{} ended after another node had been given it: that does not count",
    ),
    "schedule.set_aside": Telling(
        PROBLEM,
        _of_job("schedule {name} is set aside, as the database refused what it leads to: {why}"),
        "{} set aside",
        more_todo="see: rota status",
        noun="more schedule",
    ),
    "fire.missed": Telling(WARNING, _of_fire("missed"), "{} when due moments were missed", noun="more time"),
    "fire.skipped": Telling(INFO, _of_fire("skipped"), "{} when due moments were skipped", noun="more time"),
}
"""``run.retried`` and ``run.failed`` are not among them: the engine itself logs what failed, wherever it works."""
