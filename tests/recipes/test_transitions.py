from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Column, Connection, DateTime, Engine, Integer, MetaData, Table, Text

from rota.errors import ConfigError
from rota.recipes import Safety, Transition, Transitions, bind
from rota.testing import FakeHome
from tests.recipes.conftest import NOW, cook, days

metadata = MetaData()
groups = Table(
    "groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("state", Text, nullable=False),
    Column("starts_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("members", Integer, nullable=False, default=0),
)
RowsOf = Callable[..., list[Any]]
GENTLE = Safety(most_fraction=None, runaway=None, batch=2, pause=0)


def even(_: Connection, keys: Sequence[Any], as_of: datetime) -> Sequence[Any]:
    assert as_of == NOW
    return [key for key in keys if key % 2 == 0]


ACTIVATE = Transition(
    name="activated", frm="PENDING", to="ACTIVE", when=lambda now: groups.c.starts_at <= now, event="group.activated"
)
COMPLETE = Transition(
    name="completed", frm="ACTIVE", to="COMPLETED", chosen=even, set_values={"ended_at": lambda now: now}
)


@pytest.fixture(params=[(ACTIVATE, COMPLETE), (COMPLETE, ACTIVATE)])
def recipe(request: pytest.FixtureRequest, engine: Engine) -> Transitions:
    metadata.create_all(engine)
    bind(metadata, engine)
    with engine.begin() as connection:
        states = ["PENDING"] * 5 + ["ACTIVE"] * 5
        rows = [{"id": id_, "state": state, "starts_at": NOW} for id_, state in enumerate(states)]
        rows[3]["starts_at"] = days(-1)[0]
        connection.execute(groups.insert(), rows)
    return Transitions(groups.c.state, request.param, safety=GENTLE)


def test_no_row_moves_twice_in_one_run(recipe: Transitions, rows_of: RowsOf) -> None:
    home = FakeHome()

    first = cook(recipe, home=home)

    assert first.counts == {"completed": 2, "activated": 4, "conflict": 0}
    assert rows_of(groups, groups.c.state) == [
        "ACTIVE", "ACTIVE", "ACTIVE", "PENDING", "ACTIVE", "ACTIVE", "COMPLETED", "ACTIVE", "COMPLETED", "ACTIVE",
    ]  # fmt: skip
    assert [data["ids"] for _, data in home.emitted] == [[0, 1], [2, 4]]
    assert cook(recipe, id=2).counts == {"completed": 3, "activated": 0, "conflict": 0}
    assert cook(recipe, id=3).message == "nothing to do"


def test_values_go_with_the_state(recipe: Transitions, rows_of: RowsOf) -> None:
    cook(recipe)

    assert [row.ended_at is not None for row in rows_of(groups)] == [
        row.state == "COMPLETED" for row in rows_of(groups)
    ]


@pytest.mark.usefixtures("recipe")
def test_a_row_that_somebody_moves_meanwhile_is_left_where_it_is(rows_of: RowsOf) -> None:
    def slow(connection: Connection, keys: Sequence[Any], _: datetime) -> Sequence[Any]:
        connection.execute(groups.update().where(groups.c.id == 7, groups.c.id.in_(keys)).values(state="FROZEN"))
        return keys

    complete = Transition(name="completed", frm="ACTIVE", to="COMPLETED", chosen=slow)

    assert cook(Transitions(groups.c.state, [complete], safety=GENTLE)).counts == {"completed": 4, "conflict": 1}
    assert rows_of(groups, groups.c.state)[5:] == ["COMPLETED"] * 2 + ["FROZEN"] + ["COMPLETED"] * 2


def test_a_circle_is_refused() -> None:
    back = Transition(name="reopened", frm="COMPLETED", to="PENDING")

    with pytest.raises(ConfigError, match="lead in a circle"):
        Transitions(groups.c.state, [ACTIVATE, COMPLETE, back])
