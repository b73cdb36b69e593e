"""`rota job`: the things that can be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from rota.cli.arguments import arguments_options, read_arguments
from rota.cli.groups import Group
from rota.cli.options import acting_user, force_option, timeout_option, with_code, with_ledger, with_output
from rota.cli.output import Column, Output
from rota.cli.policies import given_policies, policy_options
from rota.cli.terminal import echo
from rota.model.duration import show_duration
from rota.model.policy import OF_A_CALL

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.app.jobs import JobEntry
    from rota.model.figures import Figures
    from rota.model.run import RunRecord

COLUMNS = (
    Column("name", "job"),
    Column("queue"),
    Column("next_due_at", "next", Output.distance),
    Column("runs", "runs/h"),
    Column("success", show=lambda _, share: "" if share is None else f"{share:.0%}"),
    Column("p95", show=Output.duration),
    Column("description"),
)
DAY = 24 * 60
LAST_RUNS = 5
NEXT_FIRES = 3


@click.group(cls=Group)
def job() -> None:
    """The things that can be done: list, show, run."""


@job.command()
@with_ledger
@with_output
def ls(app: Rota, out: Output) -> None:
    """The jobs, with what they did in the last hour.

    \b
    rota job ls
    """
    from rota.app.jobs import all_jobs
    from rota.model.figures import figures_of

    hour, nothing = app.counters.by_job(60), figures_of(60, [])
    due = _next_due(app)
    items = [_item(entry, hour.get(entry.name, nothing), due.get(entry.name)) for entry in all_jobs(app)]
    out.listing(items, COLUMNS, empty="The application has no job: write a function and put @rota.job over it.")


@job.command()
@click.argument("name", metavar="JOB")
@with_ledger
@with_output
def show(app: Rota, name: str, out: Output) -> None:
    """A job: its policies, when it is due, what it did in the last day, its last runs.

    \b
    rota job show shop/sync
    """
    from rota.app.jobs import find_job

    entry = find_job(app, name)
    records = app.runs.page(job=entry.name, limit=LAST_RUNS)
    day = app.counters.figures(DAY, entry.name)
    document = _document(app, entry, day, records)
    if out.as_json:
        out.document(document)
        return
    item = {"job": name, **_policies(entry), "last day": _figures_text(day)}
    out.one(item, [Column(key, show=SHOWN.get(key)) for key in item])
    _tables(app, document["schedules"], records, out)


@job.command()
@click.argument("name", metavar="JOB")
@arguments_options
@click.option("--wait", is_flag=True, help="Wait for the end: exit 0 if it succeeded, 1 if not, 124 on time-out.")
@timeout_option
@policy_options(OF_A_CALL)
@force_option
@with_code
@with_output
@click.pass_context
def run(
    ctx: click.Context,
    /,
    app: Rota,
    name: str,
    pairs: tuple[str, ...],
    document: str | None,
    wait: bool,
    timeout: float | None,
    force: bool,
    out: Output,
    **given: Any,
) -> None:
    """Run a job now, by hand: a node does it, under the same limits as its scheduled runs.

    \b
    rota job run shop/sync --arg days=3 --wait --timeout 5m
    rota job run shop/sync --json-args @arguments.json --key sync:3 --delay 10m
    """
    arguments, options = read_arguments(pairs, document), given_policies(OF_A_CALL, given)
    begin(ctx, app, name, arguments, {"force_disabled": force, **options}, wait, timeout, out)


def begin(
    ctx: click.Context,
    app: Rota,
    name: str,
    arguments: Mapping[str, Any],
    options: Mapping[str, Any],
    wait: bool,
    timeout: float | None,
    out: Output,
    show: Callable[[Any, RunRecord, Output], None] | None = None,
) -> None:
    """Ask for a run, and wait for its end or say how to follow it; ``show``: what is told of its end."""
    handle = app.options(by=acting_user(), **options).trigger(name, **arguments)
    if not handle.new:
        out.say(f"Run {handle.id} with this key was there already; no other is made.")
    if wait:
        _wait(ctx, app, handle.id, timeout, out, show)
    elif out.as_json:
        from rota.app.items import run_document

        out.document(run_document(handle.record(), secret_words=app.settings.log.masked))
    else:
        echo(handle.id)
        asked = f"Run {handle.id} of {name} was asked for; follow it: " if handle.new else "Follow it: "
        out.say(f"{asked}rota run wait {handle.id}")


def _waits_told(_out: Output, retry: dict[str, Any]) -> str:
    """``after 5s, 10s, 20s (each up to 20% more or less)``."""
    waits = ", ".join(show_duration(wait) for wait in retry["waits"])
    spread = f" (each up to {retry['jitter']:.0%} more or less)" if retry["jitter"] else ""
    return f"after {waits}{spread}" if waits else ""


SHOWN: Mapping[str, Callable[[Output, Any], str]] = {
    "timeout": Output.duration,
    "start_within": Output.duration,
    "retry": _waits_told,
}


def _wait(
    ctx: click.Context,
    app: Rota,
    run_id: int,
    timeout: float | None,
    out: Output,
    show: Callable[[Any, RunRecord, Output], None] | None,
) -> None:
    from rota.cli.follow import exit_code, left_alone, wait_for
    from rota.cli.run import show_end
    from rota.explain import checks
    from rota.explain.finding import capitalised
    from rota.explain.words import Words

    with left_alone(run_id, out):
        for each in checks.no_node(app.nodes.all(), Words(app.store.now_us())):
            out.say(f"{each.sentence} {capitalised(each.todo)}")
        record = wait_for(app, run_id, timeout, out)
    (show or show_end)(app, record, out)
    ctx.exit(exit_code(record))


def _item(entry: JobEntry, hour: Figures, next_due_at: Any) -> dict[str, Any]:
    figures = {"runs": hour.runs, "success": hour.success, "p50": hour.p50, "p95": hour.p95}
    return {"name": entry.name, **entry.policies, "here": entry.here, "next_due_at": next_due_at, **figures}


def _policies(entry: JobEntry) -> dict[str, Any]:
    """Those that say anything; a limit for each key is told as one."""
    policies = {key: value for key, value in entry.policies.items() if value not in (None, False)}
    if policies.pop("concurrency_key", False):
        policies["concurrency"] = f"{policies.get('concurrency', 1)} for each key"
    return policies


def _document(app: Rota, entry: JobEntry, day: Figures, records: Sequence[RunRecord]) -> dict[str, Any]:
    from rota.app.items import figures_item, run_item, schedule_item

    schedules = app.schedules.page(job=entry.name)
    return {
        "name": entry.name,
        "here": entry.here,
        "policies": dict(entry.policies),
        "schedules": [
            {**schedule_item(each), "next_fires": app.schedules.next_fires(each.name, NEXT_FIRES)} for each in schedules
        ],
        "day": figures_item(day),
        "runs": [run_item(record) for record in records],
    }


def _tables(app: Rota, schedules: Sequence[dict[str, Any]], records: Sequence[RunRecord], out: Output) -> None:
    from rota.cli.run import list_runs
    from rota.cli.schedule_page import list_schedules

    if schedules:
        echo()
        list_schedules(schedules, out)
    if records:
        echo()
        list_runs(app, records, out)


def _figures_text(figures: Figures) -> str:
    from rota.cli.status import figures_text

    return figures_text(figures)


def _next_due(app: Rota) -> dict[str, Any]:
    """The next due moment of each job that has one."""
    from rota.clock import from_us

    due: dict[str, Any] = {}
    after: str | None = None
    while page := app.schedules.page(after=after, limit=1_000):
        for record in page:
            if record.next_due_at is not None and record.paused_at is None:
                moment = from_us(record.next_due_at)
                due[record.job] = min(moment, due.get(record.job, moment))
        after = page[-1].name
    return due
