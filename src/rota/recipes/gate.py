"""What stands before the writes of a recipe that does not sweep rows: a person's word where a limit trips, its pace."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rota.recipes.fence import check_fences
from rota.recipes.safety import Safety, Window
from rota.recipes.step import STEP

if TYPE_CHECKING:
    from rota import JobResult, Run

APPROVAL = "approval"
GROWTH = 1.1
"""What was shown stands for no more than a tenth more than there was then."""


def is_allowed(
    run: Run, safety: Safety, result: JobResult, about: str, trips: Sequence[str], *, rule: str, count: int
) -> bool:
    """Whether no limit trips, or a person lets it go on all the same; else the result says why it ended. ``rule``, as a
    hash, and ``count`` are what the person is shown: an approval is for no other rule, and for no more."""
    if not trips:
        return True
    text = f"{about}: {'; '.join(trips)}"
    result.details["trips"] = list(trips)
    if safety.on_guard == "abort":
        return refuse(result, about, "; ".join(trips))
    step = STEP.get()
    signal = _asked(run, f"{APPROVAL}:{step}" if step else APPROVAL, rule, count)
    answer = run.wait_for(signal, timeout=safety.patience, about=text)
    if answer.approved:
        result.details["approved_by"] = answer.by
        return True
    refused = f"{answer.by} refused it: {answer.why or 'no reason given'}"
    return refuse(result, about, f"{text}; {'nobody has answered in time' if answer.timed_out else refused}")


def _asked(run: Run, name: str, rule: str, count: int) -> str:
    """The signal that a person is asked by: another one than before, where they were shown another rule, or more than a
    tenth less."""
    for number in itertools.count(1):
        signal = name if number == 1 else f"{name}:{number}"
        shown: dict[str, Any] = run.step(f"asked:{signal}", lambda: {"rule": rule, "count": count})
        if shown["rule"] == rule and count <= shown["count"] * GROWTH:
            break
    return signal


def refuse(result: JobResult, about: str, why: str) -> bool:
    result.status = "aborted_guard"
    result.message = f"nothing was changed: {why}"
    result.add_error(about, "guard", why)
    return False


def may_go_on(run: Run, safety: Safety) -> bool:
    """Before each batch: raises where the run must stop, and says whether its window is open still."""
    run.check()
    check_fences()
    now = datetime.now(UTC)
    return safety.window is None or Window.parse(safety.window).holds(now.hour * 60 + now.minute)
