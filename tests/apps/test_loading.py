"""A file of data, read as it was written."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from apps.loading import misread


def load(tmp_path: Path, data: bytes) -> subprocess.CompletedProcess[str]:
    """Under a locale whose encoding is another one."""
    file = tmp_path / "data.json"
    file.write_bytes(data)
    env = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "latin-1"}
    env["FAF_DATABASE_URL"] = f"sqlite:///{tmp_path}/faf.db"
    command = [sys.executable, "-m", "apps.faf.load", str(file)]
    return subprocess.run(command, env=env, text=True, capture_output=True, check=False)


def document(name: str, table: str = "users") -> str:
    """A row of that table, with that name."""
    row = {"id": 1, "username": name} if table == "users" else {"id": 1, "owner_id": 1, "first_name": name}
    return json.dumps({table: [row | {"email": "a@x.org"}]}, ensure_ascii=False)


@pytest.mark.defect("FF-B14")
def test_it_is_utf_8_whatever_the_machine_speaks_and_nothing_else(tmp_path: Path) -> None:
    done = load(tmp_path, document("Zoé").encode())

    assert (done.returncode, done.stderr) == (0, "")
    with sqlite3.connect(tmp_path / "faf.db") as connection:
        assert connection.execute("SELECT username FROM users").fetchall() == [("Zoé",)]

    odd = load(tmp_path, document("Zoé").encode("mac_roman"))
    assert odd.returncode == 1
    assert odd.stderr.startswith("Error: 'utf-8' codec can't decode byte")


def test_a_warning_names_the_column_and_shows_nobodys_name(tmp_path: Path) -> None:
    done = load(tmp_path, document("ZoÃ©", "contacts").encode())

    assert done.returncode == 0
    assert done.stderr == (
        "Warning: contacts.first_name has text that was UTF-8, and was read as something else before\n"
    )


@pytest.mark.defect("FF-B14")
@pytest.mark.parametrize(("name", "read_as"), [
    ("Zoé", "mac_roman"), ("Zoé", "cp1252"), ("François", "latin-1"), ("l\u2019été", "mac_roman"), ("señor", "cp1252"),
])  # fmt: skip
def test_text_that_was_misread_before_is_told(name: str, read_as: str) -> None:
    seen = name.encode().decode(read_as)

    assert misread({"users": [{"username": name}, {"username": seen}]}) == ["users.username"]


def test_text_that_is_as_it_should_be_is_told_by_nobody() -> None:
    assert misread({"users": [{"name": each} for each in ("Zoé", "naïve café", "Łódź", "日本", "√2", "Ω")]}) == []
