"""Arguments of a job as they are given at the terminal: ``--arg k=v``, ``--json-args``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def arguments_options(command: Command) -> Command:
    """Gives ``pairs`` and ``document``, for ``read_arguments``."""
    command = click.option(
        "--json-args",
        "document",
        metavar="JSON|@FILE",
        help="All arguments as one JSON object, or in a file, @- for standard input.",
    )(command)
    return click.option(
        "--arg",
        "pairs",
        metavar="NAME=VALUE",
        multiple=True,
        help='May be repeated. A value is read as JSON, else taken as text: n=3, all=true, name=anna, code="007".',
    )(command)


def read_arguments(pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    """The pairs over the document."""
    arguments = {} if document is None else _document(document)
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{pair!r} is no argument; write NAME=VALUE", param_hint="--arg")
        arguments[name.replace("-", "_")] = read_value(text)
    return arguments


def read_value(text: str) -> Any:
    """As JSON, else as text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _document(text: str) -> dict[str, Any]:
    try:
        if text.startswith("@"):
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text()
        value = json.loads(text)
    except OSError as error:
        raise click.BadParameter(f"{text[1:]} cannot be read: {error.strerror}", param_hint="--json-args") from None
    except RecursionError:
        raise click.BadParameter("it is nested too deep to be read", param_hint="--json-args") from None
    except ValueError as error:
        raise click.BadParameter(f"it is no JSON: {error}", param_hint="--json-args") from None
    if not isinstance(value, dict):
        raise click.BadParameter('it is no object; write \'{"name": "value"}\'', param_hint="--json-args")
    return value
