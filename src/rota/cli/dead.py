"""`rota dead`: runs that failed for good."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
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


def which_ones(command: Callable[..., int]) -> Callable[..., None]:
    """Ids, or `--all`; gives ``ids: Sequence[int]`` beside ``app`` and ``out``, and ends with the code it returns."""

    @click.argument("given", metavar="[ID...]", type=int, nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All of them, or with --job all of that job.")
    @job_option
    @yes_option
    @with_ledger
    @with_output
    @click.pass_context
    @functools.wraps(command)
    def wrapped(
        ctx: click.Context, app: Rota, given: Sequence[int], everything: bool, job: str | None, yes: bool, out: Output
    ) -> None:
        ctx.exit(command(app, _chosen(app, given, everything, job, command.__name__, yes), out))

    return wrapped


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

    records = app.runs.page(state="failed", job=job, before=cursor(after), limit=limit)
    if job is not None and not records:
        known_job(app, job)
    out.listing(
        [run_row(record, out) for record in records],
        COLUMNS,
        cursor=str(records[-1].id) if len(records) == limit else None,
        empty="Nothing has failed for good.",
    )


@dead.command()
@which_ones
def retry(app: Rota, ids: Sequence[int], out: Output) -> int:
    """Send dead letters back to their queues.

    \b
    rota dead retry 17 18
    rota dead retry --all --job shop/sync
    """
    from rota.cli.bulk import change_each

    return change_each(ids, lambda run_id: app.runs.retry(run_id, acting_user()), "available", out)


@dead.command()
@which_ones
def dismiss(app: Rota, ids: Sequence[int], out: Output) -> int:
    """Close dead letters: they are cancelled, and no longer listed here.

    \b
    rota dead dismiss 17
    rota dead dismiss --all --job shop/sync --yes
    """
    from rota.cli.bulk import change_each

    return change_each(ids, lambda run_id: app.runs.dismiss(run_id, acting_user()), "cancelled", out)


def _chosen(app: Rota, given: Sequence[int], everything: bool, job: str | None, verb: str, yes: bool) -> Sequence[int]:
    """The runs that are named; or all, once the person has said so."""
    from rota.shown import counted

    if bool(given) == everything:
        raise ConfigError(
            "which of them?", hint="Name runs by their ids, or give --all, with --job for those of one job."
        )
    if given:
        return given
    if job is not None:
        known_job(app, job)
    ids = tuple(_all(app, job))
    if ids:
        confirm(f"{verb} {counted(len(ids), 'dead letter')}{f' of {job}' if job else ''}?", yes=yes)
    return ids


def _all(app: Rota, job: str | None) -> Iterator[int]:
    before: int | None = None
    while page := app.runs.page(state="failed", job=job, before=before, limit=PAGE):
        yield from (record.id for record in page)
        before = page[-1].id
