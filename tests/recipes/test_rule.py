"""A rule is known again by all that it does, and by nothing that changes from night to night."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from rota.errors import ConfigError
from rota.recipes import (
    Aggregate,
    Anonymise,
    ArchiveTo,
    Child,
    Recipe,
    Retention,
    Safety,
    Transition,
    Transitions,
    Update,
)
from rota.recipes.part import rule_hash
from tests.recipes.conftest import NOW, cook, days
from tests.recipes.tables import comments, events, notes

ANY = Safety(most_fraction=None, runaway=None, pause=0)
Put = Callable[..., None]
RowsOf = Callable[..., list[Any]]


def spam(kind: str) -> Retention:
    return Retention(notes, where=notes.c.text == kind, safety=ANY)


def set_to(value: Any) -> Update:
    return Update(notes, where=notes.c.text == "spam", set_values={"text": value}, safety=ANY)


def hash_of(recipe: Recipe, nights: int = 0) -> str:
    [part] = recipe.parts(NOW + timedelta(days=nights))
    return rule_hash(part)


def nothing(connection: Any, keys: Any, as_of: Any) -> dict[Any, Any]:
    return {}


def lengths(connection: Any, keys: Any, as_of: Any) -> dict[Any, Any]:
    return {key: len(keys) for key in keys}


def moving(**values: Any) -> Transitions:
    return Transitions(notes.c.text, [Transition(**{"name": "age", "frm": "new", "to": "old", **values})])


def child(kind: str) -> Child:
    return Child(comments, comments.c.note_id, where=lambda _: comments.c.id == len(kind))


SPAM = {"where": notes.c.text == "spam", "safety": ANY}
OTHERS: list[tuple[Recipe, Recipe]] = [
    (spam("spam"), spam("paid invoice")),
    (spam("spam"), set_to("read")),
    (set_to("read"), set_to("unread")),
    (set_to(lambda now: now), set_to(lambda now: now - timedelta(days=1))),
    (Retention(notes, **SPAM), Retention(notes, **SPAM, children=(Child(comments, comments.c.note_id),))),
    (
        Retention(notes, **SPAM, children=(child("a"),)),
        Retention(notes, **SPAM, children=(child("ab"),)),
    ),
    (Retention(notes, **SPAM), Retention(notes, **SPAM, archive_to=ArchiveTo.folder("/a"))),
    (
        Retention(notes, **SPAM, archive_to=ArchiveTo.folder("/a")),
        Retention(notes, **SPAM, archive_to=ArchiveTo.folder("/b")),
    ),
    (
        Retention(notes, where=notes.c.text.in_(["a"]), safety=ANY),
        Retention(notes, where=notes.c.text.in_(["b"]), safety=ANY),
    ),
    (
        Anonymise(
            events, older_than="1y", age=events.c.at, marker=events.c.anonymized_at, set_values={"user_id": None}
        ),
        Anonymise(events, older_than="1y", age=events.c.at, marker=events.c.anonymized_at, set_values={"user_id": 0}),
    ),
    (Aggregate(notes.c.text, nothing, missing=""), Aggregate(notes.c.text, nothing, missing="none")),
    (Aggregate(notes.c.text, nothing), Aggregate(notes.c.text, lengths)),
    (moving(to="old"), moving(to="older")),
    (moving(set_values={"read_at": None}), moving(set_values={"read_at": NOW})),
]


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_whatever_else_would_be_done_is_another_rule(one: Recipe, other: Recipe) -> None:
    assert hash_of(one) != hash_of(other)


@pytest.mark.parametrize(
    "recipe",
    [
        *(each for pair in OTHERS for each in pair),
        Retention(notes, age=notes.c.created_at, older_than="1mo", safety=ANY),
        Retention(notes, where=lambda now: notes.c.read_at < now - timedelta(days=3), safety=ANY),
    ],
)
def test_the_same_rule_is_known_again_each_night(recipe: Recipe) -> None:
    assert {hash_of(recipe, night) for night in (0, 1, 40)} == {hash_of(recipe)}


def test_the_same_rule_is_known_again_in_another_process() -> None:
    told = "from tests.recipes.test_rule import OTHERS, hash_of; print([hash_of(x) for pair in OTHERS for x in pair])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([hash_of(each) for pair in OTHERS for each in pair])


def test_a_plan_is_of_its_values_and_of_its_action(put: Put, rows_of: RowsOf) -> None:
    put(notes, *({"id": n, "created_at": at, "text": "spam"} for n, at in enumerate(days(1, 2))))
    put(notes, {"id": 9, "created_at": NOW, "text": "paid invoice"})
    others: list[Recipe] = [spam("paid invoice"), set_to("read")]
    plan = cook(spam("spam"), dry_run=True).details["plan"]

    for each in others:
        with pytest.raises(ConfigError, match="of another rule"):
            cook(each, plan=plan)

    assert len(rows_of(notes)) == 3
    assert cook(spam("spam"), plan=plan, as_of=NOW + timedelta(days=1)).counts == {"deleted": 2}
