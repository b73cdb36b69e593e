"""Options that many commands share, as decorators; each names the parameter it gives the function."""

from __future__ import annotations

import functools
import getpass
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

from rota.cli.application import load_application
from rota.cli.moments import duration
from rota.cli.output import Output
from rota.errors import ConfigError
from rota.shown import visible

Command = TypeVar("Command", bound=Callable[..., Any])

STATES = ("scheduled", "available", "running", "waiting", "succeeded", "failed", "cancelled", "expired")


app_option = click.option(
    "--app", "place", metavar="MODULE:ATTRIBUTE", help="The application; else ROTA_APP, else the settings."
)
"""Gives ``place: str | None``, for ``load_application``; most commands want ``with_app``."""


def with_output(command: Command) -> Command:
    """`--json`, here as well as before the command, and `--utc`; gives ``out: Output``."""

    @click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
    @click.option("--utc", is_flag=True, help="Show times in UTC instead of the local zone.")
    @functools.wraps(command)
    def wrapped(*args: Any, as_json: bool, utc: bool, **others: Any) -> Any:
        before = click.get_current_context().find_root().params.get("as_json", False)
        return command(*args, out=Output(as_json=as_json or before, utc=utc), **others)

    return wrapped  # type: ignore[return-value]


def with_app(command: Command) -> Command:
    """`--app`, here as well as before the command; gives ``app: Rota``, loaded."""

    @app_option
    @functools.wraps(command)
    def wrapped(*args: Any, place: str | None, **others: Any) -> Any:
        return command(*args, app=load_application(place), **others)

    return wrapped  # type: ignore[return-value]


def with_ledger(command: Command) -> Command:
    """`--app` and `--store`, for what needs no job's code; gives ``app: Rota`` on tables that can be read."""

    @app_option
    @click.option("--store", "url", metavar="URL", help="A database instead of an application: sqlite:///app.db")
    @functools.wraps(command)
    def wrapped(*args: Any, place: str | None, url: str | None, **others: Any) -> Any:
        from rota.cli.ledger import open_ledger

        app = open_ledger(place, url)
        click.get_current_context().call_on_close(app.close)
        return command(*args, app=app, **others)

    return wrapped  # type: ignore[return-value]


def with_code(command: Command) -> Command:
    """`--app`, for what needs a job's code; gives ``app: Rota``, loaded, on tables that can be written."""

    @with_app
    @functools.wraps(command)
    def wrapped(*args: Any, app: Any, **others: Any) -> Any:
        from rota.cli.ledger import check_tables

        click.get_current_context().call_on_close(app.close)
        check_tables(app.store)
        return command(*args, app=app, **others)

    return wrapped  # type: ignore[return-value]


def limit_option(default: int = 50) -> Callable[[Command], Command]:
    """`--limit`, `-n`; gives ``limit: int``."""
    kind = click.IntRange(1, 10_000)
    return click.option("--limit", "-n", type=kind, default=default, show_default=True, help="At most so many.")


state_option = click.option(
    "--state",
    "states",
    type=click.Choice(STATES),
    multiple=True,
    help="Only runs in this state; may be repeated.",
)
"""Gives ``states: tuple[str, ...]``; none given means all."""

job_option = click.option("--job", metavar="NAME", help="Only this job.")
"""Gives ``job: str | None``."""

after_option = click.option("--after", metavar="CURSOR", help="Go on where a list ended.")
"""Gives ``after: str | None``."""

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
"""Gives ``yes: bool``; hand it to ``confirm``."""

force_option = click.option("--force", is_flag=True, help="Also if its job is off in this environment.")
"""Gives ``force: bool``."""

timeout_option = click.option("--timeout", type=duration, metavar="DURATION", help="Wait no longer: 90s, 15m.")
"""Gives ``timeout: float | None``, in seconds."""


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone; without a terminal, only ``--yes`` is an answer."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise ConfigError(f"not done: {question}", hint="There is no terminal to ask on: give --yes.")
    click.confirm(visible(question), abort=True, err=True)


def acting_user() -> str:
    """Who is named in the record of a change made from here."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user id without a name
        return "cli"
