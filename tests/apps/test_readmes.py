"""The page of each application: every job, every setting with its default, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rota import Rota

APPS = Path(__file__).parents[2] / "apps"
NAMES = ["bazaar", "faf", "learn", "savings"]


def rows(name: str, heading: str) -> dict[str, list[str]]:
    """Of the table under a heading, each row's cells by its first."""
    section = (APPS / name / "README.md").read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = re.findall(r"^\| `(.+?)` \|(.*)\|$", section, re.MULTILINE)
    return {first: [cell.strip().strip("`") for cell in rest.split(" | ")] for first, rest in lines}


def default_of(item: Any) -> str:
    if item.default is None:
        return ""
    return str(item.default).lower() if isinstance(item.default, bool) else str(item.default)


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_told_with_its_default(name: str) -> None:
    settings = import_module(f"apps.{name}.settings").Settings
    wanted = {item.metadata["name"]: default_of(item) for item in fields(settings) if "name" in item.metadata}

    assert {variable: cells[0] for variable, cells in rows(name, "Settings").items()} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_every_job_is_told(name: str, tmp_path: Path) -> None:
    settings = import_module(f"apps.{name}.settings").Settings
    given = settings(logs=tmp_path) if name == "learn" else settings()
    rota = Rota(f"sqlite:///{tmp_path}/ledger.db")
    make = import_module(f"apps.{name}.blueprint").make_blueprint
    rota.include(make(given, lambda: rota) if name == "faf" else make(given))

    assert {f"{name}/{job}" for job in rows(name, "Jobs")} == set(rota.jobs)
