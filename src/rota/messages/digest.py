"""One message a person and period instead of many; and the summary of a group's period for each of its people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, literal

from rota.messages.ledger import moment
from rota.messages.mailing import Mailing, planned_before
from rota.messages.parcel import Facts
from rota.recipes import Period, Periods
from rota.recipes.age import Age

if TYPE_CHECKING:
    from rota import Run


@dataclass(frozen=True, eq=False)
class _OfPeriod(Mailing):
    """Messages whose version is a period; those of an earlier one that are left over are ``stale``."""

    of_one_period = True

    def period(self, due_at: datetime) -> Period:
        raise NotImplementedError

    def name(self, period: Period) -> str:
        raise NotImplementedError

    def find(self, connection: Connection, facts: Sequence[Facts], period: Period) -> None:
        raise NotImplementedError

    def until(self, period: Period) -> Any:
        raise NotImplementedError

    def of(self, run: Run) -> Mailing:
        first = planned_before(run, self.kind, "due_at")  # of a run by hand ``due_at`` moves when it is snoozed
        period = self.period(run.due_at if first is None else datetime.fromisoformat(first))
        name, find, earlier = self.name(period), self.find, self.complete

        def complete(connection: Connection, facts: Sequence[Facts]) -> None:
            mine = [each for each in facts if each["message"].version == name]
            for each in facts:
                each |= {"period": period} if each["message"].version == name else {"cancel": "stale"}
            find(connection, mine, period)
            if earlier is not None:
                earlier(connection, facts)

        given = self.plan(run)
        columns = (literal(name).label("version"), moment(self.until(period)).label("useful_until"))
        queries = [each.add_columns(*columns) for each in ([given] if isinstance(given, Select) else given)]
        names = [each.name for each in fields(Mailing) if each.name not in {"plan", "complete"}]
        return Mailing(plan=lambda _: queries, complete=complete, **{each: getattr(self, each) for each in names})


@dataclass(frozen=True, eq=False)
class Digest(_OfPeriod):
    """What is to come in the ``length`` after the run's due moment. ``items`` finds, for a page of people, what each is
    to read, by their message's id; whoever has nothing to read gets nothing (``empty``)."""

    _: KW_ONLY
    length: timedelta | str
    items: Callable[[Connection, Sequence[Facts], Period], Mapping[int, Sequence[Any]]]

    def period(self, due_at: datetime) -> Period:
        return Period(due_at, due_at + Age.of(self.length).length)

    def name(self, period: Period) -> str:
        return f"{period.start:%Y-%m-%dT%H:%M}"

    def until(self, period: Period) -> Any:
        return period.end

    def find(self, connection: Connection, facts: Sequence[Facts], period: Period) -> None:
        found = self.items(connection, facts, period)
        for each in facts:
            each["items"] = list(found.get(each["message"].id, ()))
            if not each["items"]:
                each["cancel"] = each.get("cancel") or "empty"


@dataclass(frozen=True, eq=False)
class Summary(_OfPeriod):
    """Of the last whole period of ``periods`` before the run's due moment: ``build`` adds up a subject's (a group's)
    period once a page, and each of its people finds it in ``summary``. The plan's ``subject`` is the group."""

    _: KW_ONLY
    periods: Periods
    build: Callable[[Connection, str, Period], Any]

    def period(self, due_at: datetime) -> Period:
        return self.periods.before(due_at)

    def name(self, period: Period) -> str:
        local = period.start.astimezone(ZoneInfo(self.periods.zone))
        forms = {"week": "%G-W%V", "month": "%Y-%m", "day": "%Y-%m-%d", "hour": "%Y-%m-%dT%H"}
        return local.strftime(forms[self.periods.length])

    def until(self, period: Period) -> Any:
        return period.end + (period.end - period.start)

    def find(self, connection: Connection, facts: Sequence[Facts], period: Period) -> None:
        built: dict[str, Any] = {}
        for each in facts:
            subject = each["message"].subject
            if subject not in built:
                built[subject] = self.build(connection, subject, period)
            each["summary"] = built[subject]
