"""The jobs on tables that are called otherwise, with keys and moments of the database's own kinds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from apps.database import connect
from tests.bazaar.conftest import NOW

PEOPLE = """
CREATE TABLE {people} (
    nr {number} PRIMARY KEY, mail TEXT NOT NULL, password_hash TEXT, full_name TEXT, avatar_url TEXT, bio TEXT,
    is_admin BOOLEAN NOT NULL DEFAULT false, is_external BOOLEAN NOT NULL DEFAULT false, invited_by_id {number},
    points INTEGER NOT NULL DEFAULT 0, show_email_on_profile BOOLEAN, include_in_search BOOLEAN,
    show_activity_publicly BOOLEAN, joined_on {moment} NOT NULL, deleted_at {moment}, deletion_requested_at {moment},
    anonymized_at {moment}
)
"""
INVITES = """
CREATE TABLE {invites} (
    code {uuid} PRIMARY KEY, email TEXT NOT NULL, host {number} NOT NULL, project_id TEXT, role TEXT, token TEXT,
    valid_until {moment}, accepted_at {moment}, declined_at {moment}, made_on {moment} NOT NULL
)
"""
KINDS = {
    "sqlite": {"number": "INTEGER", "moment": "DATETIME", "uuid": "TEXT", "people": "people", "invites": "invites"},
    "postgresql": {
        "number": "BIGINT",
        "moment": "TIMESTAMPTZ",
        "uuid": "UUID",
        "people": "crm.people",
        "invites": "crm.invites",
    },
}
JOBS = ["cleanup-invitations", "recalculate-karma", "cleanup-push-tokens"]


@pytest.fixture(scope="session")
def make_tables() -> None:
    """The owner's tables are in the place of the application's."""


@pytest.fixture
def own(database_url: str) -> Any:
    engine = connect(database_url)
    names = KINDS[engine.dialect.name]
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("CREATE SCHEMA crm"))
        for statement in (PEOPLE, INVITES):
            connection.execute(text(statement.format(**names)))
    yield engine
    engine.dispose()


@pytest.fixture
def written(own: Engine, tmp_path: Path) -> Path:
    """The file that the documentation shows, which is for PostgreSQL."""
    [shown] = re.findall(r"```toml\n(.*?)```", Path("docs/own-tables.md").read_text(), re.DOTALL)
    file = tmp_path / "tables.toml"
    file.write_text(shown if own.dialect.name == "postgresql" else shown.replace("crm.", ""))
    return file


def put(engine: Engine, table: str, **values: Any) -> None:
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({marks})"), values)


def moment(engine: Engine, days: float) -> Any:
    at = NOW - timedelta(days=days)
    return at if engine.dialect.name == "postgresql" else f"{at:%Y-%m-%d %H:%M:%S.%f}"


def run(engine: Engine, file: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    url = engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)
    env = {**os.environ, "BAZAAR_DATABASE_URL": url, "BAZAAR_TABLES": str(file)}
    command = [sys.executable, "-m", "tests.bazaar.own_tables", str(tmp_path), NOW.isoformat(), *JOBS]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_jobs_do_their_work_on_tables_of_ones_own(own: Engine, written: Path, tmp_path: Path) -> None:
    names = KINDS[own.dialect.name]
    put(own, names["people"], nr=7, mail="a@x.org", points=3, joined_on=moment(own, 900))
    for number, (days, until) in enumerate([(31, 1), (31, -1), (30, 1), (29, 1), (400, 390)]):
        put(
            own,
            names["invites"],
            code=f"00000000-0000-0000-0000-{number:012}",
            email="b@x.org",
            host=7,
            made_on=moment(own, days),
            valid_until=moment(own, until),
        )

    done = run(own, written, tmp_path)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {job: result.get("status") for job, result in found.items()} == dict.fromkeys(JOBS, "success"), found
    assert found["cleanup-invitations"]["counts"] == {"deleted_count": 2, "kept_not_expired": 1}
    assert found["recalculate-karma"]["counts"]["changed"] == 1
    with own.connect() as connection:
        left = connection.execute(text(f"SELECT code FROM {names['invites']} ORDER BY code")).scalars()
        assert [str(code)[-1] for code in left] == ["1", "2", "3"]
        assert connection.execute(text(f"SELECT points FROM {names['people']}")).scalar() == 0


def test_all_that_does_not_fit_is_told_before_anything_is_done(own: Engine, tmp_path: Path) -> None:
    names = KINDS[own.dialect.name]
    file = tmp_path / "tables.toml"
    file.write_text(
        f"""
        [users]
        table = "{names["people"]}"
        email = "mail"
        created_at = "full_name"
        shoe_size = "bio"
        [push_tokens]
        table = "devices"
        [invitations]
        """
    )

    done = run(own, file, tmp_path)

    assert done.returncode == 1
    for told in (
        "people has no column id; say how it calls id",
        "full_name of people is TEXT, but created_at is a moment",
        "users: it has no column shoe_size; there are id, email,",
        "push_tokens: the database has no table devices",
        "invitations: there is no such table; there are users, projects,",
    ):
        assert told in done.stderr
    with own.connect() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {names['people']}")).scalar() == 0


@pytest.mark.parametrize("content", ["[users", 'users = "people"', "[users]\nid = 7"])
def test_a_file_that_cannot_be_read_is_named(own: Engine, tmp_path: Path, content: str) -> None:
    file = tmp_path / "tables.toml"
    file.write_text(content)

    done = run(own, file, tmp_path)

    assert done.returncode == 1
    assert str(file) in done.stderr
