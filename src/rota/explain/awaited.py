"""What is told of a run that waits for a signal, and of the signals that came."""

from __future__ import annotations

from collections.abc import Sequence

from rota.explain.finding import Finding, Severity, finding
from rota.explain.words import Words, by_whom, counted_up_to
from rota.model.run import AttemptRecord, RunRecord
from rota.model.signal import APPROVAL, SignalRecord


def awaited(record: RunRecord, attempts: Sequence[AttemptRecord], words: Words) -> Finding:
    """What a run waits for, since and until when, and how to let it go on."""
    name, until = record.waits_for or "", record.waits_until
    since = next((each.finished_at for each in reversed(attempts) if each.outcome == "waiting"), None)
    parts = [f"the signal {name} has not come"]
    if since is not None:
        parts.append(f"it waits since {words.both(since)}{'' if until is None else f', until {words.both(until)}'}")
    if record.waits_about:
        parts.append(f"about: {record.waits_about}")
    data = {"signal": name, "since": since, "until": until, "about": record.waits_about}
    return finding("signal_awaited", "; ".join(parts), Severity.NOTE, _how_to_answer(record.id, name), **data)


def _how_to_answer(run_id: int, name: str) -> str:
    if name.partition(":")[0] != APPROVAL:
        return f"give it: rota run signal {run_id} {name} --why …"
    return f"let it go on: rota run approve {run_id} --why …; or say no: rota run refuse {run_id} --why …"


def came(signals: Sequence[SignalRecord], words: Words) -> list[Finding]:
    """What was given, and what nobody gave in time."""
    return [_timed_out(each, words) if each.timed_out_at is not None else _given(each, words) for each in signals]


def _given(record: SignalRecord, words: Words) -> Finding:
    signal = record.signal
    said = signal.data.get("approved") if isinstance(signal.data, dict) else None
    verb = {True: "approved", False: "refused"}.get(said) if isinstance(said, bool) else None
    named = "" if verb and signal.name == APPROVAL else f" (signal {signal.name})" if verb else ""
    what = f"was {verb}{named}" if verb else f"was given the signal {signal.name}"
    text = f"it {what} {words.distance(record.at)}{by_whom(signal.by, signal.why)}"
    return finding("signalled", text, signal=signal.name, at=record.at, by=signal.by, why=signal.why)


def _timed_out(record: SignalRecord, words: Words) -> Finding:
    text = f"nobody gave it the signal {record.name} by {words.both(record.at)}, and it went on without"
    return finding("wait_timed_out", text, signal=record.name, at=record.at)


def note(record: RunRecord) -> str:
    """``waits for approval: deletes 12,000 rows``."""
    return f"waits for {record.waits_for}" + (f": {record.waits_about}" if record.waits_about else "")


def waiting_runs(count: int) -> list[Finding]:
    """Those that wait for a person, or a program."""
    if not count:
        return []
    verb = "waits" if count == 1 else "wait"
    text = f"{counted_up_to(count, 'run')} {verb} for a signal of a person or a program"
    return [finding("signals_awaited", text, Severity.NOTE, "see them: rota run ls --state waiting", count=count)]
