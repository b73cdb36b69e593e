"""How a run is done: whether its body may change things and send, and who says so.

The row says what was asked for. A node of a more careful environment lets its attempts do less, and leaves an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rota.explain.finding import Finding, finding
from rota.model.event import RESTRICTED, Event
from rota.model.run import RunRecord, RunState

MEANS = {"dry_run": "look, and change nothing", "muted": "send nothing"}
WAITS = {RunState.SCHEDULED, RunState.AVAILABLE}


@dataclass(frozen=True, slots=True)
class Mode:
    """``applied``: to the attempt under way, or the last one; of a run that waits, what it was asked for."""

    asked: str | None
    applied: str | None
    environment: str | None
    """That of the node, where it is what made the difference."""

    def __str__(self) -> str:
        """``dry_run (asked for: none; its node is in staging)``."""
        if self.environment is None:
            return self.applied or ""
        return f"{self.applied} (asked for: {self.asked or 'none'}; its node is in {self.environment})"


def mode_of(record: RunRecord, events: Sequence[Event]) -> Mode:
    asked = record.mode
    told = [each for each in events if each.kind == RESTRICTED and each.data.get("attempt") == record.attempt]
    if record.state in WAITS or not told:
        return Mode(asked, asked, None)
    return Mode(asked, told[-1].data["mode"], told[-1].data["environment"])


def careful(mode: Mode) -> list[Finding]:
    """What its body is told, unless it may do all."""
    if mode.applied is None:
        return []
    because = (
        "it was asked for so" if mode.environment is None else f"its node is in the environment {mode.environment}"
    )
    text = f"its body is told to {MEANS.get(mode.applied, mode.applied)}, as {because}"
    return [finding("mode", text, mode=mode.applied, asked=mode.asked, environment=mode.environment)]
