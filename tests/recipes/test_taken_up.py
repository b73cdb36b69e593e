"""What was looked at is kept, and compared with what is there when a run is taken up again, or asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from rota import JobResult
from rota.errors import Parked
from rota.recipes import Promotion, Retention, Safety
from rota.recipes.part import Counts
from rota.recipes.rows import Key, Rows
from rota.recipes.tables import sweeps
from rota.testing import FakeHome
from tests.recipes.conftest import NOW, cook, days
from tests.recipes.tables import notes

ANY = Safety(most_fraction=None, runaway=None, pause=0)
FEW = ANY.with_(most_rows=10, batch=5)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]


def add(put: Put, count: int, first: int = 0, text: str = "spam") -> None:
    put(notes, *({"id": first + n, "created_at": days(100)[0], "text": text} for n in range(count)))


def of(text: str, safety: Safety = FEW, kind: type[Retention] = Retention, **options: Any) -> Retention:
    return kind(notes, where=notes.c.text == text, safety=safety, **options)


def waits_for(recipe: Retention, **options: Any) -> str:
    with pytest.raises(Parked) as parked:
        cook(recipe, **options)
    return parked.value.name


def approve(home: FakeHome, name: str = "approval") -> None:
    home.give(name, {"approved": True}, by="anna")


class Killed(BaseException):
    """The process is gone."""


class Dying(Retention):
    """Its process dies in its third batch."""

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: Any) -> Counts:
        if keys[0][0] >= 10:
            raise Killed
        return super().change(connection, rows, keys, as_of)


class Refusing(Retention):
    """The database refuses one of its first rows."""

    def change(self, connection: Connection, rows: Rows, keys: Sequence[Key], as_of: Any) -> Counts:
        if 3 in {key[0] for key in keys}:
            raise IntegrityError("", {}, Exception())
        if keys[0][0] >= 10:
            raise Killed
        return super().change(connection, rows, keys, as_of)


# --- approvals


def test_an_approval_is_of_the_rule_that_was_shown(put: Put, rows_of: RowsOf) -> None:
    add(put, 20)
    add(put, 50, 100, "paid invoice")
    home = FakeHome()
    assert waits_for(of("spam"), home=home) == "approval"
    approve(home)

    assert waits_for(of("paid invoice"), home=home, attempt=2) == "approval:2"
    assert len(rows_of(notes)) == 70
    approve(home, "approval:2")
    assert cook(of("paid invoice"), home=home, attempt=3).counts == {"deleted": 50}


def test_an_approval_is_of_a_tenth_more_rows_and_no_more(put: Put, rows_of: RowsOf) -> None:
    add(put, 20)
    home = FakeHome()
    waits_for(of("spam"), home=home)
    approve(home)
    add(put, 3, 100)

    assert waits_for(of("spam"), home=home, attempt=2) == "approval:2"
    add(put, 2, 200)
    approve(home, "approval:2")
    assert cook(of("spam"), home=home, attempt=3).counts == {"deleted": 25}
    assert rows_of(notes) == []


def test_what_was_approved_is_of_this_run_and_not_of_another_one_with_its_number(put: Put) -> None:
    add(put, 20)
    waits_for(of("spam"), home=FakeHome())
    add(put, 20, 100)
    home = FakeHome()
    assert waits_for(of("spam"), home=home, as_of=NOW + timedelta(hours=1)) == "approval"
    approve(home)
    assert cook(of("spam"), home=home, as_of=NOW + timedelta(hours=1), attempt=2).counts == {"deleted": 40}


# --- runs of another ledger


@pytest.mark.parametrize("as_of", [NOW, NOW + timedelta(days=1)])
def test_what_another_run_of_the_same_number_left_is_not_taken_up(put: Put, rows_of: RowsOf, as_of: Any) -> None:
    add(put, 5)
    assert cook(of("spam", FEW.with_(on_guard="abort"))).counts == {"deleted": 5}
    add(put, 11)

    refused = cook(of("spam", FEW.with_(on_guard="abort")), as_of=as_of)
    assert refused.message == "nothing was changed: 11 rows are more than 10"
    assert cook(of("spam", ANY), as_of=as_of).counts == {"deleted": 11}
    assert sorted(rows_of(sweeps, sweeps.c.changed)) == [5, 11]


# --- retries


def killed(put: Put, safety: Safety = FEW) -> None:
    add(put, 11)
    with pytest.raises(Killed):
        cook(of("spam", safety.with_(most_rows=11, batch=5), Dying))


def test_rows_that_came_since_are_looked_at_when_a_run_is_taken_up(put: Put, rows_of: RowsOf) -> None:
    killed(put)
    add(put, 500, 1_000)

    result = cook(of("spam", FEW.with_(most_rows=11, on_guard="abort")), attempt=2)

    assert (result.status, result.counts) == ("aborted_guard", {"deleted": 10})
    assert result.message == "it stopped after 10 deleted: 511 rows are more than 11"
    assert len(rows_of(notes)) == 501


def test_a_run_that_is_taken_up_with_what_it_was_allowed_goes_on(put: Put, rows_of: RowsOf) -> None:
    killed(put)

    assert cook(of("spam", FEW.with_(most_rows=11, on_guard="abort")), attempt=2).counts == {"deleted": 11}
    assert rows_of(notes) == []


def test_a_plan_counts_what_was_done_before_it_was_taken_up(put: Put) -> None:
    add(put, 12)
    plan = cook(of("spam", ANY), dry_run=True).details["plan"]
    with pytest.raises(Killed):
        cook(of("spam", ANY.with_(batch=5), Dying), plan=plan)
    assert cook(of("spam", ANY), plan=plan, attempt=2).counts == {"deleted": 12}


# --- two in one body


def test_two_recipes_that_one_body_calls_are_told_apart(put: Put, rows_of: RowsOf) -> None:
    add(put, 5)
    add(put, 50, 100, "paid invoice")
    abort = FEW.with_(on_guard="abort")

    for attempt in (1, 2):
        first, second = (cook(of(text, abort), attempt=attempt) for text in ("spam", "paid invoice"))
        assert (first.counts, first.warnings) == ({"deleted": 5}, [])
        assert (second.status, second.counts, second.warnings) == ("aborted_guard", {"deleted": 0}, [])
    assert len(rows_of(notes)) == 50


# --- promotion


def promoted(kind: type[Retention] = Retention) -> Retention:
    return of("spam", ANY.with_(batch=5), kind, promote=Promotion(dry_runs=1, canary=10))


def approved(put: Put, kind: type[Retention], **options: Any) -> JobResult:
    """Its second run, which a person has let go."""
    cook(promoted())
    home = FakeHome()
    assert waits_for(promoted(kind), home=home, id=2) == "approval:promotion"
    approve(home, "approval:promotion")
    return cook(promoted(kind), home=home, id=2, **options)


def test_a_canary_that_met_a_refused_row_lets_nothing_go(put: Put, rows_of: RowsOf) -> None:
    add(put, 10)
    add(put, 30, 10)
    cook(promoted())
    home = FakeHome()
    waits_for(promoted(Refusing), home=home, id=2)
    approve(home, "approval:promotion")
    few = of("spam", ANY.with_(batch=5), Refusing, promote=Promotion(dry_runs=1, canary=9))

    result = cook(few, home=home, id=2)

    assert (result.status, result.counts, result.details["left"]) == ("aborted_guard", {"deleted": 9}, 31)
    assert result.message == "it stopped after 9 deleted: of the first 9 rows some were refused"
    assert waits_for(promoted(), id=3) == "approval:promotion"
    assert len(rows_of(notes)) == 31


def test_killed_in_its_canary_it_is_in_its_canary_still(put: Put, rows_of: RowsOf) -> None:
    add(put, 40)
    home = FakeHome()
    cook(promoted())
    waits_for(promoted(), home=home, id=2)
    approve(home, "approval:promotion")
    with pytest.raises(Killed):
        cook(of("spam", ANY.with_(batch=5), Refusing, promote=Promotion(dry_runs=1, canary=20)), home=home, id=2)

    result = cook(promoted(), home=home, id=2, attempt=2)

    assert (result.status, result.counts) == ("aborted_guard", {"deleted": 9})
    assert len(rows_of(notes)) == 31


def test_a_sound_canary_lets_the_rest_go(put: Put, rows_of: RowsOf) -> None:
    add(put, 40)

    assert approved(put, Retention).counts == {"deleted": 40}
    add(put, 3)
    assert cook(promoted(), id=3).counts == {"deleted": 3}


def test_what_a_person_asked_for_is_no_rehearsal(put: Put) -> None:
    add(put, 3)

    result = cook(promoted(), actor="cli:anna")

    assert result.message.startswith("would delete 3 of 3 rows of note")
    assert result.message.endswith("; cli:anna asked for it, so that it is no rehearsal")
    assert "rehearsal 1 of 1" in cook(promoted(), id=2).message
