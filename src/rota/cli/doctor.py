"""`rota doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from rota.cli.errors import Exit
from rota.cli.options import app_option, with_output
from rota.cli.output import Output
from rota.cli.terminal import echo, painted
from rota.store.database import without_password

if TYPE_CHECKING:
    from rota.explain.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@app_option
@click.option("--store", "url", metavar="URL", help="A database instead of an application.")
@with_output
@click.pass_context
def doctor(ctx: click.Context, place: str | None, url: str | None, out: Output) -> None:
    """Look for what is wrong: each line is ok, warn or fail, with what to do; exit 1 if one fails.

    \b
    rota doctor
    """
    from rota.cli.ledger import find_ledger
    from rota.explain.doctor import examine
    from rota.explain.here import here
    from rota.version import __version__

    app = find_ledger(place, url)
    ctx.call_on_close(app.close)
    database = app.settings.database.url
    ctx.exit(show(examine(app.store, database, __version__, here(app)), out, database=without_password(database)))


def show(findings: Sequence[Finding], out: Output, *, database: str) -> Exit:
    """Returns how the command ends: something fails, or nothing does."""
    from rota.app.items import finding_item
    from rota.explain.doctor import FAIL, name_of, verdict_of

    if out.as_json:
        items = [{"verdict": verdict_of(each), "name": name_of(each), **finding_item(each)} for each in findings]
        out.document({"database": database, "items": items, "next": None})
    else:
        out.say(f"Looking at {database}")
        width = max(len(name_of(each)) for each in findings)
        for each in findings:
            verdict = verdict_of(each)
            head = painted(f"{verdict:<4}", sys.stdout, fg=COLOURS[verdict], bold=True)
            echo(each.text, head=f"{head}  {name_of(each):<{width}}  ")
            out.todo(each, indent=f"{'':<4}  {'':<{width}}  ")
    return Exit.FAILED if any(verdict_of(each) == FAIL for each in findings) else Exit.OK
