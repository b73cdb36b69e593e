"""What the events that somebody should hear of say to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rota.clock import from_us
from rota.explain.finding import Finding, Severity, finding
from rota.model.duration import show_duration
from rota.model.event import Event


@dataclass(frozen=True, slots=True)
class Telling:
    """How one kind of event is told, and how many more of it."""

    severity: Severity
    tell: Callable[[Event], str]
    more: str
    todo: str = ""
    more_todo: str = ""


def about(event: Event) -> Finding:
    """What an event says, if it is one of ``TOLD``."""
    telling = TOLD[event.kind]
    todo = telling.todo.format(id=event.run_id)
    return Finding(kind=event.kind, severity=telling.severity, text=telling.tell(event), todo=todo, data=event.data)


def many_more(kind: str, count: int) -> Finding:
    """So many events of one kind that were not told by themselves."""
    telling = TOLD[kind]
    return finding(kind, telling.more.format(f"{count:,}"), telling.severity, telling.more_todo, count=count)


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


INFO, WARNING, PROBLEM = Severity.INFO, Severity.WARNING, Severity.PROBLEM
SHOW = "see: rota run show {id}"
TOLD: Mapping[str, Telling] = {
    "run.succeeded": Telling(INFO, _of_job("{job} succeeded"), "{} more runs succeeded"),
    "run.retried": Telling(
        WARNING,
        _of_job("{job} failed in attempt {attempt}: {error}; it is tried again in {seconds}"),
        "{} more attempts failed and are tried again",
        more_todo="see: rota run ls --state scheduled",
    ),
    "run.failed": Telling(
        PROBLEM,
        _of_job("{job} failed for good in attempt {attempt}: {error}"),
        "{} more runs failed for good",
        SHOW,
        "see: rota dead ls",
    ),
    "run.overran": Telling(
        WARNING,
        _of_job("{job} took {took}, longer than its time-out of {timeout}, and did not look at the signal to stop"),
        "{} more runs took longer than their time-out",
    ),
    "run.cancelled": Telling(INFO, _of_job("{job} was cancelled"), "{} more runs were cancelled"),
    "run.rescued": Telling(
        WARNING,
        _of_job("{job} is brought back: its node {node} was lost while it ran"),
        "{} more runs are brought back from lost nodes",
    ),
    "run.quarantined": Telling(
        PROBLEM,
        _of_job("{job} is given up: its node was lost while it ran, {crashes} times"),
        "{} more runs are given up, as their nodes were lost while they ran",
        SHOW,
        "see: rota dead ls",
    ),
    "run.refused": Telling(
        WARNING,
        _of_job(
            "{job} ended in attempt {attempt}, but had been given to another node meanwhile; this end does not count"
        ),
        "{} more ends of runs that had been given to other nodes do not count",
    ),
    "schedule.set_aside": Telling(
        PROBLEM,
        _of_job("schedule {name} is set aside, as the database refused what it leads to: {why}"),
        "{} more schedules are set aside",
        more_todo="see: rota status",
    ),
    "fire.missed": Telling(WARNING, _of_fire("missed"), "{} more times due moments were missed"),
    "fire.skipped": Telling(INFO, _of_fire("skipped"), "{} more times due moments were skipped"),
}
"""``run.timed_out`` is not among them: ``run.retried`` or ``run.failed`` follows it, with the same error."""
