"""How a command ends: its exit code, and one line of what is wrong with one line of what to do."""

from __future__ import annotations

import sys
import traceback
from enum import IntEnum

import click

from rota.cli.application import WHERE
from rota.cli.terminal import painted
from rota.errors import RotaError, SettingsError


class Exit(IntEnum):
    """What the shell is told. The numbers are a promise; a ``RotaError`` brings its own of these."""

    OK = 0
    FAILED = 1
    """The thing asked about failed: a run, a check."""
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    """Not allowed to this user."""
    CONFLICT = 5
    UNREACHABLE = 6
    """The database refused or is away."""
    TIMED_OUT = 124
    INTERRUPTED = 130


def report(error: Exception, *, debug: bool) -> int:
    """Say on stderr what went wrong and return the exit code."""
    if debug:
        traceback.print_exception(error)
    messages, hint = _told(error)
    for message in messages:
        _say("Error", "red", message)
    for note in getattr(error, "__notes__", []):
        if note.startswith(WHERE):
            _say(WHERE.strip(" :"), "cyan", note.removeprefix(WHERE))
    if hint:
        _say("Hint", "cyan", hint)
    return error.exit_code if isinstance(error, RotaError) else Exit.FAILED


def _told(error: Exception) -> tuple[list[str], str]:
    match error:
        case SettingsError():
            return error.problems, error.hint
        case RotaError():
            return [str(error).removesuffix(f"\n{error.hint}")], error.hint  # a CronError says its hint itself, too
        case _:
            text = " ".join(str(error).split())
            told = f"{type(error).__name__}: {text}" if text else type(error).__name__
            return [told], "Run `rota --debug …` to see where it comes from."


def _say(word: str, colour: str, message: str) -> None:
    stream = sys.stderr
    click.echo(f"{painted(f'{word}:', stream, fg=colour, bold=True)} {message}", file=stream, color=True)
