"""An application that runs alone, and all of them, on one ledger."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from apps.application import application
from apps.bazaar.settings import Settings
from apps.bazaar.tables import metadata
from apps.own_tables import open_database
from rota import Blueprint, cron
from rota.errors import ConfigError


def blueprint(name: str) -> Blueprint:
    made = Blueprint(name)

    @made.job("nightly", schedule=cron("0 2 * * *", tz="UTC"))
    def nightly() -> None: ...

    return made


def test_one_alone_leaves_the_schedules_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTA_DATABASE", f"sqlite:///{tmp_path}/ledger.db")

    def names(*blueprints: Blueprint) -> list[str]:
        rota = application(*blueprints)
        rota.prepare()
        found = sorted(schedule.name for schedule in rota.schedules.page())
        rota.close()
        return found

    both = names(blueprint("one"), blueprint("two"))

    assert names(blueprint("one")) == both == ["one/nightly", "two/nightly"]


def test_a_table_of_somebody_elses_that_has_the_same_name_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm.db"
    with create_engine(url).begin() as connection:
        connection.execute(text("CREATE TABLE projects (id INTEGER PRIMARY KEY, title TEXT)"))

    with pytest.raises(ConfigError, match="projects is not Bazaar's: it has no column created_at, description") as told:
        open_database(Settings(database_url=url), metadata)

    assert "BAZAAR_DATABASE_URL" in told.value.hint
