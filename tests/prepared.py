"""Databases that have an application's tables, and the recipes'."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import MetaData

from apps.own_tables import open_database
from rota.recipes import tables
from tests.servers import Make


@cache
def application(settings: Callable[..., Any], metadata: MetaData) -> Make:
    """The same for the same application, so that its tables are made once."""

    def prepare(url: str) -> None:
        engine = open_database(settings(database_url=url), metadata)
        tables.ready(engine)
        engine.dispose()

    return prepare
