"""`rota dead`: runs that failed for good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from rota.cli.groups import Group
from rota.cli.names import known_job
from rota.cli.options import (
    acting_user,
    after_option,
    confirm,
    job_option,
    limit_option,
    with_ledger,
    with_output,
    yes_option,
)
from rota.cli.output import Column, Output
from rota.errors import ConfigError

if TYPE_CHECKING:
    from rota.app import Rota

COLUMNS = (
    Column("id", "run"),
    Column("job"),
    Column("finished_at", "failed", Output.distance),
    Column("failures"),
    Column("crashes"),
    Column("note", "error"),
)
PAGE = 500
ids_argument = click.argument("ids", metavar="[ID...]", type=int, nargs=-1)
all_option = click.option("--all", "everything", is_flag=True, help="All of them, or with --job all of that job.")


@click.group(cls=Group)
def dead() -> None:
    """Runs that failed for good: list, retry, dismiss."""


@dead.command()
@job_option
@limit_option()
@after_option
@with_ledger
@with_output
def ls(app: Rota, job: str | None, limit: int, after: str | None, out: Output) -> None:
    """The dead letters, newest first.

    \b
    rota dead ls --job shop/sync
    """
    from rota.cli.run import cursor, run_row

    found = app.runs.page(state="failed", job=job, before=cursor(after), limit=limit)
    if job is not None and not found:
        known_job(app, job)
    out.listing(
        [run_row(record, out) for record in found],
        COLUMNS,
        cursor=str(found[-1].id) if len(found) == limit else None,
        empty="Nothing has failed for good.",
    )


@dead.command()
@ids_argument
@all_option
@job_option
@yes_option
@with_ledger
@with_output
@click.pass_context
def retry(
    ctx: click.Context, app: Rota, ids: tuple[int, ...], everything: bool, job: str | None, yes: bool, out: Output
) -> None:
    """Send dead letters back to their queues.

    \b
    rota dead retry 17 18
    rota dead retry --all --job shop/sync
    """
    from rota.cli.bulk import change_each

    chosen = _chosen(app, ids, everything, job, "send back", yes)
    ctx.exit(change_each(chosen, lambda run_id: app.runs.retry(run_id, acting_user()), "available", out))


@dead.command()
@ids_argument
@all_option
@job_option
@yes_option
@with_ledger
@with_output
@click.pass_context
def dismiss(
    ctx: click.Context, app: Rota, ids: tuple[int, ...], everything: bool, job: str | None, yes: bool, out: Output
) -> None:
    """Close dead letters: they are cancelled, and no longer listed here.

    \b
    rota dead dismiss 17
    rota dead dismiss --all --job shop/sync --yes
    """
    from rota.cli.bulk import change_each

    chosen = _chosen(app, ids, everything, job, "dismiss", yes)
    ctx.exit(change_each(chosen, lambda run_id: app.runs.dismiss(run_id, acting_user()), "cancelled", out))


def _chosen(
    app: Rota, ids: tuple[int, ...], everything: bool, job: str | None, verb: str, yes: bool
) -> tuple[int, ...]:
    """The runs that are named; or all, once the person has said so."""
    from rota.app.words import counted

    if bool(ids) == everything:
        raise ConfigError(
            "which of them?", hint="Name runs by their ids, or give --all, with --job for those of one job."
        )
    if ids:
        return ids
    if job is not None:
        known_job(app, job)
    found = tuple(_all(app, job))
    if found:
        confirm(f"{verb} {counted(len(found), 'dead letter')}{f' of {job}' if job else ''}?", yes=yes)
    return found


def _all(app: Rota, job: str | None) -> Iterator[int]:
    before: int | None = None
    while page := app.runs.page(state="failed", job=job, before=before, limit=PAGE):
        yield from (record.id for record in page)
        before = page[-1].id
