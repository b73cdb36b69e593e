"""``Holidays``: the public holidays of a country, by the package ``holidays`` (extra ``holidays``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from types import ModuleType, NoneType
from typing import Any

from rota.calendar.calendars import LocalCalendar, Window, day_window, local_date, tz_data, tz_repr
from rota.calendar.given import must_be, zone_name
from rota.calendar.zones import zone
from rota.errors import CronError, MissingExtraError


@dataclass(frozen=True, slots=True)
class Holidays(LocalCalendar):
    """The public holidays of a country (ISO 3166, ``FR``) or of one of its subdivisions (``("DE", "BY")``).

    Raises ``MissingExtraError`` without the package, ``CronError`` for a country or part it does not know.
    """

    country: str
    subdivision: str | None = None
    tz: str | None = None

    def __post_init__(self) -> None:
        if self.tz is not None:
            object.__setattr__(self, "tz", zone(zone_name(self.tz)).name)
        must_be(str, self.country, "a country", 'as in Holidays("FR")')
        must_be((str, NoneType), self.subdivision, "a subdivision", 'as in Holidays("DE", "BY")')
        object.__setattr__(self, "country", self.country.upper())
        _check(_package().list_supported_countries(), self.country, self.subdivision)

    def local_window(self, local: int) -> Window | None:
        day = local_date(local)
        return day_window(local) if day in _holidays(self.country, self.subdivision, day.year) else None

    def to_data(self) -> dict[str, Any]:
        data = {"kind": "holidays", "country": self.country}
        if self.subdivision is not None:
            data["subdivision"] = self.subdivision
        return data | tz_data(self.tz)

    def __repr__(self) -> str:
        subdivision = f", {self.subdivision!r}" if self.subdivision else ""
        return f"Holidays({self.country!r}{subdivision}{tz_repr(self.tz)})"


def _package() -> ModuleType:
    try:
        import holidays
    except ImportError as error:
        raise MissingExtraError(
            "holiday calendars need the package holidays", hint="pip install 'rota[holidays]'"
        ) from error
    return holidays


@lru_cache(maxsize=1024)
def _holidays(country: str, subdivision: str | None, year: int) -> frozenset[date]:
    """A year at a time and frozen: the package's own objects grow while they are read."""
    return frozenset(_package().country_holidays(country, subdiv=subdivision, years=year))


def _check(known: dict[str, list[str]], country: str, subdivision: str | None) -> None:
    if country not in known:
        raise CronError(f"no holidays are known for the country {country!r}", hint=_close(country, list(known)))
    if subdivision is not None and subdivision not in known[country]:
        hint = _close(subdivision, known[country])
        raise CronError(f"no holidays are known for the part {subdivision!r} of {country}", hint=hint)


def _close(wanted: str, known: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(wanted, known, n=3, cutoff=0.5) or known[:12]
    return f"known are {', '.join(found)}" if found else "it has no parts with holidays of their own"
