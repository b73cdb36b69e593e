"""`rota config`: what a start would be told, before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.application import WHERE, load_application, named_application
from rota.cli.errors import Exit, report
from rota.cli.groups import Group
from rota.cli.options import app_option, with_output
from rota.cli.output import Column, Output
from rota.errors import ConfigError, SettingsError

if TYPE_CHECKING:
    from rota.explain.finding import Finding
    from rota.model.settings import Settings

COLUMNS = (Column("name", "setting"), Column("value"), Column("origin"))


@click.group(cls=Group)
def config() -> None:
    """Settings: show them and where they come from, check them."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@app_option
@with_output
def show(origin: bool, place: str | None, out: Output) -> None:
    """Every setting with its value, as the application has it; a password is not shown.

    \b
    rota config show --origin
    """
    from rota.config import values
    from rota.store.database import without_password

    settings = _in_force(place, out)
    items = [
        {"name": name, "value": value, "origin": settings.origins.get(name, "default")}
        for name, value in (values(settings) | {"database.url": without_password(settings.database.url)}).items()
    ]
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
    from rota.app.items import finding_item

    mistakes = _mistakes(place)
    warnings = [] if mistakes else _warnings(place)
    if out.as_json:
        told = [finding_item(each) for each in warnings]
        problems = list(dict.fromkeys(line for each in mistakes for line in _lines(each)))
        out.document({"ok": not mistakes, "problems": problems, "warnings": told})
    elif mistakes:
        for each in mistakes:
            report(each, debug=False)
    else:
        click.echo("The settings and the application can be used.")
        out.findings(warnings, "!")
    ctx.exit(Exit.USAGE if mistakes else Exit.OK)


def _warnings(place: str | None) -> list[Finding]:
    """What a start would take, and is likely a slip."""
    from rota.explain.checks import unnamed_environment
    from rota.explain.here import here

    app = load_application(place)
    return unnamed_environment(app.settings.environment, here(app).named)


def _in_force(place: str | None, out: Output) -> Settings:
    """Those of the application, if there is one: what its code gives stands over files and variables."""
    from rota.config import load_settings

    settings = load_settings()
    try:
        place = place or named_application()
        return load_application(place).settings if place else settings
    except ConfigError as error:
        out.say(f"What the application gives in its code is not shown: {error}")
        return settings


def _mistakes(place: str | None) -> list[ConfigError]:
    """One of the settings that the application meets too is told once."""
    found = [*_mistakes_of_settings(), *_mistakes_of_application(place)]
    return list({str(error): error for error in reversed(found)}.values())[::-1]


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
    where = [note.removeprefix(WHERE) for note in getattr(error, "__notes__", []) if note.startswith(WHERE)]
    return [": ".join([*where, error.line])]
