"""Several recipes in one job: each by itself, and one that fails leaves the others their work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from rota.errors import Interrupted
from rota.recipes.part import Part
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.step import STEP
from rota.recipes.trouble import log_error

if TYPE_CHECKING:
    from rota import JobResult, Run

Step = Callable[["Run"], "JobResult"]
Status = Literal["success", "partial", "failed", "aborted_guard", "dry_run"]


class Steps(Recipe):
    """``Steps(contests=Retention(…), users=Inactive(…))`` does them in this order. A step is a recipe, or a function of
    the run that returns a ``JobResult``. Counts carry the name of their step, ``contests_deleted``; without ``prefix``
    they do not, and equal names are added up."""

    def __init__(self, *, prefix: bool = True, **steps: Step) -> None:
        self.steps = steps
        self.prefix = prefix
        self.destructive = any(getattr(each, "destructive", False) for each in steps.values())
        self.sends = any(getattr(each, "sends", False) for each in steps.values())

    @property
    def description(self) -> str:
        """``Do contests, users.``"""
        return f"Do {', '.join(self.steps)}."

    def parts(self, as_of: datetime) -> Sequence[Part]:
        recipes = [(name, each) for name, each in self.steps.items() if isinstance(each, Recipe)]
        return [replace(part, step=name) for name, each in recipes for part in each.parts(as_of)]

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        without_plan(plan)
        whole, done = JobResult(), []
        for name, step in self.steps.items():
            run.check()
            before = STEP.set(name)
            try:
                part = step(run)
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001 - one that fails leaves the others their work
                log_error(run, "a step failed", error, step=name)
                part = JobResult(status="failed", message=f"{type(error).__name__}")
                part.add_error(name, "failed", type(error).__name__)
            finally:
                STEP.reset(before)
            merge(whole, name, part, prefix=self.prefix)
            done.append(part)
        whole.status = status_of([each.status for each in done])
        whole.message = "; ".join(
            f"{name}: {each.message}" for name, each in zip(self.steps, done, strict=True) if each.message
        )
        return whole


def merge(whole: JobResult, name: str, part: JobResult, *, prefix: bool = True) -> None:
    """Add what a part did to the result of the whole."""
    for count, number in part.counts.items():
        key = f"{name}_{count}" if prefix else count
        whole.counts[key] = whole.counts.get(key, 0) + number
    whole.details[name] = part.details | {"status": part.status}
    whole.warnings += [f"{name}: {each}" for each in part.warnings]
    for error in part.errors:
        of_step = error["item"] in (name, f"{name}.{name}")  # of the whole of it, as of a guard
        whole.add_error(name if of_step else f"{name}: {error['item']}", error["kind"], error["message"])
    whole.error_count += part.error_count - len(part.errors)


def status_of(each: Sequence[str]) -> Status:
    """A guard that trips is what a person must see first; some that failed among others make it partial."""
    if "aborted_guard" in each:
        return "aborted_guard"
    if "dry_run" in each:
        return "dry_run"
    if each and all(status == "failed" for status in each):
        return "failed"
    return "partial" if {"failed", "partial"} & set(each) else "success"
