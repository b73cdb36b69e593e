"""What the documents say about the code is what the code does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

import rota
from rota.config import QueueSettings, ScheduleSettings, Settings, load_settings, values
from rota.config.places import SETTINGS
from rota.model.event import KINDS
from rota.model.fire import Verdict
from rota.model.policy import OF_A_CALL, OF_A_JOB, OF_A_SCHEDULE, Also, Policy
from rota.model.retry import Retry
from rota.model.run import MOVES, RunState

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("apps/*/*.md")])


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


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


def told_settings() -> dict[str, tuple[str, str]]:
    """Of each row on the page of settings: its default and its variable."""
    rows = re.findall(r"^\| `([\w.]+)` \| (.+?) \| `(ROTA_\w+)` \|", page("settings.md"), flags=re.MULTILINE)
    return {name: (default.strip("`"), variable) for name, default, variable in rows}


def test_the_page_of_settings_has_every_one_and_no_other() -> None:
    known = [".".join(keys).replace("*", "NAME") for keys in SETTINGS]

    assert list(told_settings()) == known


@pytest.mark.parametrize("name", [".".join(keys).replace("*", "NAME") for keys in SETTINGS])
def test_the_default_and_the_variable_of_a_setting_are_those_in_force(name: str, tmp_path: Path) -> None:
    default, variable = told_settings()[name]
    given = "" if default == "none" else f"{name} = {default}"
    (tmp_path / "rota.toml").write_text(given)
    section = {"NAME": ScheduleSettings() if name.startswith("schedules") else QueueSettings()}
    alone = replace(Settings(), **({name.partition(".")[0]: section} if "NAME" in name else {}))

    assert variable == f"ROTA_{name.upper().replace('.', '__')}"
    assert load_settings({}, tmp_path) == Settings()
    assert (values(alone)[name] is None) == (default == "none")


def policy_row(name: str, policy: Policy) -> str:
    shown = "Retry()" if policy.default == Retry() else json.dumps(policy.default)
    default = "none" if policy.default is None else f"`{shown}`"
    places = {
        "`@rota.job`": name in OF_A_JOB,
        "`schedules.add`": name in OF_A_SCHEDULE,
        "`options`": name in OF_A_CALL,
        "`[schedules.NAME]`": Also.SETTINGS in policy.also,
        "`rota schedule add`": Also.CLI in policy.also and name in OF_A_SCHEDULE,
        "`rota job run`": Also.CLI in policy.also and name in OF_A_CALL,
    }
    where = ", ".join(place for place, there in places.items() if there)
    return f"| `{name}` | {default} | {policy.help} | {policy.kind.wanted} | {where} |"


def test_the_page_of_policies_has_the_table_that_is_in_force() -> None:
    rows = [policy_row(name, policy) for name, policy in {**OF_A_JOB, **OF_A_CALL}.items()]

    table = page("policies.md").partition("| policy |")[2]
    told = [line for line in table.splitlines() if line.startswith("| `")]

    assert "\n".join(told) == "\n".join(rows)


def test_the_page_of_the_api_names_all_that_rota_exports_and_every_kind_of_event() -> None:
    words = set(re.findall(r"\w+", page("api.md")))
    events = page("api.md").partition("## Events")[2].partition("\n## ")[0]
    kinds = re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", events, flags=re.MULTILINE)

    assert [name for name in rota.__all__ if name not in words] == []
    assert kinds == list(KINDS)


def test_the_page_of_the_api_lists_every_method_for_looking_and_steering(sqlite_url: str) -> None:
    app = rota.Rota(sqlite_url)
    rows = re.findall(
        r"^\| `rota\.(runs|schedules|queues|nodes|counters)` \| (.+) \|$", page("api.md"), flags=re.MULTILINE
    )

    assert len(rows) == 5
    for name, methods in rows:
        there = {each for each in vars(type(getattr(app, name))) if not each.startswith("_")}
        assert set(re.findall(r"`(\w+)`", methods)) == there, name


def examples(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", page(name), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ROTA_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(("name", "least"), [("api.md", 9), ("policies.md", 2), ("waiting.md", 5)])
def test_the_examples_of_a_page_run_one_after_the_other(name: str, least: int) -> None:
    names: dict[str, object] = {"__name__": "examples"}
    for example in examples(name):
        exec(compile(example, f"docs/{name}", "exec"), names)

    assert len(examples(name)) >= least


@pytest.mark.parametrize("framework", ["fastapi", "flask", "django"])
def test_the_examples_of_a_web_framework_do_what_they_say(alone: Path, framework: str) -> None:
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    for example in examples("frameworks.md"):
        named = re.match(r"# (\w+\.py)\n", example)
        assert named is not None
        (alone / named[1]).write_text(example)

    done = subprocess.run(
        [sys.executable, f"test_{framework}.py"], cwd=alone, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_the_unit_of_the_page_of_deployment_can_be_read_and_leaves_time_to_drain() -> None:
    [text] = re.findall(r"^```ini\n(.*?)^```$", page("deploy.md"), flags=re.MULTILINE | re.DOTALL)
    unit = ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(text)

    assert set(unit) == {"DEFAULT", "Unit", "Service", "Install"}
    assert float(unit["Service"]["TimeoutStopSec"]) > Settings().node.drain
    assert "up --processes" in unit["Service"]["ExecStart"]
