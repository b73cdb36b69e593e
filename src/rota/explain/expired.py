"""Why a run had not begun in time, as far as the ledger knows."""

from __future__ import annotations

from rota.explain.finding import Finding, finding
from rota.explain.words import SECOND, Words, span
from rota.model.host import ANY_HOST
from rota.model.run import NOT_IN_TIME, RunRecord

NOBODY_THERE_US = 60 * SECOND
"""What was over so long ago, and nobody ended, was seen by no node."""


def expired(record: RunRecord, held_for: str | None, words: Words) -> list[Finding]:
    """What it was, and then what kept it. ``held_for``: what it waited for at its end."""
    if record.host != ANY_HOST and record.error != NOT_IN_TIME:
        return [finding("host_gone", record.error or f"its host {record.host} is gone", host=record.host)]
    expires_at = record.expires_at or record.due_at
    kept = [*_held(held_for), *_nobody_there(record, expires_at)]
    text = f"it had not begun within {span(expires_at - record.due_at)} of its due moment {words.moment(record.due_at)}"
    text += "".join(f"; {each.text}" for each in kept)
    return [finding("expired", text, due_at=record.due_at, expires_at=expires_at), *kept]


def _held(held_for: str | None) -> list[Finding]:
    return [finding("held", f"it was held: {held_for}", held_for=held_for)] if held_for else []


def _nobody_there(record: RunRecord, expires_at: int) -> list[Finding]:
    """A node at work makes the runs of due moments, and ends those that expire, within seconds."""
    if record.created_at >= expires_at:
        text = "it was made after that, as no node was at work to judge its due moment"
        return [finding("made_late", text, created_at=record.created_at)]
    late = (record.finished_at or expires_at) - expires_at
    if late < NOBODY_THERE_US:
        return []
    text = f"no node was at work then: the first one to look came {span(late)} later"
    return [finding("no_node_then", text, looked_at=record.finished_at)]
