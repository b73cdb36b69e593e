"""`rota config`: what a start would be told, before anything starts."""

from __future__ import annotations

import click

from rota.cli.application import load_application
from rota.cli.errors import Exit
from rota.cli.groups import Group
from rota.cli.options import app_option, with_output
from rota.cli.output import Column, Output
from rota.errors import ConfigError, SettingsError

COLUMNS = (Column("name", "setting"), Column("value"), Column("origin"))


@click.group(cls=Group)
def config() -> None:
    """Settings: show them and where they come from, check them."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@with_output
def show(origin: bool, out: Output) -> None:
    """Every setting with its value; a password is not shown.

    \b
    rota config show --origin
    """
    from rota.config import load_settings
    from rota.store.database import without_password

    settings = load_settings()
    values = settings.values() | {"database": without_password(settings.database)}
    items = [{"name": name, "value": value, "origin": settings.origins[name]} for name, value in values.items()]
    out.listing(items, COLUMNS if origin else COLUMNS[:2])


@config.command()
@app_option
@with_output
@click.pass_context
def check(ctx: click.Context, place: str | None, out: Output) -> None:
    """Whether the settings and the application can be used; every mistake at once.

    \b
    rota config check && rota up
    """
    problems = _problems(place)
    if out.as_json:
        out.document({"ok": not problems, "problems": problems})
    elif problems:
        raise SettingsError(problems)
    else:
        click.echo("The settings and the application can be used.")
    ctx.exit(Exit.USAGE if problems else Exit.OK)


def _problems(place: str | None) -> list[str]:
    """A line each; a mistake of the settings that the application meets too is told once."""
    found = [*_mistakes_of_settings(), *_mistakes_of_application(place)]
    return list(dict.fromkeys(line for error in found for line in _lines(error)))


def _mistakes_of_settings() -> list[ConfigError]:
    from rota.config import load_settings

    try:
        load_settings()
    except ConfigError as error:
        return [error]
    return []


def _mistakes_of_application(place: str | None) -> list[ConfigError]:
    from rota.app.jobs import mistakes

    try:
        app = load_application(place)
    except ConfigError as error:
        return [error]
    found = mistakes(app)
    app.close()
    return found


def _lines(error: ConfigError) -> list[str]:
    if isinstance(error, SettingsError):
        return error.problems
    return [f"{error} ({error.hint})" if error.hint else str(error)]
