"""`rota recipe`: from the first look to the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Column, MetaData, Table, Text, create_engine, func, select

from rota.cli.output import Output
from rota.cli.recipe import _show_plan
from rota.messages import Smtp
from rota.recipes import ColumnStore
from rota.recipes.told import told
from tests.cli.conftest import Shop, open_shop

SOURCE = """
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, create_engine

from rota import Rota
from rota.recipes import ArchiveTo, PruneLogs, Retention, Safety, bind

rota = Rota({url!r})
here = Path(__file__).parent
metadata = MetaData()
notes = Table(
    "note",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("created_at", DateTime(timezone=True), index=True),
)
bind(metadata, create_engine(f"sqlite:///{{here}}/notes.db"))


@rota.job("shop/plain")
def plain() -> None: ...


old_notes = Retention(
    notes, age=notes.c.created_at, older_than="90d", safety=Safety(pause=0), archive_to=ArchiveTo.folder(here / "kept")
)
rota.job("shop/old-notes", environments=["production"])(old_notes)
(here / "logs").mkdir(exist_ok=True)
logs = PruneLogs(here / "logs", patterns=("*.log", "*.out"), older_than="12d")
rota.job("shop/logs", environments=["production"])(logs)
"""


@pytest.fixture
def tidy(place: Path, ledger_url: str) -> Iterator[Shop]:
    """An application with a recipe, and 20 notes of which 5 are old."""
    shop = open_shop(place, ledger_url, SOURCE)
    app = shop.app
    app.prepare()
    notes = app.jobs["shop/old-notes"].function.table  # type: ignore[attr-defined]
    from datetime import UTC, datetime, timedelta

    engine = create_engine(f"sqlite:///{place}/notes.db")
    notes.metadata.create_all(engine)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        ages = [100] * 5 + [1] * 15
        connection.execute(notes.insert(), [{"created_at": now - timedelta(days=age)} for age in ages])
    yield shop
    engine.dispose()
    app.close()


def count(shop: Shop) -> int:
    notes = shop.app.jobs["shop/old-notes"].function.table  # type: ignore[attr-defined]
    engine = create_engine(f"sqlite:///{shop.place}/notes.db")
    with engine.connect() as connection:
        found = connection.scalar(select(func.count()).select_from(notes)) or 0
    engine.dispose()
    return found


def test_a_recipe_makes_its_job_destructive_and_describes_it(tidy: Shop) -> None:
    policies = tidy.json("job", "show", "shop/old-notes")["policies"]

    assert policies["destructive"] is True
    assert policies["description"] == "Delete rows of note older than 90d."


def test_from_a_dry_run_over_its_plan_to_the_way_back(tidy: Shop) -> None:
    assert tidy.rota("recipe", "run", "shop/old-notes", "--dry-run").exit_code == 0
    tidy.work()
    shown = json.loads(tidy.app.runs.get(1).result or "")
    assert (shown["status"], shown["counts"]["deleted"], count(tidy)) == ("dry_run", 5, 20)

    tidy.rota("recipe", "run", "shop/old-notes", "--plan", shown["details"]["plan"])
    tidy.work()
    assert (json.loads(tidy.app.runs.get(2).result or "")["counts"]["deleted"], count(tidy)) == (5, 15)
    [item] = tidy.json("recipe", "ls")["items"]
    assert (item["job"], item["overdue"], item["table"]) == ("shop/old-notes", 0, "note")

    [part] = tidy.json("recipe", "show", "shop/old-notes")["parts"]
    assert [(each["run"], each["foreseen"], each["changed"]) for each in part["forecasts"]] == [
        ("shop/old-notes:2", 5, 5),
        ("shop/old-notes:1", 5, None),
    ]
    assert "dry run" in tidy.rota("recipe", "show", "shop/old-notes").stdout

    back = tidy.rota("recipe", "undo", "2", "--yes")
    assert (back.stderr, count(tidy)) == ("5 rows are back.\n", 20)
    again = tidy.json("recipe", "undo", "2", "--yes")
    assert again == {"run": 2, "restored": 0, "existing": [1, 2, 3, 4, 5]}


def test_rows_that_are_put_back_are_overdue_again(tidy: Shop) -> None:
    tidy.rota("recipe", "run", "shop/old-notes")
    tidy.work()
    assert tidy.json("recipe", "ls")["items"][0]["overdue"] == 0

    tidy.rota("recipe", "undo", "1", "--yes")
    [item] = tidy.json("recipe", "ls")["items"]
    assert item["overdue"] == 5
    assert item["oldest"] is not None

    tidy.rota("recipe", "run", "shop/old-notes")
    tidy.work()
    assert tidy.json("recipe", "ls")["items"][0]["overdue"] == 0


def test_a_plan_is_a_sentence_a_statement_and_the_next_command(tidy: Shop) -> None:
    tidy.rota("recipe", "run", "shop/old-notes", "--dry-run")
    tidy.work()
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        _show_plan(tidy.app, tidy.app.runs.get(1), Output())
    sentence, statement, command = said.getvalue().splitlines()

    assert sentence.startswith("would delete 5 of 20 rows of note older than ")
    assert statement.startswith("  DELETE FROM note WHERE note.created_at < '20")
    words = command.removeprefix("Nothing was changed. To do it: rota ").split()
    assert words[:4] == ["recipe", "run", "shop/old-notes", "--plan"]
    assert words.pop() == "--wait"

    assert tidy.rota(*words).exit_code == 0
    tidy.work()
    assert count(tidy) == 15


def test_limits_are_shown_and_lifted(tidy: Shop) -> None:
    assert tidy.json("recipe", "show", "shop/old-notes")["limits"] is None
    told = tidy.rota("recipe", "limit", "shop/old-notes", "--stop", "--batch", "2", "--pause", "1s").stderr
    assert "at most 2 rows a batch, 1s between two, stopped (" in told
    assert "at most 2 rows a batch, 1s between two, stopped (" in tidy.rota("recipe", "show", "shop/old-notes").stdout
    assert tidy.json("recipe", "show", "shop/old-notes")["limits"]["batch"] == 2

    assert "no limit" in tidy.rota("recipe", "limit", "shop/old-notes", "--none").stderr
    assert tidy.json("recipe", "show", "shop/old-notes")["limits"] is None
    tidy.rota("recipe", "run", "shop/old-notes")
    tidy.work()
    assert count(tidy) == 15


def test_of_any_recipe_is_told_what_it_was_made_of_and_how_it_went(tidy: Shop) -> None:
    tidy.rota("job", "run", "shop/logs")
    tidy.work()
    found = tidy.json("recipe", "show", "shop/logs")

    assert found["made_of"]["patterns"] == "*.log, *.out"
    assert found["made_of"]["older_than"] == "12d"
    assert [(run["run"], run["state"]) for run in found["runs"]] == [(1, "succeeded")]
    text = tidy.rota("recipe", "show", "shop/logs").stdout
    assert "*.log, *.out" in text
    assert "succeeded" in text


def test_no_secret_is_told_of_what_a_recipe_was_made_of() -> None:
    table = Table("version", MetaData(), Column("id", Text, primary_key=True), Column("value", Text))
    store = ColumnStore(table.c.value, [Fernet.generate_key().decode()])
    send = Smtp("mail.example", 25, sender="a@b.example", username="u", password="hush")

    assert (told(store), told({"email": send}), told(b"hush")) == (
        "ColumnStore(column=version.value)",
        "email: Smtp",
        "bytes",
    )


def test_it_is_shown_what_it_would_do_and_did(tidy: Shop) -> None:
    before = tidy.json("recipe", "show", "shop/old-notes")["parts"][0]
    assert (before["overdue"], before["of"], before["trips"], before["batches"]) == (5, 20, [], [])
    tidy.rota("recipe", "run", "shop/old-notes")
    tidy.work()

    text = tidy.rota("recipe", "show", "shop/old-notes").stdout

    assert re.search(r"^does +Delete rows of note older than 90d\.$", text, re.MULTILINE)
    [batch] = [line for line in text.splitlines() if " delete " in line]
    assert "yes" in batch


def test_a_stopped_recipe_leaves_its_rows_until_it_goes_on(tidy: Shop) -> None:
    tidy.rota("recipe", "limit", "shop/old-notes", "--stop", "--batch", "2")
    tidy.rota("recipe", "run", "shop/old-notes")
    tidy.work()
    assert count(tidy) == 20

    limits = tidy.json("recipe", "limit", "shop/old-notes", "--go-on")
    assert (limits["stopped"], limits["batch"]) == (0, 2)
    tidy.rota("recipe", "run", "shop/old-notes")
    tidy.work()
    assert count(tidy) == 15


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", "shop/plain"), 3, "job shop/plain is no recipe"),
        (("show", "shop/nothing"), 3, "shop/nothing"),
        (("run", "shop/old-notes", "--dry-run", "--plan", "1-a"), 2, "a plan is done, not shown again"),
        (("limit", "shop/old-notes"), 2, "no limit is given"),
        (("limit", "shop/old-notes", "--none", "--stop"), 2, "limits are set or lifted, not both"),
        (("undo", "77", "--yes"), 3, "77"),
    ],
)
def test_what_cannot_be_meant_is_told(tidy: Shop, words: tuple[str, ...], code: int, told: str) -> None:
    result = tidy.rota("recipe", *words)

    assert result.exit_code == code
    assert told in result.stderr
