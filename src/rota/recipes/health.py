"""Look whether all is well, and say so once where it is not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from inspect import signature
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import select

from rota.recipes.database import engine_of, reading, table_of, writing
from rota.recipes.recipe import Recipe, without_plan

if TYPE_CHECKING:
    from rota import JobResult, Run

State = Literal["ok", "warning", "critical"]
_OVERALL = {"ok": "healthy", "warning": "degraded", "critical": "unhealthy"}
_WORSE = ("ok", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``measure`` returns a number, which is a ``warning`` above the one limit and ``critical`` above the other;
    ``None`` where there is too little to tell. What it raises, or a time-out, is critical. One that takes an argument
    is given the run's ``as_of``."""

    name: str
    measure: Callable[..., float | None]
    warning: float | None = None
    critical: float | None = None
    timeout: float = 5.0
    message: str = "{value:g}"
    """Told of a value that is above a limit."""

    def value(self, as_of: datetime) -> float | None:
        return self.measure(as_of) if signature(self.measure).parameters else self.measure()

    def judge(self, value: float) -> tuple[State, float | None]:
        for state, limit in (("critical", self.critical), ("warning", self.warning)):
            if limit is not None and value > limit:
                return state, limit  # type: ignore[return-value]
        return "ok", self.critical if self.warning is None else self.warning


@dataclass(frozen=True, eq=False)
class Health(Recipe):
    """Each result is a row of ``store``, a table with the columns ``at, status, checks``; ``status`` is ``healthy``,
    ``degraded`` or ``unhealthy``. Emits ``PREFIX.alerts`` for what is newly wrong, or still is after ``again_after``,
    and ``PREFIX.resolved`` for what is well again. It takes no lock, and a check that hangs is left behind."""

    checks: Sequence[Check]
    store: Any
    _: KW_ONLY
    prefix: str = "health"
    again_after: timedelta = timedelta(minutes=5)
    at_once: frozenset[str] = field(default_factory=frozenset)
    """Checks that are told of each time."""

    @property
    def description(self) -> str:
        """``Look whether database, mail and queue are well.``"""
        return f"Look whether {', '.join(check.name for check in self.checks)} are well."

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        without_plan(plan)
        store = table_of(self.store)
        found = _measure(self.checks, run.as_of)
        status = _OVERALL[max((each["status"] for each in found.values()), key=_WORSE.index, default="ok")]
        result = JobResult(message=status, details={"status": status, "checks": found})
        result.counts = {state: sum(each["status"] == state for each in found.values()) for state in _WORSE}
        if run.dry_run:
            result.status = "dry_run"
            return result
        engine = engine_of(store)
        with reading(engine) as connection:
            last = connection.execute(select(store.c.checks).order_by(store.c.at.desc()).limit(1)).scalar()
        alerts, resolved = self._compare(found, last or {}, run.as_of)
        with writing(engine) as connection:
            connection.execute(store.insert().values(at=run.as_of, status=status, checks=found))
        if alerts:
            run.emit(f"{self.prefix}.alerts", alerts=alerts, status=status)
        if resolved:
            run.emit(f"{self.prefix}.resolved", checks=resolved)
        run.emit(f"{self.prefix}.completed", status=status)
        result.warnings = [f"{each['check']}: {each['message']}" for each in alerts]
        return result

    def _compare(
        self, found: dict[str, dict[str, Any]], last: Mapping[str, Any], now: datetime
    ) -> tuple[list[dict[str, Any]], list[str]]:
        """What is told now; each check remembers with the sample when it was told of last."""
        alerts, resolved = [], []
        for name, check in found.items():
            before = last.get(name, {"status": "ok"})
            if check["status"] == "ok":
                resolved += [name] if before["status"] != "ok" else []
                continue
            told_at = before.get("told_at") if before["status"] == check["status"] else None
            again = told_at is None or now - datetime.fromisoformat(told_at) >= self.again_after
            check["told_at"] = now.isoformat() if again else told_at
            if again or name in self.at_once:
                alerts.append({"check": name, "severity": check["status"], **check})
        return alerts, resolved


def _measure(checks: Sequence[Check], as_of: datetime) -> dict[str, dict[str, Any]]:
    """All at once, each for as long as it may take."""
    answers = {check.name: _ask(check, as_of) for check in checks}
    return {check.name: _told(check, answers[check.name]) for check in checks}


def _ask(check: Check, as_of: datetime) -> SimpleQueue[float | Exception | None]:
    answer: SimpleQueue[float | Exception | None] = SimpleQueue()

    def ask() -> None:
        try:
            answer.put(check.value(as_of))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is wrong
            answer.put(error)

    threading.Thread(target=ask, name=f"check-{check.name}", daemon=True).start()
    return answer


def _told(check: Check, answer: SimpleQueue[float | Exception | None]) -> dict[str, Any]:
    try:
        value = answer.get(timeout=check.timeout)
    except Empty:
        return {"status": "critical", "value": None, "threshold": None, "message": f"no answer in {check.timeout:g} s"}
    if isinstance(value, Exception):
        return {"status": "critical", "value": None, "threshold": None, "message": type(value).__name__}
    if value is None:
        return {"status": "ok", "value": None, "threshold": None, "message": "too little to tell"}
    state, limit = check.judge(value)
    message = "" if state == "ok" else check.message.format(value=value, limit=limit)
    return {"status": state, "value": value, "threshold": limit, "message": message}
