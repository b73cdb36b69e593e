"""Tell people of something so long before it happens, or as soon after as can be; never afterwards."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, literal, type_coerce

from rota.messages.mailing import Mailing
from rota.messages.tables import as_instant
from rota.recipes.age import Age
from rota.recipes.tables import Instant

if TYPE_CHECKING:
    from datetime import datetime

    from rota import Run

_US = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Notify(Mailing):
    """``plan`` has the pairs, due or not; this takes those whose ``moment`` (a column) comes within ``lead`` and a
    ``tick``, the pause between two runs. So a message leaves at the last run that is not later than asked, and where
    that was missed, or the pair was found late, at the next one, until the moment itself.

    ``lead``: a length, or a column of seconds.
    """

    _: KW_ONLY
    moment: ColumnElement[Any]
    lead: timedelta | str | ColumnElement[Any]
    tick: timedelta | str = "30m"

    def queries(self, run: Run) -> list[Select[Any]]:
        moment = as_instant(self.moment)
        until = type_coerce(moment, BigInteger) - self._lead()
        due = until <= literal((run.as_of - _epoch(run.as_of)) // _US + Age.of(self.tick).length // _US, BigInteger)
        ahead = moment > literal(run.as_of, Instant())
        return [query.where(ahead, due).add_columns(moment.label("useful_until")) for query in super().queries(run)]

    def _lead(self) -> ColumnElement[Any]:
        if isinstance(self.lead, ColumnElement):
            return cast(self.lead, BigInteger) * literal(1_000_000, BigInteger)
        return literal(Age.of(self.lead).length // _US, BigInteger)


def _epoch(moment: datetime) -> datetime:
    return moment.replace(year=1970, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
