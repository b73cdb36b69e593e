"""`rota db`: the tables that everything is kept in."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rota.cli.groups import Group
from rota.cli.options import app_option, with_output
from rota.cli.output import Output
from rota.cli.terminal import echo, is_terminal
from rota.shown import counted
from rota.store.database import without_password

if TYPE_CHECKING:
    from rota.app import Rota

MISSED = ("fire", "skip")
WAITING = ("keep", "cancel")
store_option = click.option("--store", "url", metavar="URL", help="A database instead of an application.")


@click.group(cls=Group)
def db() -> None:
    """The database: prepare, migrate, check, adopt."""


@db.command()
@app_option
@store_option
@with_output
def init(place: str | None, url: str | None, out: Output) -> None:
    """Make the tables, where there are none; one that has them is brought up to date.

    \b
    rota db init
    """
    _migrate(_found(place, url), out)


@db.command()
@click.option("--dry-run", is_flag=True, help="Only tell what is missing.")
@app_option
@store_option
@with_output
def migrate(place: str | None, url: str | None, dry_run: bool, out: Output) -> None:
    """Bring the tables up to date with this version of Rota.

    \b
    rota db migrate
    """
    app = _found(place, url)
    if dry_run:
        from rota.cli.ledger import check_folder
        from rota.store.migrate import peek

        check_folder(app.store)
        missing = peek(app.store.database).missing
        _told(missing, "missing", "Missing: {}.", out)
    else:
        _migrate(app, out)


@db.command()
@app_option
@store_option
@with_output
@click.pass_context
def check(ctx: click.Context, place: str | None, url: str | None, out: Output) -> None:
    """Whether the tables are those of this version, and how the database is set up: exit 1 if something is wrong.

    \b
    rota db check
    """
    from rota.cli.doctor import show
    from rota.explain.doctor import check_database

    app = _found(place, url)
    ctx.exit(show(check_database(app.store), out, database=without_password(app.settings.database.url)))


@db.command()
@app_option
@store_option
@with_output
def vacuum(place: str | None, url: str | None, out: Output) -> None:
    """Give the space of what was pruned back: to the disk (SQLite), or to the tables (PostgreSQL).

    On SQLite it takes as much free disk as the file is large, and nobody writes meanwhile.

    \b
    rota db vacuum
    """
    from rota.cli.ledger import check_tables

    store = _found(place, url).store
    check_tables(store)
    database = store.database
    before = database.facts()["size"]
    database.vacuum()
    after = database.facts()["size"]
    if out.as_json:
        out.document({"before": before, "after": after})
    else:
        out.say(f"{before / 1_048_576:,.1f} MiB before, {after / 1_048_576:,.1f} MiB after.")


@db.command()
@click.option("--environment", metavar="NAME", help="The environment that the ledger is of from now on.")
@click.option("--missed", type=click.Choice(MISSED), help="Due moments that passed: as their catch-up says, or never.")
@click.option("--waiting", type=click.Choice(WAITING), help="Runs that wait, or ran when it was copied.")
@app_option
@store_option
@with_output
def adopt(
    place: str | None, url: str | None, environment: str | None, missed: str | None, waiting: str | None, out: Output
) -> None:
    """Say that a ledger which was copied, moved or put back is this one from now on: its nodes begin to work.

    The original goes on elsewhere: skip and cancel. This one goes on in its place: fire and keep.

    \b
    rota db adopt --environment staging --missed skip --waiting cancel
    rota db adopt --environment production --missed fire --waiting keep
    """
    from rota.cli.ledger import check_tables
    from rota.cli.options import acting_user

    app = _found(place, url)
    check_tables(app.store)
    if is_terminal(sys.stdin):
        environment, missed, waiting = _asked(app, environment, missed, waiting)
    event = app.adopt(environment, by=acting_user(), missed=missed, waiting=waiting)
    if out.as_json:
        out.document({"adopted": event is not None, **(event.data if event else {})})
    elif event is None:
        out.say("Nothing was to do: this is the ledger that it was, of the same environment.")
    else:
        out.say(_told_of_adoption(event.data))


def _asked(
    app: Rota, environment: str | None, missed: str | None, waiting: str | None
) -> tuple[str | None, str | None, str | None]:
    """What was not given; the original is taken to go on elsewhere."""
    from rota.engine.hold import look
    from rota.explain.finding import capitalised

    with app.store.read() as tx:
        standing = look(app.store, tx, app.settings.environment).for_all
    if standing.held is None:
        return environment, missed, waiting
    echo(capitalised(f"{standing.held.text}."), err=True)
    ask = functools.partial(click.prompt, err=True)
    if environment is None and standing.record.environment is not None:
        environment = ask("Its environment from now on", default=app.settings.environment)
    missed = missed or ask("Due moments that passed", type=click.Choice(MISSED), default="skip")
    waiting = waiting or ask("Runs that wait, or ran when it was copied", type=click.Choice(WAITING), default="cancel")
    return environment, missed, waiting


def _told_of_adoption(data: Mapping[str, Any]) -> str:
    to = data["to"]
    named = f", of the environment {to['environment']}" if to["environment"] else ""
    counts = f"{counted(data['skipped'], 'due moment')} skipped, {counted(data['cancelled'], 'run')} cancelled"
    return f"Adopted: ledger {to['id']}{named}, in {to['database']}; {counts}. Its nodes begin within seconds."


def _found(place: str | None, url: str | None) -> Rota:
    from rota.cli.ledger import find_ledger

    app = find_ledger(place, url)
    click.get_current_context().call_on_close(app.close)
    return app


def _migrate(app: Rota, out: Output) -> None:
    from rota.cli.ledger import check_folder

    check_folder(app.store)
    applied = app.migrate()
    _told(applied, "applied", f"Applied to {without_password(app.settings.database.url)}: {{}}.", out)


def _told(names: list[str], key: str, sentence: str, out: Output) -> None:
    if out.as_json:
        out.document({key: names})
    else:
        out.say(sentence.format(", ".join(names)) if names else "The tables are up to date.")
