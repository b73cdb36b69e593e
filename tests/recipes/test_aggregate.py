from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Engine, ForeignKey, Integer, MetaData, Table, func, select

from rota.recipes import Aggregate, Safety, bind
from tests.recipes.conftest import cook

metadata = MetaData()
people = Table("person", metadata, Column("id", Integer, primary_key=True), Column("points", Integer, key="score"))
votes = Table("vote", metadata, Column("id", Integer, primary_key=True), Column("person_id", ForeignKey(people.c.id)))
RowsOf = Callable[..., list[Any]]


def counted(connection: Connection, keys: Sequence[Any], _: datetime) -> dict[Any, Any]:
    found = select(votes.c.person_id, func.count()).where(votes.c.person_id.in_(keys)).group_by(votes.c.person_id)
    return {row[0]: row[1] for row in connection.execute(found)}


SCORES = Aggregate(people.c.score, counted, safety=Safety(most_fraction=None, runaway=None, batch=3, pause=0))


def fill(engine: Engine) -> None:
    """Ten people: the first has one vote, the second two, and so on; of three the score is wrong."""
    metadata.create_all(engine)
    bind(metadata, engine)
    wrong = {2: 7, 5: 0, 9: None}
    with engine.begin() as connection:
        scores = [{"id": id_, "score": wrong.get(id_, id_)} for id_ in range(10)]
        connection.execute(people.insert(), scores)
        connection.execute(votes.insert(), [{"person_id": id_} for id_ in range(10) for _ in range(id_)])


def test_what_is_wrong_is_put_right_and_what_is_right_left_alone(engine: Engine, rows_of: RowsOf) -> None:
    fill(engine)

    result = cook(SCORES)

    assert rows_of(people, people.c.score) == list(range(10))
    assert result.counts == {
        "changed": 3, "total_person": 10, "total_score_change": -5 + 5 + 9, "total_abs_change": 19, "max_change": 9,
        "failed": 0,
    }  # fmt: skip
    assert result.details["left"] == 0
    assert result.warnings == ["3 of 10 rows were wrong: what keeps score right meanwhile has missed them"]
    again = cook(SCORES, id=2)
    assert (again.counts, again.warnings) == (
        dict.fromkeys(result.counts, 0) | {"total_person": 10},
        [],
    )


def test_a_row_without_any_gets_what_is_missing(engine: Engine, rows_of: RowsOf) -> None:
    fill(engine)
    with engine.begin() as connection:
        connection.execute(votes.delete())

    cook(SCORES)

    assert rows_of(people, people.c.score) == [0] * 10


def test_a_dry_run_changes_nothing(engine: Engine, rows_of: RowsOf) -> None:
    fill(engine)

    assert cook(SCORES, dry_run=True).status == "dry_run"
    assert rows_of(people, people.c.score)[2] == 7
