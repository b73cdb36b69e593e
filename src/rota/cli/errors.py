"""How a command ends: its exit code, and one line of what is wrong with one line of what to do."""

from __future__ import annotations

import sys
import traceback
from enum import IntEnum

from rota.cli.application import WHERE
from rota.cli.terminal import echo, echo_block, painted
from rota.errors import CronError, RotaError, SettingsError


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
        echo_block("".join(traceback.format_exception(error)).rstrip("\n"), indent="", err=True)
    messages, hint = _messages(error)
    place: list[str] = []
    if isinstance(error, CronError):  # the expression, and a caret under the bad part: lines of our own
        messages, place = messages[0].split("\n")[:1], messages[0].split("\n")[1:]
    for message in messages:
        _say("Error", "red", message)
    for line in place:
        echo(line if line.startswith("  ") else f"  {line}", err=True)
    for note in getattr(error, "__notes__", []):
        if note.startswith(WHERE):
            _say(WHERE.strip(" :"), "cyan", note.removeprefix(WHERE))
    if hint:
        _say("Hint", "cyan", hint)
    return error.exit_code if isinstance(error, RotaError) else Exit.FAILED


def _messages(error: Exception) -> tuple[list[str], str]:
    match error:
        case SettingsError():
            return error.problems, error.hint
        case RotaError():
            return [str(error).removesuffix(f"\n{error.hint}")], error.hint  # a CronError says its hint itself, too
        case _:
            text = " ".join(str(error).split())
            message = f"{type(error).__name__}: {text}" if text else type(error).__name__
            return [message], "Run `rota --debug …` to see where it comes from."


def _say(word: str, colour: str, message: str) -> None:
    echo(message, head=f"{painted(f'{word}:', sys.stderr, fg=colour, bold=True)} ", err=True)
