"""The page about the calendar shows what the code does."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from rota.calendar import Cron
from rota.cli.main import main
from rota.errors import CronError

PAGE = (Path(__file__).parents[2] / "docs" / "calendar.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_its_programs_run():
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)

    assert str(names["trigger"].tz) == "Europe/Paris"


def test_its_command_prints_what_is_shown():
    [block] = blocks("console")
    command, _, shown = block.partition("\n")

    result = CliRunner().invoke(main, shlex.split(command.removeprefix("$ rota ")))

    assert result.stdout == shown


def test_its_error_is_the_one_that_is_raised():
    [block] = blocks("text")

    with pytest.raises(CronError) as told:
        Cron(block.splitlines()[1].strip())
    assert str(told.value) == block.rstrip("\n")


def test_everything_it_says_may_be_written_may_be_written():
    table = PAGE.partition("| written | means |")[2].partition("\n\n")[0]

    for day in ("L", "L-3", "15W", "LW", "?"):
        assert f"`{day}`" in table
        assert Cron(f"0 0 {day} * *")
    for weekday in ("5L", "FRIL", "FRI#2", "FRI-SUN"):
        assert f"`{weekday}`" in table
        assert Cron(f"0 0 * * {weekday}")
