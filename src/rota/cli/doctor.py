"""`rota doctor`: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rota.cli.errors import Exit
from rota.cli.options import app_option, with_output
from rota.cli.output import Output
from rota.cli.terminal import painted
from rota.store.database import without_password

if TYPE_CHECKING:
    from rota.app.doctor import Finding

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
    from rota.app.doctor import FAIL, examine
    from rota.cli.ledger import find_ledger

    app = find_ledger(place, url)
    ctx.call_on_close(app.close)
    findings = examine(app)
    show(findings, out, database=without_password(app.settings.database.url))
    ctx.exit(Exit.FAILED if any(each.verdict == FAIL for each in findings) else Exit.OK)


def show(findings: Sequence[Finding], out: Output, *, database: str) -> None:
    if out.as_json:
        out.document({"database": database, "items": [asdict(each) for each in findings], "next": None})
        return
    out.say(f"Looking at {database}")
    width = max(len(each.name) for each in findings)
    for each in findings:
        verdict = painted(f"{each.verdict:<4}", sys.stdout, fg=COLOURS[each.verdict], bold=True)
        click.echo(f"{verdict}  {each.name:<{width}}  {each.told}")
        if each.todo:
            click.echo(f"{'':<4}  {'':<{width}}  → {each.todo}")
