"""The tables of the ledger, as the migrations make them: their list stands in no other place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

PREFIX = "rota_"
"""The name of every table and index begins with it, so that none is the application's."""
_CREATED = re.compile(r"^CREATE TABLE (rota_\w+) \(\n(.*?)^\);", re.MULTILINE | re.DOTALL)
_COLUMN = re.compile(r"^    ([a-z]\w*) ", re.MULTILINE)
_ADDED = re.compile(r"^ALTER TABLE (rota_\w+) ADD COLUMN (\w+)", re.MULTILINE)


@cache
def migration_files() -> list[tuple[str, str]]:
    """File name and text of every migration, whatever database it is for, in order."""
    paths = (files(__package__) / "sql" / "migrations").iterdir()
    return sorted((path.name, path.read_text()) for path in paths if path.name.endswith(".sql"))


@cache
def tables() -> Mapping[str, frozenset[str]]:
    """The names of the columns of each table, by its name."""
    found: dict[str, set[str]] = {}
    for _, text in migration_files():
        found |= {name: set(_COLUMN.findall(body)) for name, body in _CREATED.findall(text)}
        for name, column in _ADDED.findall(text):
            found[name].add(column)
    return {name: frozenset(columns) for name, columns in found.items()}
