from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rota.cli.groups import LazyGroup
from rota.cli.main import main
from rota.errors import (
    ConflictError,
    CronError,
    NotFoundError,
    RotaError,
    SettingsError,
    StoreUnreachableError,
)
from tests.cli.conftest import Shop

SLOW = (
    "pydantic",
    "rich",
    "psycopg",
    "sqlite3",
    "importlib.metadata",
    "asyncio",
    "rota.app",
    "rota.config",
    "rota.store",
)


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a process has imported by the time the command ends."""
    script = "import sys; from rota.cli.main import main as rota; rota(standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> click.Command:
    """A command of `rota` that raises what the test puts into ``error``."""

    @click.command()
    def status() -> None:
        raise status.error  # type: ignore[attr-defined]

    monkeypatch.setattr(LazyGroup, "list_commands", lambda self, ctx: ["status"])
    monkeypatch.setattr(LazyGroup, "get_command", lambda self, ctx, name: status if name == "status" else None)
    return status


def test_help_imports_no_command_and_nothing_slow() -> None:
    loaded = loaded_by("--help")

    assert loaded.isdisjoint(SLOW)
    assert {name for name in loaded if name.startswith("rota.cli.")} == {
        "rota.cli.main",
        "rota.cli.groups",
    }


def test_help_of_a_group_imports_that_group_alone() -> None:
    loaded = loaded_by("config", "--help")

    assert loaded.isdisjoint(set(SLOW) - {"importlib.metadata"})
    assert "rota.cli.config" in loaded
    assert loaded.isdisjoint({"rota.cli.job", "rota.cli.run", "rota.cli.cron"})


def test_every_command_in_the_help_is_there_and_says_something() -> None:
    context = click.Context(main)

    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert command.get_short_help_str()


@pytest.mark.parametrize("group", ["", "run", "job", "schedule", "queue", "db"])
def test_no_line_of_help_is_cut(group: str) -> None:
    shown = CliRunner().invoke(main, [*group.split(), "--help"]).stdout

    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 110


@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}])
def test_a_reader_that_leaves_is_no_failure(shop: Shop, environ: dict[str, str]) -> None:
    shop.app.enqueue("shop/sync")
    ours, theirs = os.pipe()
    os.close(ours)

    done = subprocess.run(
        [sys.executable, "-m", "rota", "--app", f"{shop.module}:rota", "run", "ls"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ},
        check=False,
    )
    os.close(theirs)

    assert (done.returncode, done.stderr) == (141, b"")


def test_python_dash_m_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "rota", "--version"], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("rota ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["confg"], "Did you mean 'config'?"),
        (["config", "shwo"], "Did you mean 'show'?"),
        (["--dbug"], "--debug"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest_one(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(main, arguments)

    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RotaError("it failed"), 1),
        (SettingsError(["a: wrong", "b: wrong"]), 2),
        (NotFoundError("no run 7"), 3),
        (ConflictError("run 7 has ended"), 5),
        (StoreUnreachableError("the database is away"), 6),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (ZeroDivisionError("oh"), 1),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_no_traceback(
    failing: click.Command, error: BaseException, code: int
) -> None:
    failing.error = error  # type: ignore[attr-defined]

    result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == code
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_an_error_is_one_line_of_what_and_one_of_what_to_do(failing: click.Command) -> None:
    failing.error = NotFoundError("there is no run 7", hint="See `rota run ls`.")  # type: ignore[attr-defined]

    assert CliRunner().invoke(main, ["status"]).stderr == "Error: there is no run 7\nHint: See `rota run ls`.\n"


def test_several_mistakes_are_a_line_each(failing: click.Command) -> None:
    failing.error = SettingsError(["a: wrong", "b: wrong"])  # type: ignore[attr-defined]

    assert CliRunner().invoke(main, ["status"]).stderr == "Error: a: wrong\nError: b: wrong\n"


def test_a_caret_stays_under_its_place(failing: click.Command) -> None:
    failing.error = CronError("bad hour\n  0 99 * * *\n    ^^")  # type: ignore[attr-defined]

    assert CliRunner().invoke(main, ["status"]).stderr == "Error: bad hour\n  0 99 * * *\n    ^^\n"


def test_a_defect_of_ours_is_one_line_that_says_how_to_see_more(failing: click.Command) -> None:
    failing.error = KeyError("x\ny")  # type: ignore[attr-defined]

    lines = CliRunner().invoke(main, ["status"]).stderr.splitlines()

    assert lines[0].startswith("Error: KeyError: ")
    assert "--debug" in lines[1]
    assert len(lines) == 2


def test_debug_shows_the_traceback_and_keeps_the_exit_code(failing: click.Command) -> None:
    failing.error = NotFoundError("there is no run 7")  # type: ignore[attr-defined]

    result = CliRunner().invoke(main, ["--debug", "status"])

    assert "Traceback" in result.stderr
    assert result.stderr.endswith("Error: there is no run 7\n")
    assert result.exit_code == 3


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m rota config show --json | head -n 1"

    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, cwd=tmp_path)

    assert done.stdout == "{\n"
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr
