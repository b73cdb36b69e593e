"""A process that does one attempt of a recipe, for a test that kills it: every batch takes a little while."""

from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, make_url

from rota.recipes import Anonymise, Recipe, Retention, Safety, Scrub, bind
from tests.recipes.conftest import cook
from tests.recipes.tables import events, metadata, notes

GENTLE = Safety(most_fraction=None, runaway=None, batch=10, pause=0.005)
RECIPES: dict[str, Recipe] = {
    "delete": Retention(notes, age=notes.c.created_at, older_than="90d", safety=GENTLE),
    "anonymise": Anonymise(
        events,
        age=events.c.at,
        older_than="1y",
        marker=events.c.anonymized_at,
        safety=GENTLE,
        set_values={"user_id": None},
        scrub={"metadata": Scrub},
    ),
}


def attempt(url: str, recipe: str, number: int, told: Any) -> None:
    """Do it on an engine of this process's own, and tell the counts."""
    address = make_url(url)
    if address.get_backend_name() == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    bind(metadata, create_engine(address))
    told.put(cook(RECIPES[recipe], attempt=number).counts)
