"""What stands before the writes of a recipe: a person's word where a limit trips, and before each batch whether the run
may go on."""

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
    refusal = ask(run, safety, result, text, rule=rule, count=count)
    return refuse(result, about, f"{text}; {refusal}") if refusal else True


def ask(
    run: Run, safety: Safety, result: JobResult, about: str, *, rule: str, count: int, signal: str = APPROVAL
) -> str:
    """Wait for a person's word. Returns why it may not go on; nothing, where it may."""
    step = STEP.get()
    asked = _asked(run, f"{signal}:{step}" if step else signal, rule, count)
    answer = run.wait_for(asked, timeout=safety.patience, about=about)
    if answer.timed_out:
        return "nobody has answered in time"
    if not answer.approved:
        return f"{answer.by} refused it: {answer.why or 'no reason given'}"
    result.details["approved_by"] = answer.by
    return ""


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


def check(run: Run) -> None:
    """Before each batch, and whatever else takes a while: raises where the run must stop."""
    run.check()
    check_fences()


def may_go_on(run: Run, safety: Safety) -> bool:
    """``check``, and whether the window is open still."""
    check(run)
    now = datetime.now(UTC)
    return safety.window is None or Window.parse(safety.window).holds(now.hour * 60 + now.minute)
