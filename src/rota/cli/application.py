"""Finds the user's application: `--app`, else ROTA_APP, else `app` in the settings."""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

import rota
from rota.errors import ConfigError, RotaError

if TYPE_CHECKING:
    from rota.app import Rota

WHERE = "Where: "
"""Begins the note on an error that says where in the application it is."""
FORM = 'Name it as module:attribute, as in "shop.jobs:rota".'


def load_application(spec: str | None = None) -> Rota:
    """The application that this command is for; raises ``ConfigError`` with what is wrong with its name."""
    from rota.app import Rota

    place = spec or application_name()
    found = load_attribute(place)
    if not isinstance(found, Rota):
        kind = type(found).__name__
        raise ConfigError(f"{place} is not a Rota application but of type {kind}", hint=FORM)
    return found


def application_name() -> str:
    if named := named_application():
        return named
    raise ConfigError(
        "no application is named",
        hint="Give --app module:attribute, or set ROTA_APP, or `app` under [tool.rota] in pyproject.toml.",
    )


def named_application() -> str | None:
    import click  # slow, and a child process is told its application

    root = click.get_current_context().find_root()
    if named := root.params.get("app") or os.environ.get("ROTA_APP"):
        return str(named)
    from rota.config import load_settings

    return load_settings().app


def load_attribute(place: str) -> Any:
    """Import ``module:attribute`` (dots allowed in both), with the working directory on the path."""
    name, colon, attribute = place.partition(":")
    if not (name and colon and attribute):
        raise ConfigError(f"{place!r} does not name an application", hint=FORM)
    found: Any = _imported(name)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{name} has no attribute {attribute!r}{_instead(found)}", hint=FORM)
        found = getattr(found, part)
    return found


def _imported(name: str) -> ModuleType:
    here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except RotaError as error:  # a mistake in a job or schedule: it says itself what it is, but not where
        _note_place(error)
        raise
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigError(
                f"there is no module {error.name!r}",
                hint=f"It was looked for from {here}; --app and ROTA_APP name another.",
            ) from error
        raise _broken(name, error) from error
    except Exception as error:
        raise _broken(name, error) from error


def _broken(name: str, error: Exception) -> ConfigError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    told = f"{type(error).__name__}: {error}"
    told += "" if isinstance(error, SyntaxError) else f" ({last.filename}, line {last.lineno})"
    return ConfigError(f"{name} cannot be imported: {told}", hint="Run `rota --debug …` to see the traceback.")


def _note_place(error: RotaError) -> None:
    """Note the last line of the application's code on the way to the error, unless it tells such a line itself."""
    ours = os.path.dirname(rota.__file__)  # noqa: PTH120 - pathlib is slow to import
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [each for each in frames if not each.filename.startswith((ours, "<"))]
    if theirs and theirs[-1].filename not in str(error):
        error.add_note(f"{WHERE}{theirs[-1].filename}, line {theirs[-1].lineno}")


def _instead(module: Any) -> str:
    """The applications that are there, for whoever misspelt one; told by name, to import nothing for it."""
    names = [name for name, value in vars(module).items() if type(value).__name__ == "Rota"]
    return f"; it has {' and '.join(names)}" if names else ""
