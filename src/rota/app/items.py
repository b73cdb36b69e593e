"""The ledger's records as plain values, under the names that every JSON answer uses. Moments are aware datetimes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rota.clock import from_us
from rota.errors import RotaError
from rota.explain.finding import Finding
from rota.explain.mode import mode_of
from rota.explain.status import Status, health_of
from rota.explain.why import Why
from rota.explain.why_schedule import standing
from rota.model.event import Event
from rota.model.figures import Figures
from rota.model.fire import FireRecord
from rota.model.node import NodeStatus
from rota.model.queue import QueueStatus
from rota.model.run import AttemptRecord, RunRecord
from rota.model.schedule import ScheduleRecord
from rota.model.secret import masked
from rota.model.signal import SignalRecord
from rota.model.step import StepRecord

Item = dict[str, Any]
_HIDDEN = {"definition", "declared", "owner", "watermark"}
_RUN_JSON = ("arguments", "checkpoint", "result")
_SCHEDULE_POLICIES = (
    "catch_up",
    "catch_up_window",
    "catch_up_cap",
    "overlap",
    "each",
    "jitter",
    "queue",
    "priority",
    "start_within",
    "starts",
    "ends",
)


def run_item(record: RunRecord) -> Item:
    """A run as it stands in a list."""
    values = _plain({name: getattr(record, name) for name in record.__slots__ if name not in _RUN_JSON})
    values["host"] = record.host or None
    done, total = values.pop("progress_done"), values.pop("progress_total")
    name, until, about = (values.pop(f"waits_{each}") for each in ("for", "until", "about"))
    return {
        **values,
        "progress": None if done is None else {"done": done, "total": total},
        "waits": None if name is None else {"for": name, "until": _moment(until), "about": about},
    }


def run_document(
    record: RunRecord,
    attempts: Sequence[AttemptRecord] = (),
    events: Sequence[Event] | None = None,
    secret_words: Iterable[str] = (),
    signals: Sequence[SignalRecord] = (),
    steps: Sequence[StepRecord] = (),
) -> Item:
    """One run with all that is kept of it; arguments that are secret by their name are masked.

    With its ``events`` it is known how its node had it done: ``applied_mode``.
    """
    values = {name: _json(getattr(record, name)) for name in _RUN_JSON}
    values["arguments"] = masked(values["arguments"], secret_words)
    if events is not None:
        values["applied_mode"] = mode_of(record, events).applied
    tries = [attempt_item(each) for each in attempts]
    return {
        **run_item(record),
        **values,
        "attempts": tries,
        "signals": [signal_item(each, secret_words) for each in signals],
        "steps": [step_item(each) for each in steps],
        "events": [event_item(each) for each in events or ()],
    }


def attempt_item(record: AttemptRecord) -> Item:
    return _plain({name: getattr(record, name) for name in record.__slots__ if name != "run_id"})


def signal_item(record: SignalRecord, secret_words: Iterable[str] = ()) -> Item:
    signal = record.signal
    data = masked(signal.data, secret_words) if isinstance(signal.data, dict) else signal.data
    return {"name": signal.name, "at": signal.at, "timed_out": signal.timed_out, "by": signal.by, "why": signal.why,
            "data": data}  # fmt: skip


def step_item(record: StepRecord) -> Item:
    return {"name": record.name, "at": from_us(record.at), "attempt": record.attempt, "result": _json(record.result),
            "error": record.error}  # fmt: skip


def event_item(event: Event) -> Item:
    return {"at": from_us(event.at), "kind": event.kind, "actor": event.actor, "data": masked(dict(event.data))}


def schedule_item(record: ScheduleRecord) -> Item:
    """A schedule as it stands in a list; ``source`` is ``code`` or ``person``, ``when`` the trigger in words."""
    definition = json.loads(record.definition)
    values = _plain({name: getattr(record, name) for name in record.__slots__ if name not in _HIDDEN})
    return {
        "name": values.pop("name"),
        "job": values.pop("job"),
        "when": _in_words(definition["trigger"]),
        "state": standing(record),
        **values,
        "starts": _of_iso(definition.get("starts")),
        "ends": _of_iso(definition.get("ends")),
        "source": "person" if record.declared is None else "code",
        "trigger": definition["trigger"],
    }


def _in_words(trigger: Any) -> str:
    """Also of one that this machine cannot read, as it lacks the zone: nodes that have it do what it says."""
    from rota.calendar import describe, trigger_from_data

    try:
        return describe(trigger_from_data(trigger))
    except RotaError as error:
        return f"cannot be read here: {error}"


def schedule_document(
    record: ScheduleRecord, next_fires: Sequence[Any], fires: Sequence[FireRecord], secret_words: Iterable[str] = ()
) -> Item:
    """One schedule with its policies, what comes and what was."""
    definition = json.loads(record.definition)
    return {
        **schedule_item(record),
        "arguments": masked(definition.get("arguments", {}), secret_words),
        "policies": {name: definition.get(name) for name in _SCHEDULE_POLICIES},
        "watermark": from_us(record.watermark),
        "next_fires": list(next_fires),
        "fires": [fire_item(each) for each in fires],
    }


def fire_item(record: FireRecord) -> Item:
    return _plain({name: getattr(record, name) for name in record.__slots__ if name != "schedule"})


def queue_item(status: QueueStatus) -> Item:
    record = _plain({name: getattr(status.record, name) for name in status.record.__slots__})
    counts = {name: getattr(status, name) for name in ("waiting", "held", "running", "scheduled")}
    return {**record, **counts, "oldest_due_at": _moment(status.oldest_due_at)}


def node_item(status: NodeStatus) -> Item:
    record = status.record
    values = _plain({name: getattr(record, name) for name in record.__slots__})
    stale = {duty.name for duty in status.stale}
    duties = [
        {
            "name": duty.name,
            "ticked_at": _moment(duty.ticked_at),
            "stale": duty.name in stale,
            "failed_at": _moment(duty.failed_at),
            "error": duty.error,
        }
        for duty in status.duties
    ]
    blocked = status.blocked
    values |= {
        "queues": record.queues.split(","),
        "application": values.pop("owner"),
        "blocking": None if blocked is None else {**asdict(blocked), "since": _moment(blocked.since)},
    }
    return {**values, "state": str(status.state), "duties": duties}


def figures_item(figures: Figures) -> Item:
    """Lengths in seconds, rounded to three figures: the buckets know no more."""
    values = asdict(figures)
    for name in ("p50", "p95", "late_p50", "late_p95"):
        values[name] = _rounded(values[name])
    return {**values, "per_minute": _rounded(figures.per_minute), "success": _rounded(figures.success)}


def status_item(status: Status) -> Item:
    return {
        "health": str(status.health),
        "reasons": [{"health": str(health_of(each)), **finding_item(each)} for each in status.reasons],
        "at": from_us(status.at),
        "nodes": [node_item(each) for each in status.nodes],
        "queues": [queue_item(each) for each in status.queues],
        "schedules": {
            "count": status.schedules,
            "overdue": status.overdue_count,
            "first_overdue": [
                {"name": each.name, "job": each.job, "due_at": from_us(each.due_at)} for each in status.overdue
            ],
        },
        "paused": [finding_item(each) for each in status.paused],
        "dead": status.dead,
        "signals_awaited": status.signals_awaited,
        "last_minutes": figures_item(status.last_minutes),
        "hour": figures_item(status.hour),
        "passport": asdict(status.passport),
        "schema": asdict(status.schema) | {"current": status.schema.current},
    }


def why_item(why: Why) -> Item:
    facts = [finding_item(fact) for fact in why.facts]
    return {"subject": why.subject, "state": str(why.state), "summary": why.summary, "facts": facts}


def finding_item(found: Finding) -> Item:
    told = {"kind": str(found.kind), "severity": str(found.severity), "text": found.text, "todo": found.todo}
    return {**told, **_plain(found.data)}


def _plain(values: Mapping[str, Any]) -> Item:
    """With moments instead of microseconds."""
    return {
        name: _moment(value) if _is_moment(name) and isinstance(value, int) else value for name, value in values.items()
    }


def _is_moment(name: str) -> bool:
    return name.endswith("_at") or name in _MOMENTS


_MOMENTS = {
    "aside_until",
    "as_of",
    "at",
    "before",
    "after",
    "until",
    "first",
    "second",
    "held_since",
    "since",
    "lease_until",
}


def _moment(at: int | None) -> Any:
    return None if at is None else from_us(at)


def _of_iso(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
