"""What the documents say about the code is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rota.model.fire import Verdict
from rota.model.run import MOVES, RunState

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("apps/*/*.md")])


def lifecycle() -> str:
    return (ROOT / "docs" / "lifecycle.md").read_text()


def test_the_table_of_moves_is_the_one_in_force() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", lifecycle(), flags=re.MULTILINE)

    told = {state: set(re.findall(r"`(\w+)`", targets)) for state, targets in rows if state in set(RunState)}

    assert told == {state.value: {target.value for target in targets} for state, targets in MOVES.items()}


def test_the_diagram_has_every_move_and_no_other() -> None:
    drawn = re.findall(r"^ +(\w+) --> (\w+):", lifecycle(), flags=re.MULTILINE)

    assert set(drawn) == {(state.value, target.value) for state, targets in MOVES.items() for target in targets}


def test_every_verdict_on_a_fire_is_told() -> None:
    section = lifecycle().partition("## Before the run")[2]

    assert re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE) == [verdict.value for verdict in Verdict]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_file_that_the_style_rules_point_to_is_there() -> None:
    names = re.findall(r"`([\w/.]+\.(?:py|sql|toml|md))`", (ROOT / "CONTRIBUTING.md").read_text())

    places = (ROOT, ROOT / "src" / "rota")
    missing = [name for name in names if name != "utils.py" and not any((at / name).exists() for at in places)]
    assert missing == []
