"""A part of a recipe from its first look to its account: guard, rehearsal, sweep, debt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from rota.errors import ConfigError
from rota.recipes import approval, tables
from rota.recipes.database import reading
from rota.recipes.guard import Look, look
from rota.recipes.part import Part, rule_hash
from rota.recipes.promotion import Promotion, Rehearsal
from rota.recipes.step import STEP
from rota.recipes.sweep import Sweep
from rota.recipes.values import is_function, values_at

if TYPE_CHECKING:
    from rota import JobResult, Run

PROMOTION = f"{approval.APPROVAL}:promotion"


def work_off(
    engine: Engine, run: Run, part: Part, *, plan: str | None = None, promote: Promotion | None = None
) -> JobResult:
    """Do one part, or tell what it would do."""
    from rota import JobResult

    part = replace(part, step=STEP.get())
    result = JobResult(counts=dict.fromkeys((part.name, *part.also), 0))
    if not run.dry_run:
        tables.ready(engine)
    elif not tables.present(engine):
        promote = None
    _Guarded(engine, run, part, result, promote).perform(plan)
    return result


@dataclass(slots=True)
class _Guarded:
    engine: Engine
    run: Run
    part: Part
    result: JobResult
    promote: Promotion | None
    _count: int = 0
    """How many rows the run is about: those that are due, and those that it has changed before."""

    def perform(self, plan: str | None) -> None:
        """1. Look. 2. Stop here where it is a dry run, or was refused. 3. Sweep. 4. Look what is left.

        A run that is taken up again is looked at again, with what it has done: rows may have come since."""
        if self.run.dry_run:
            self._tell_plan(self._look())
            return
        sweep = Sweep(self.engine, self.run, self.part, self.result)
        looked = self._look(0 if self.part.every_row else sweep.changed)
        if not self._keeps_to(plan, sweep) or not self._is_allowed(looked, sweep):
            return
        if self.promote is not None and not self._is_promoted(self.promote, sweep, looked):
            return
        sweep.place.begin(looked)
        sweep.work_off(sweep.changed + looked.count, self.part.safety.rows_a_run)
        self._settle(sweep)

    def _look(self, done: int = 0) -> Look:
        run, part = self.run, self.part
        with reading(self.engine) as connection:
            history = run.job if tables.present(self.engine) else None
            deletes = part.action == "delete"
            looked = look(connection, part.rows, part.safety, history, part.key, deletes=deletes, done=done)
        self._count = looked.count + done
        cutoff = part.rows.cutoff
        self.result.details |= {
            "cutoff": cutoff.isoformat() if cutoff else None,
            "overdue": looked.count,
            "of": looked.total,
            "oldest": looked.oldest.isoformat() if looked.oldest else None,
            "newest": looked.newest.isoformat() if looked.newest else None,
        }
        self.result.warnings += looked.warnings
        return looked

    # --- what may keep it from its first write

    def _tell_plan(self, looked: Look) -> None:
        """What it would do, with a token that stands for it."""
        part, result = self.part, self.result
        with reading(self.engine) as connection:
            sample = part.rows.sample(connection, part.safety.sample)
            statement = part.rows.statement(connection, part.action, _set_values(part, self.run.as_of))
        result.status = "dry_run"
        result.counts[part.name] = looked.count
        result.details |= {
            "plan": token(part, looked.count),
            "sample": sample,
            "statement": statement,
            "trips": list(looked.trips),
        }
        older = f" older than {part.rows.cutoff:%Y-%m-%d %H:%M} UTC" if part.rows.cutoff else ""
        result.message = (
            f"would {part.action} {looked.count:,} of {looked.total:,} rows of {part.rows.table.name}{older}"
        )
        if looked.trips:
            result.message += f"; but {looked.trips[0]}"

    def _keeps_to(self, plan: str | None, sweep: Sweep) -> bool:
        """Whether there is no more to do than a person has seen."""
        if plan is None:
            return True
        seen, _, mark = plan.partition("-")
        if not seen.isdecimal() or mark != rule_hash(self.part):
            raise ConfigError(f"plan {plan!r} is of another rule than this one", hint="Make a new one with a dry run.")
        if self._count <= int(seen) * approval.GROWTH:
            return True
        self._abort(sweep, f"there are {self._count:,} rows by now, and the plan had seen {int(seen):,}")
        return False

    def _is_allowed(self, looked: Look, sweep: Sweep) -> bool:
        """Whether no limit trips, or a person lets it go on all the same."""
        if not looked.trips:
            return True
        text = "; ".join(looked.trips)
        self.result.details["trips"] = list(looked.trips)
        if self.part.safety.on_guard == "abort":
            self._abort(sweep, text)
            return False
        return self._is_approved(sweep, f"{self.part.action} {self.part.rows.table.name}: {text}")

    def _is_approved(self, sweep: Sweep, about: str, signal: str = approval.APPROVAL) -> bool:
        part = self.part
        with reading(self.engine) as connection:
            sample, sql = part.rows.sample(connection, part.safety.sample), part.rows.sql(connection)
        told = f"{about}; before {self.result.details['cutoff']}, such as {sample}; {sql}"
        refusal = approval.ask(
            self.run, part.safety, self.result, told, rule=rule_hash(part), count=self._count, signal=signal
        )
        if refusal:
            self._abort(sweep, f"{about}; {refusal}")
        return not refusal

    def _is_promoted(self, promote: Promotion, sweep: Sweep, looked: Look) -> bool:
        """A new recipe shows for some runs what it would do, then asks, then does a few."""
        rehearsal = Rehearsal(self.engine, self.run, self.part, promote)
        if rehearsal.is_over():
            return True
        if rehearsal.count() < promote.dry_runs:
            self._tell_plan(looked)
            if self.run.actor is not None:
                self.result.message += f"; {self.run.actor} asked for it, so that it is no rehearsal"
                return False
            rehearsal.record(looked.count)
            self.result.message += f"; rehearsal {rehearsal.count()} of {promote.dry_runs}"
            return False
        if not self._is_approved(sweep, f"it has rehearsed {promote.dry_runs} times", PROMOTION):
            return False
        sweep.place.begin(looked, canary=True)
        if not sweep.met_refusals:
            sweep.work_off(self._count, promote.canary)
        if sweep.met_refusals:
            self._abort(sweep, f"of the first {promote.canary} rows some were refused")
        elif sweep.stopped:
            self._settle(sweep)
        else:
            sweep.place.mark(0)
            return True
        return False

    def _abort(self, sweep: Sweep, why: str) -> None:
        if sweep.changed or sweep.place.is_resumed:
            self._settle(sweep)
        self.result.status = "aborted_guard"
        done = f"it stopped after {sweep.changed:,} {_past(self.part.action)}"
        self.result.message = f"{done if sweep.changed else 'nothing was changed'}: {why}"
        self.result.add_error(self.part.key, "guard", why)

    # --- its account

    def _settle(self, sweep: Sweep) -> None:
        part, result, changed = self.part, self.result, sweep.changed
        left = 0
        if not part.every_row or sweep.stopped:
            with reading(self.engine) as connection:
                left = part.rows.count(connection)
        sweep.place.end(left)
        for name, count in sweep.place.counts.items():
            _count(result, name, count)
        result.details["left"] = left
        result.message = f"{changed:,} {_past(part.action)}" if changed else "nothing to do"
        if left:
            result.message += f", {left:,} left"
        if sweep.stopped:
            result.message += f" ({sweep.stopped})"
        if result.error_count:
            result.status = "partial" if changed else "failed"
        elif left and (sweep.stopped or part.safety.rows_a_run is not None):
            result.status = "partial"


def _count(result: JobResult, name: str, count: int) -> None:
    """What is counted under ``keys_removed.email`` is one of the details."""
    group, dot, member = name.partition(".")
    if dot:
        result.details.setdefault(group, {})[member] = count
    else:
        result.counts[name] = count


def _past(action: str) -> str:
    """``deleted`` of ``delete``, for people: names of counters are for programs."""
    return f"{action.removesuffix('e')}ed"


def _set_values(part: Part, as_of: datetime) -> dict[str, Any]:
    """Those that are the same for each row."""
    given = part.says.get("set_values") if isinstance(part.says, dict) else None
    fixed = {name: value for name, value in (given or {}).items() if not is_function(value)}
    return values_at(part.rows.table, fixed, as_of)


def token(part: Part, count: int) -> str:
    return f"{count}-{rule_hash(part)}"
