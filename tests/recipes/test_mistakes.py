"""What is wrong with a recipe is told where it is written, and says what to write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from rota.errors import ConfigError
from rota.recipes import Child, Retention, Safety, Update
from tests.messages.conftest import news
from tests.messages.tables import people
from tests.recipes.tables import comments, notes

AGED: dict[str, Any] = {"age": notes.c.created_at, "older_than": "90d"}


def old(**options: Any) -> Retention:
    return Retention(notes, **(AGED | options))


def campaign(**options: Any) -> Any:
    class Sender:
        def send(self, messages: Any) -> None: ...

    return news(options.pop("channels", Sender()), **options)


MISTAKES: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: old(age="created_at"), "age='created_at' is no column", "age=table.c.created_at"),
    (lambda: old(age=90), "age=90 is no column", "column of the table"),
    (lambda: old(older_than=90), "90 is no age", '"90d"'),
    (lambda: old(where="read"), "where='read' is no condition", "is_not(None)"),
    (lambda: old(where=notes.c.text is None), "where=False is no condition", "is_not(None)"),
    (lambda: old(count_too={"x": True}), "count_too['x']=True is no condition", "is_not(None)"),
    (lambda: old(archive_to="/x"), "archive_to='/x' keeps nothing", "ArchiveTo.folder('/x')"),
    (lambda: old(archive_to=Path("/x")), "keeps nothing", "ArchiveTo.folder('/x')"),
    (lambda: old(archive_to=notes), "keeps nothing", ".table("),
    (lambda: old(safety={"most_rows": 5}), "safety={'most_rows': 5}", "Safety(most_rows=50_000)"),
    (lambda: old(promote=7), "promote=7", "Promotion(dry_runs=7)"),
    (lambda: old(children=Child(comments, comments.c.note_id)), "children=", "children=(Child("),
    (lambda: old(children=(comments,)), "children=", "children=(Child("),
    (lambda: Update("note", set_values={}), "'note' is no table", "Table of SQLAlchemy"),
    (lambda: Safety(pause="1s"), "pause='1s' is no pause", "timedelta"),  # type: ignore[arg-type]
    (lambda: Safety(pause=-1), "pause=-1 is no pause", "timedelta"),
    (lambda: Safety(most_fraction="5%"), "most_fraction='5%' is no number", "0.05"),  # type: ignore[arg-type]
    (lambda: Safety(cascades="child"), "cascades='child' is no set", "cascades={'table'}"),  # type: ignore[arg-type]
    (lambda: Safety(window=3), "3 is no window", "01:00-06:00"),  # type: ignore[arg-type]
    (lambda: Safety(patience="for ever"), "for ever", "90d"),
    (lambda: campaign(plan=select(people.c.id)), "plan=<sqlalchemy", "plan=lambda run: select(…)"),
    (lambda: campaign(look="people"), "look='people'", "SELECT"),
    (lambda: campaign(render="Hello"), "render='Hello' will not do", "Templates"),
    (lambda: campaign(channels={"email": "smtp://x"}), "channels={'email': ", "Smtp(…)"),
    (lambda: campaign(channels={"email": []}), "channels={'email': ", "Smtp(…)"),
    (lambda: campaign(useful_for=3), "3 is no age", '"90d"'),
    (lambda: campaign(retry=timedelta(minutes=1)), "retry=", "retry=[timedelta"),
    (lambda: campaign(retry=[60]), "retry=[60]", "retry=[timedelta"),
    (lambda: campaign(lateness=48), "48 is no age", '"90d"'),
]


@pytest.mark.parametrize(("write", "wrong", "hint"), MISTAKES, ids=[wrong for _, wrong, _ in MISTAKES])
def test_a_mistake_is_told_with_what_to_write(write: Callable[[], Any], wrong: str, hint: str) -> None:
    with pytest.raises(ConfigError) as told:
        write()

    assert wrong in str(told.value)
    assert hint in (told.value.hint or "")


def test_expressions_and_functions_are_columns_and_conditions() -> None:
    old(where=lambda as_of: notes.c.created_at < as_of)
    old(where=notes.c.text.is_(None), count_too={"x": notes.c.text == "y"}, children=[])
