from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import click
import pytest
from click.testing import CliRunner, Result

from rota.cli.options import confirm, with_output
from rota.cli.output import Column, Output
from rota.clock import ManualClock
from rota.errors import ConfigError

NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)
OUT = Output(utc=True, clock=ManualClock(NOW))
COLUMNS = (Column("id"), Column("job"), Column("state"), Column("due_at", "due", Output.distance))
ITEMS = [
    {"id": 1, "job": "shop/sync", "state": "failed", "due_at": NOW + timedelta(minutes=5)},
    {"id": 20, "job": "x" * 300, "state": "succeeded", "due_at": None},
]


def printed(print_it: Callable[[], None], **environ: str) -> Result:
    result = CliRunner(env={"NO_COLOR": "", "FORCE_COLOR": "", **environ}).invoke(click.Command("x", callback=print_it))
    assert result.exit_code == 0, result.output
    return result


def test_a_piped_table_is_aligned_and_nothing_is_cut() -> None:
    lines = printed(lambda: OUT.listing(ITEMS, COLUMNS)).stdout.splitlines()

    assert lines[0].split() == ["ID", "JOB", "STATE", "DUE"]
    assert lines[1].split() == ["1", "shop/sync", "failed", "in", "5m"]
    assert lines[2].split() == ["20", "x" * 300, "succeeded"]
    assert len({line.index(word) for line, word in zip(lines, ("STATE", "failed", "succeeded"), strict=True)}) == 1


@pytest.mark.parametrize("term", ["xterm", "dumb", ""])
def test_colour_is_only_for_terminals_unless_forced_and_never_when_forbidden(term: str) -> None:
    plain = printed(lambda: OUT.listing(ITEMS, COLUMNS), TERM=term)
    forced = printed(lambda: OUT.listing(ITEMS, COLUMNS), TERM=term, FORCE_COLOR="1", COLUMNS="40")
    forbidden = printed(lambda: OUT.listing(ITEMS, COLUMNS), TERM=term, FORCE_COLOR="1", NO_COLOR="1")

    assert "\x1b[" not in plain.stdout
    assert "\x1b[31mfailed" in forced.stdout
    assert "x" * 300 in forced.stdout
    assert forbidden.stdout == plain.stdout


def test_a_document_holds_the_items_and_the_cursor_with_moments_in_utc() -> None:
    out = Output(as_json=True)

    document = json.loads(printed(lambda: out.listing(ITEMS, COLUMNS, cursor="abc")).stdout)

    assert document["next"] == "abc"
    assert document["items"][0]["due_at"] == "2026-03-28T12:05:00Z"
    assert document["items"][1]["due_at"] is None


def test_an_empty_list_is_a_sentence_for_people_and_a_document_for_programs() -> None:
    people = printed(lambda: OUT.listing([], COLUMNS, empty="No runs yet."))
    programs = printed(lambda: Output(as_json=True).listing([], COLUMNS, empty="No runs yet."))

    assert (people.stdout, people.stderr) == ("", "No runs yet.\n")
    assert (json.loads(programs.stdout), programs.stderr) == ({"items": [], "next": None}, "")


@pytest.mark.parametrize("force", ["", "1"])
def test_what_a_user_stored_cannot_write_to_the_terminal_or_break_a_line(force: str) -> None:
    item = {"id": "\x1b[2J[red]a\r\nb\u202e"}

    shown = printed(lambda: OUT.listing([item], COLUMNS[:1]), FORCE_COLOR=force).stdout

    assert r"\x1b[2J[red]a\r\nb\u202e" in shown
    assert len(shown.splitlines()) == 2


def test_one_thing_is_a_line_for_each_value_it_has() -> None:
    item = {"id": 7, "paused": False, "error": None, "due_at": NOW - timedelta(hours=2), "args": {"a": [1]}}
    columns = [*map(Column, ("id", "paused", "error")), Column("due_at", show=Output.both), Column("args")]

    assert printed(lambda: OUT.one(item, columns)).stdout.splitlines() == [
        "id      7",
        "paused  no",
        "due at  2026-03-28 10:00:00 UTC (2h ago)",
        'args    {"a": [1]}',
    ]


def test_waiting_shows_nothing_where_there_is_no_terminal() -> None:
    def wait() -> None:
        with OUT.progress("sync") as update:
            update(1, 2)
            update(None, None)

    assert printed(wait).output == ""


def test_what_cannot_be_undone_needs_yes_where_nobody_can_be_asked() -> None:
    @click.command()
    def remove() -> None:
        confirm("remove 3 runs?", yes=False)

    result = CliRunner().invoke(remove)

    assert isinstance(result.exception, ConfigError)
    assert "--yes" in result.exception.hint
    confirm("remove 3 runs?", yes=True)


def test_the_output_options_reach_the_command() -> None:
    @click.command()
    @with_output
    def probe(out: Output) -> None:
        out.one({"json": out.as_json, "utc": out.utc})

    assert json.loads(CliRunner().invoke(probe, ["--json", "--utc"]).stdout) == {"json": True, "utc": True}


def on_a_terminal(program: str, **environ: str) -> str:
    """What a person would see: the program's stdout and stderr are a pseudo-terminal, 40 columns wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    keep = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=theirs,
        stderr=theirs,
        env={**keep, "TERM": "xterm", **environ},
    ):
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux tells that the other side has closed
            while part := os.read(ours, 65_536):
                shown += part
    os.close(ours)
    return shown.decode()


LISTING = """
from rota.cli.output import Column, Output
Output().listing([{"job": "x" * 60, "state": "failed"}], (Column("job"), Column("state")))
"""
WAITING = """
from rota.cli.output import Output
with Output().progress("sync [red]") as update: update(1, 4)
"""


def test_a_terminal_gets_colours_and_long_words_are_folded_to_its_width() -> None:
    shown = on_a_terminal(LISTING)

    assert "\x1b[31mfailed" in shown
    assert shown.count("x") == 60
    assert all(len(click.unstyle(line)) <= 40 for line in shown.splitlines())


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colour_gets_none(environ: dict[str, str]) -> None:
    shown = on_a_terminal(LISTING, **environ)

    assert "failed" in shown
    assert "\x1b" not in shown


def test_a_terminal_shows_a_bar_while_waiting_and_a_dumb_one_nothing() -> None:
    shown = on_a_terminal(WAITING)

    assert "sync [red]" in click.unstyle(shown)
    assert "25%" in shown
    assert on_a_terminal(WAITING, TERM="dumb") == ""
