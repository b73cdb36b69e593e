"""What the place that output goes to can show."""

from __future__ import annotations

import os
from typing import Any, TextIO

import click


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """Colour on a terminal; NO_COLOR forbids it, FORCE_COLOR asks for it in a pipe too (NO_COLOR wins)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal(stream)


def painted(text: str, stream: TextIO, **style: Any) -> str:
    return click.style(text, **style) if wants_colour(stream) else text


def visible(text: str) -> str:
    """The text on one line, with what could move the cursor or change colours spelled out."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
