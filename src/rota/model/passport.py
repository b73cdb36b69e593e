"""The passport of a ledger: who it is, of which environment, and where it lives; and why a ledger is held."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from rota.clock import from_us
from rota.model.home import FileHome, ServerHome, home_from_json
from rota.shown import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class PassportRecord:
    """The passport as the ledger holds it; moments are microseconds of UTC."""

    id: str
    environment: str | None
    """``None``: it was never named, and every environment will do."""
    home: str | None
    """The database that it lives in, as JSON; ``None``: no node has worked in it yet."""
    made_at: int
    adopted_at: int | None
    back_at: int | None
    """When a node saw that the ledger had gone back in time, and to which moment."""
    back_to: int | None


class HeldFor(StrEnum):
    COPIED = "copied"
    """It lives in another database than its passport says."""
    WENT_BACK = "went_back"
    """A node has written to it what it does not hold any more."""
    ENVIRONMENT = "environment"
    """It is of another environment than the process that looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Why nothing is fired, begun or deleted: a clause for people, and what to do about it."""

    why: HeldFor
    text: str
    todo: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Passport:
    """Who a ledger is, and whether the process that asks may act on it."""

    id: str
    environment: str | None
    database: str
    """Where it is, for people: ``shop on db1:5432``, ``/srv/shop.db on web-1``."""
    fits: bool
    reason: str | None
    """Why it does not fit."""


def held(record: PassportRecord, here: FileHome | ServerHome, environment: str | None) -> Held | None:
    """Why a process of this environment must keep its hands off the ledger that it finds here."""
    home = home_from_json(record.home) if record.home is not None else here
    if not here.is_same(home):
        return Held(why=HeldFor.COPIED, text=_copied(home.place, here.place), todo=adopt_as(environment))
    if record.back_at is not None and record.back_to is not None:
        return Held(why=HeldFor.WENT_BACK, text=went_back(record.back_to), todo=adopt_as(environment))
    if record.environment not in {None, environment}:
        return _of_another_environment(str(record.environment), environment)
    return None


def went_back(to: int) -> str:
    when = f"{from_us(to):%Y-%m-%d %H:%M:%S} UTC"
    return f"this ledger went back in time: it holds nothing of what a node wrote to it after {when}"


def adopt_as(environment: str | None) -> str:
    return f"to work with it: {_command(environment)}"


def _command(environment: str | None) -> str:
    return f"rota db adopt --environment {environment or 'NAME'}"


def _copied(home: str, here: str) -> str:
    if home == here:
        return f"this ledger was copied, or put back from a backup: it is not in the {here} that it was in"
    return f"this ledger was copied from {home}: it is in {here} now"


def _of_another_environment(ledger: str, here: str | None) -> Held:
    mine = f"this is {shown(here)}" if here is not None else "this process names none"
    text = f"this ledger is of the environment {shown(ledger)}, and {mine}"
    todo = f"set ROTA_ENVIRONMENT={ledger}, or, if the ledger has another one now: {_command(here)}"
    return Held(why=HeldFor.ENVIRONMENT, text=text, todo=todo)
