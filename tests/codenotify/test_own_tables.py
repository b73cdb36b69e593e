"""The jobs on tables that are called otherwise, with moments of the database's own kind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.schema import CreateTable

from apps.codenotify.tables import users
from apps.database import connect
from rota.recipes import writing
from tests.codenotify.helpers import NOW

RUN = """
import sys
from datetime import datetime
from apps.codenotify import jobs
from apps.codenotify.cleanup import cleanup_old_data
from apps.codenotify.dispatch import dispatch_notifications
from apps.codenotify.services import Services
from apps.codenotify.settings import Settings
from rota.testing import make_run
from tests.codenotify.helpers import HOUR, add_contest, announce, move_contest
jobs()
if len(sys.argv) > 1:
    now = datetime.fromisoformat(sys.argv[1])
    services = Services.of(Settings.from_env(), now=lambda: now)
    contest = add_contest(services, announce())
    counts = [dispatch_notifications(make_run(as_of=now), services).counts["sent"]]
    move_contest(services, contest, now + 20 * HOUR)
    counts += [dispatch_notifications(make_run(as_of=now, id=2), services).counts["sent"]]
    counts += [cleanup_old_data(make_run(as_of=now), services).counts["users_deactivated"]]
    print(*counts)
    services.close()
"""


@pytest.fixture(scope="session")
def make_tables() -> None:
    """The owner's tables are in the place of the application's."""


@pytest.fixture
def people(database_url: str):
    """Table and columns with other names, and moments as the database keeps them."""
    engine = connect(database_url)
    kind = "TIMESTAMPTZ" if engine.dialect.name == "postgresql" else "DATETIME"
    made = str(CreateTable(users).compile(engine)).replace("CREATE TABLE users", "CREATE TABLE people")
    made = (
        re.sub(r"(\w+_at) BIGINT", rf"\1 {kind}", made).replace("email TEXT", "mail TEXT").replace("(email)", "(mail)")
    )
    with writing(engine) as connection:
        connection.execute(text("DROP TABLE IF EXISTS notifications"))
        connection.execute(text(made))
    yield engine
    engine.dispose()


def put(engine, name: str, last: str) -> None:
    with writing(engine) as connection:
        connection.execute(
            text(
                "INSERT INTO people (mail, name, role, is_active, is_email_verified, platforms, contest_types,"
                " alert_frequency, channels, notify_before_hours, time_zone, created_at, last_login_at) VALUES"
                " (:mail, :name, 'user', true, true, '[\"codeforces\"]', '[]', 'immediate', '{\"email\": true}', 24,"
                " 'UTC', :last, :last)"
            ),
            {"mail": f"{name}@example.test", "name": name, "last": last},
        )


def run(engine, file: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    url = engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)
    given = {**os.environ, "CODENOTIFY_DATABASE_URL": url, "CODENOTIFY_TABLES": str(file), **env}
    command = [sys.executable, "-c", RUN, *arguments]
    return subprocess.run(command, env=given, capture_output=True, text=True, timeout=60, check=False)


def test_people_are_told_and_marked_in_a_table_of_ones_own(people, mails, tmp_path):
    file = tmp_path / "tables.toml"
    file.write_text('[users]\ntable = "people"\nemail = "mail"\n')
    put(people, "ada", "2026-08-01 10:00:00.000000")
    put(people, "old", "2026-01-01 10:00:00.000000")

    done = run(people, file, NOW.isoformat(), SMTP_HOST="127.0.0.1", SMTP_PORT=str(mails.port))

    assert (done.stdout.split(), done.stderr) == (["2", "2", "1"], "")
    assert sorted(mails.recipients) == ["ada@example.test"] * 2 + ["old@example.test"] * 2


def test_what_does_not_fit_is_told_when_the_application_starts(people, tmp_path):
    file = tmp_path / "tables.toml"
    file.write_text('[users]\ntable = "people"\n\n[contests]\ntable = "nothing"\n')

    done = run(people, file)

    assert done.returncode != 0
    assert "users: people has no column email; say how it calls email" in done.stderr
    assert "contests: the database has no table nothing" in done.stderr
