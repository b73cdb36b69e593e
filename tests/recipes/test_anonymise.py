from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from rota.errors import ConfigError
from rota.recipes import Anonymise, Safety, Scrub
from rota.recipes.personal import pseudonym
from tests.recipes.conftest import cook
from tests.recipes.tables import events

ANY = Safety(most_fraction=None, runaway=None, pause=0, batch=2)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]


def recipe(**options: Any) -> Anonymise:
    given = {"set_values": {"user_id": None}, "scrub": {"metadata": Scrub}, "older_than": "1y", "safety": ANY} | options
    return Anonymise(events, age=events.c.at, marker=events.c.anonymized_at, **given)


def event(number: int, **values: Any) -> dict[str, Any]:
    return {"id": UUID(int=number), "at": datetime(2024, 1, 1), "user_id": number} | values  # noqa: DTZ001 - as it is kept


def test_what_is_personal_goes_and_the_rest_stays(put: Put, rows_of: RowsOf) -> None:
    data = {
        "plan": "pro",
        "before": {"email": "a@b.c", "E-Mail": "x", "city": "Lyon"},
        "list": [{"phoneNumber": 1}, "b"],
        "inner": json.dumps({"ip": "1.2.3.4", "size": 3}),
    }
    put(events, event(1, metadata=data), event(2), event(3, at=datetime(2025, 12, 1), metadata=data))  # noqa: DTZ001

    result = cook(recipe())
    first, second, young = rows_of(events)

    assert result.counts == {"anonymized": 2, "unparsable": 0}
    assert result.details["keys_removed"] == {"email": 1, "E-Mail": 1, "city": 1, "phoneNumber": 1, "ip": 1}
    assert first.metadata == {"plan": "pro", "before": {}, "list": [{}, "b"], "inner": '{"size": 3}'}
    assert (first.user_id, second.user_id, second.metadata, young.user_id) == (None, None, None, 3)
    assert first.anonymized_at is not None
    assert young.anonymized_at is None


def test_a_row_that_was_done_is_not_done_again(put: Put, rows_of: RowsOf) -> None:
    put(events, *(event(number, metadata={"email": "x"}) for number in range(5)))

    assert cook(recipe()).counts["anonymized"] == 5
    assert cook(recipe(), id=2).counts == {"anonymized": 0, "unparsable": 0}


@pytest.mark.parametrize("odd", [["a@b.c"], 7, "no json", True])
def test_data_that_is_no_object_goes_whole(put: Put, rows_of: RowsOf, odd: Any) -> None:
    put(events, event(1, metadata=odd))

    result = cook(recipe())

    assert rows_of(events, events.c.id, events.c.metadata.is_(None))[0][1]
    assert result.counts["unparsable"] == (1 if odd == "no json" else 0)


def test_text_that_is_json_is_read_first(put: Put, rows_of: RowsOf) -> None:
    put(events, event(1, metadata='{"name": "Anna", "rows": 3}'))

    cook(recipe())

    assert rows_of(events, events.c.metadata) == [{"rows": 3}]


def test_values_may_be_made_of_the_row(put: Put, rows_of: RowsOf) -> None:
    put(events, event(7, metadata={"a": 1}))

    cook(recipe(set_values={"metadata": lambda row: {"subject": pseudonym(b"key", row["user_id"])}}, scrub={}))

    assert rows_of(events, events.c.metadata) == [{"subject": pseudonym(b"key", 7)}]
    assert len(pseudonym(b"key", 7)) == 16
    assert pseudonym(b"key", 7) != pseudonym(b"other", 7)


def test_texts_may_be_looked_into_and_paths_spared() -> None:
    scrub = Scrub(patterns=True, spare=frozenset({"contest.city"}))

    found = scrub(
        {"note": "call +33 1 23 45 67 89 or a.b@c.org from 10.0.0.1", "contest": {"city": "Lyon"}, "city": "x"}
    )

    assert found == {"note": "call [removed] or [removed] from [removed]", "contest": {"city": "Lyon"}}
    assert scrub.removed == {"city": 1}


def test_a_dry_run_counts_alone(put: Put, rows_of: RowsOf) -> None:
    put(events, event(1))

    result = cook(recipe(), dry_run=True)

    assert (result.counts, rows_of(events, events.c.user_id)) == ({"anonymized": 1, "unparsable": 0}, [1])


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no column 'user'"):
        recipe(set_values={"user": None})
