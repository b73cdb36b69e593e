"""What the place that output goes to can show."""

from __future__ import annotations

import os
from typing import Any, TextIO

import click

from rota.shown import visible


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """Colour on a terminal; NO_COLOR forbids it, FORCE_COLOR asks for it in a pipe too (NO_COLOR wins)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def painted(text: str, stream: TextIO, **style: Any) -> str:
    return click.style(text, **style) if wants_colour(stream) else text


def echo(text: object = "", *, head: str = "", err: bool = False) -> None:
    """Print a line for people: all that is shown to them leaves here, with what others wrote in it made visible.

    ``head`` is text of our own, which may be painted.
    """
    click.echo(f"{head}{visible(str(text))}", err=err, color=bool(head) or None)


def echo_block(text: str, indent: str = "  ", *, err: bool = False) -> None:
    """Print a text of several lines, such as a traceback, apart from lines of our own."""
    for line in text.split("\n"):
        echo(f"{indent}{line}", err=err)
