"""`rota run`: what was asked for, how it goes, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from rota.cli.groups import Group
from rota.cli.names import known_job, known_queue, known_schedule
from rota.cli.options import (
    acting_user,
    after_option,
    job_option,
    limit_option,
    state_option,
    timeout_option,
    with_ledger,
    with_output,
)
from rota.cli.output import Column, Output
from rota.cli.terminal import echo, echo_block
from rota.model.signal import approval_of

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.explain.why import Why
    from rota.model.run import RunRecord

COLUMNS = (
    Column("id", "run"),
    Column("job"),
    Column("state"),
    Column("attempt"),
    Column("due_at", "due", Output.distance),
    Column("fire_due_at", "for"),
    Column("host"),
    Column("took", show=Output.duration),
    Column("note"),
)
AT_TIMES = {"fire_due_at", "host"}
"""Columns that are there where any run of the list has one."""
ids_argument = click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
id_argument = click.argument("run_id", metavar="ID", type=int)
signal_option = click.option("--signal", metavar="NAME", help="What it waits for; else as it says.")
why_option = click.option("--why", metavar="TEXT", help="Kept with the record.")


@click.group(cls=Group)
def run() -> None:
    """What was asked for: list, show, logs, wait, approve, refuse, signal, retry, cancel, why."""


@run.command()
@state_option
@job_option
@click.option("--queue", metavar="NAME", help="Only this queue.")
@click.option("--schedule", metavar="NAME", help="Only runs of this schedule.")
@limit_option()
@after_option
@with_ledger
@with_output
def ls(
    app: Rota,
    states: tuple[str, ...],
    job: str | None,
    queue: str | None,
    schedule: str | None,
    limit: int,
    after: str | None,
    out: Output,
) -> None:
    """Runs, newest first.

    \b
    rota run ls --state failed --job shop/sync
    rota run ls --json --limit 10
    """
    filters = {"job": job, "queue": queue, "schedule": schedule}
    records = _page(app, states, filters, cursor(after), limit)
    if not records:
        _refuse_unknown(app, **filters)
    list_runs(
        app,
        records,
        out,
        cursor=str(records[-1].id) if len(records) == limit else None,
        empty="No run fits." if states or any(filters.values()) else "Nothing has run yet. Try: rota job run NAME",
    )


@run.command()
@id_argument
@with_ledger
@with_output
def show(app: Rota, run_id: int, out: Output) -> None:
    """One run, with its attempts, what befell it, and its last traceback.

    \b
    rota run show 17
    """
    from rota.app.items import run_document
    from rota.app.runs import kept_back
    from rota.explain.mode import mode_of

    record, events = app.runs.get(run_id), app.runs.events(run_id)
    signals, steps = app.runs.signals(run_id), app.runs.steps(run_id)
    document = run_document(record, app.runs.attempts(run_id), events, app.settings.log.masked, signals, steps)
    if out.as_json:
        out.document(document)
        return
    told = {"held_by": kept_back(app.store, [record]).get(run_id) or record.held_by, "mode": mode_of(record, events)}
    tables = dict.fromkeys(("attempts", "signals", "steps", "events"))
    out.one({**document, **tables, **_for_people(document), **told}, SHOWN)
    _tables(document, out)


@run.command()
@id_argument
@click.option("--follow", "-f", is_flag=True, help="Go on until the run is over.")
@with_ledger
@with_output
def logs(app: Rota, run_id: int, follow: bool, out: Output) -> None:
    """The lines that its body logged.

    \b
    rota run logs 17 -f
    """
    from rota.cli.follow import LogPrinter, left_alone, watch

    app.runs.get(run_id)
    if out.as_json:
        kept = app.runs.logs(run_id)
        out.document({"items": [{"attempt": n, "lines": text.split("\n")} for n, text in kept.items()], "next": None})
        return
    printer = LogPrinter(app, run_id)
    if follow:
        with left_alone(run_id, out):
            watch(app, run_id, None, lambda _: printer.print_new())
    printer.print_new()
    if printer.nothing:
        out.say(f"Run {run_id} has logged nothing{'' if app.runs.get(run_id).attempt else ': it has not started yet'}.")


@run.command()
@id_argument
@timeout_option
@with_ledger
@with_output
@click.pass_context
def wait(ctx: click.Context, app: Rota, run_id: int, timeout: float | None, out: Output) -> None:
    """Wait until a run is over: exit 0 if it succeeded, 1 if not, 124 if that takes too long.

    \b
    rota run wait 17 --timeout 5m
    """
    from rota.cli.follow import exit_code, left_alone, wait_for

    with left_alone(run_id, out):
        record = wait_for(app, run_id, timeout, out)
    show_end(app, record, out)
    ctx.exit(exit_code(record))


@run.command()
@ids_argument
@signal_option
@why_option
@with_ledger
@with_output
@click.pass_context
def approve(
    ctx: click.Context, app: Rota, ids: tuple[int, ...], signal: str | None, why: str | None, out: Output
) -> None:
    """Say yes to runs that wait for it; said before a run asks, it is kept until then.

    \b
    rota run ls --state waiting
    rota run approve 17 --why "the list is right"
    """
    by = acting_user()
    ctx.exit(_give(app, ids, signal, lambda run_id: app.runs.approve(run_id, by, why, signal), out))


@run.command()
@ids_argument
@signal_option
@why_option
@with_ledger
@with_output
@click.pass_context
def refuse(
    ctx: click.Context, app: Rota, ids: tuple[int, ...], signal: str | None, why: str | None, out: Output
) -> None:
    """Say no to runs that wait for a yes. What a run does then is up to its body.

    \b
    rota run refuse 17 --why "too many rows"
    """
    by = acting_user()
    ctx.exit(_give(app, ids, signal, lambda run_id: app.runs.refuse(run_id, by, why, signal), out))


@run.command()
@id_argument
@click.argument("name")
@click.option("--data", metavar="JSON", help="What the signal says; a value that is no JSON is taken as text.")
@why_option
@with_ledger
@with_output
@click.pass_context
def signal(
    ctx: click.Context, app: Rota, run_id: int, name: str, data: str | None, why: str | None, out: Output
) -> None:
    """Give a run the signal that it waits for, or will.

    \b
    rota run signal 17 payment --data '{"amount": 20}'
    """
    from rota.cli.arguments import read_value

    value, by = None if data is None else read_value(data), acting_user()
    ctx.exit(_give(app, [run_id], name, lambda each: app.signal(each, name, value, by=by, why=why), out))


def _give(app: Rota, ids: Sequence[int], signal: str | None, give: Callable[[int], object], out: Output) -> int:
    """One signal to each run; who does not wait for it now is named."""
    from rota.cli.bulk import change_each

    def change(run_id: int) -> object:
        waits_for = app.runs.get(run_id).waits_for
        given = signal or approval_of(waits_for)
        state = give(run_id)
        if waits_for != given:
            instead = "" if waits_for is None else f", but for {waits_for}"
            out.say(f"Run {run_id} does not wait for the signal {given} now{instead}: it is kept until it does.")
        return state

    return change_each(ids, change, "", out)


@run.command()
@ids_argument
@click.option("--afresh", is_flag=True, help="From the start: without checkpoint, steps and signals.")
@with_ledger
@with_output
@click.pass_context
def retry(ctx: click.Context, app: Rota, ids: tuple[int, ...], afresh: bool, out: Output) -> None:
    """Send failed, cancelled or expired runs back to their queues; they expire no more.

    They go on from their checkpoints, with the steps that are done.

    \b
    rota run retry 17 18
    """
    from rota.cli.bulk import change_each

    ctx.exit(change_each(ids, lambda run_id: app.runs.retry(run_id, acting_user(), afresh), "available", out))


@run.command()
@ids_argument
@with_ledger
@with_output
@click.pass_context
def cancel(ctx: click.Context, app: Rota, ids: tuple[int, ...], out: Output) -> None:
    """Give runs up: waiting ones at once, running ones are asked to stop.

    \b
    rota run cancel 17
    """
    from rota.cli.bulk import change_each

    ctx.exit(change_each(ids, lambda run_id: app.runs.cancel(run_id, acting_user()), "cancelled", out))


@run.command()
@id_argument
@with_ledger
@with_output
def why(app: Rota, run_id: int, out: Output) -> None:
    """Why a run waits, started late, or ended as it did.

    \b
    rota run why 17
    """
    show_why(app.why_run(run_id, UTC if out.utc or out.as_json else None), out)


def show_why(answer: Why, out: Output) -> None:
    """The sentence, and the facts behind it that it does not say itself."""
    from rota.app.items import why_item

    if out.as_json:
        out.document(why_item(answer))
        return
    echo(answer.summary)
    out.todo(answer.facts[0])
    out.findings(answer.facts[1:])


def list_runs(
    app: Rota, records: Sequence[RunRecord], out: Output, *, cursor: str | None = None, empty: str = ""
) -> None:
    """A table of runs; the moment that they stand for, and their host, are columns where any has one."""
    from rota.app.runs import kept_back

    columns = [each for each in COLUMNS if each.key not in AT_TIMES or any(getattr(run, each.key) for run in records)]
    kept = {} if out.as_json else kept_back(app.store, records)
    rows = [run_row(record, out, kept.get(record.id)) for record in records]
    out.listing(rows, columns, cursor=cursor, empty=empty)


def run_row(record: RunRecord, out: Output, kept: str | None = None) -> dict[str, Any]:
    """A run as an item; for people, with how long it took and the one thing to say about it."""
    from rota.app.items import run_item

    item = run_item(record)
    return item if out.as_json else {**item, "took": _took(item), "note": kept or _note(record)}


def show_end(app: Rota, record: RunRecord, out: Output) -> None:
    from rota.app.items import run_document

    document = run_document(record, secret_words=app.settings.log.masked)
    if out.as_json:
        out.document(document)
    else:
        out.one({**document, **_for_people(document)}, ENDED)


def cursor(after: str | None) -> int | None:
    """The cursor of a list of runs: the id of the last one."""
    if after is None:
        return None
    if not after.isdigit():
        raise click.BadParameter(f"{after!r} is no cursor; give the `next` of the list before", param_hint="--after")
    return int(after)


SHOWN = (
    Column("id", "run"), Column("job"), Column("state"), Column("queue"), Column("host"), Column("schedule"),
    Column("asked_by"), Column("mode"), Column("arguments"), Column("tries"),
    Column("fire_due_at", "for", Output.both),
    Column("due_at", "due", Output.both), Column("expires_at", "begin by", Output.both),
    Column("as_of", show=Output.both),
    Column("started_at", "started", Output.both), Column("finished_at", "finished", Output.both),
    Column("took", show=Output.duration), Column("node"), Column("progress_text", "progress"), Column("held_by"),
    Column("waits_for"), Column("waits_until", show=Output.both), Column("waits_about", "about"),
    Column("cancel_by"), Column("unique_key"), Column("batch_id", "batch"),
    Column("checkpoint"), Column("memory"), Column("result"), Column("error"),
)  # fmt: skip
ATTEMPTS = (
    Column("number", "attempt"), Column("outcome"), Column("started_at", "started"),
    Column("took", show=Output.duration), Column("node"), Column("error"),
)  # fmt: skip
ENDS_BADLY = {"scheduled", "failed", "cancelled", "expired"}
"""The states in which a run's error says why it is in them."""
MAY_EXPIRE = {"scheduled", "available", "expired"}
"""In these it is of interest until when a run must begin, or had to."""
GOES_ON = {"available", "running"}
"""In these, what an earlier attempt left is no news."""
SIGNALS = (Column("name", "signal"), Column("at"), Column("timed_out"), Column("by"), Column("why"), Column("data"))
STEPS = (Column("name", "step"), Column("at", "done"), Column("attempt"), Column("result"), Column("error"))
EVENTS = (Column("at"), Column("kind", "event"), Column("actor", "by"), Column("data"))
ENDED = tuple(column for column in SHOWN if column.key in {"id", "job", "state", "took", "result", "error"})


def _for_people(document: dict[str, Any]) -> dict[str, Any]:
    """What people are shown in words of their own. An error of an earlier attempt is no news of the present one."""
    progress, rss = document["progress"], document["peak_rss"]
    counts = [f"attempt {document['attempt']}"]
    counts += [f"{name}: {document[name]}" for name in ("failures", "crashes") if document[name]]
    return {
        "arguments": document["arguments"] or None,
        "tries": ", ".join(counts) if document["attempt"] else None,
        "took": _took(document),
        "expires_at": document["expires_at"] if document["state"] in MAY_EXPIRE else None,
        "progress_text": progress and f"{progress['done']} of {progress['total'] or '?'}",
        "error": document["error"] if document["state"] in ENDS_BADLY else None,
        "result": document["result"] if document["state"] not in GOES_ON else None,
        **({f"waits_{name}": value for name, value in (document["waits"] or {}).items()}),
        "memory": rss and f"{rss / 1_048_576:.0f} MiB at most",
    }


def _tables(document: dict[str, Any], out: Output) -> None:
    attempts = [{**each, "took": _took(each)} for each in document["attempts"]]
    if attempts:
        echo()
        out.listing(attempts, ATTEMPTS)
    for name, columns in (("signals", SIGNALS), ("steps", STEPS)):
        if document[name]:
            echo()
            out.listing(document[name], columns)
    events = [{**each, "data": _without_result(each["data"])} for each in document["events"]]
    if events:
        echo()
        out.listing(events, EVENTS)
    _traceback(document)


def _without_result(data: dict[str, Any]) -> dict[str, Any]:
    """It stands above, with the run."""
    return {name: value for name, value in data.items() if name != "result"}


def _traceback(document: dict[str, Any]) -> None:
    """Of the last attempt that left one; those of the others are in ``--json``."""
    last = next((each for each in reversed(document["attempts"]) if each["traceback"]), None)
    if last is not None:
        echo()
        echo(f"attempt {last['number']}:")
        echo_block(last["traceback"].rstrip("\n"))


def _took(item: dict[str, Any]) -> float | None:
    started, finished = item.get("started_at"), item.get("finished_at")
    return (finished - started).total_seconds() if started and finished else None


def _note(record: RunRecord) -> str:
    """Why it ended so, or is to be tried again; of a run that waits or runs, that is over."""
    if record.error and record.state in ENDS_BADLY:
        return record.error if len(record.error) <= 60 else f"{record.error[:59]}…"
    if record.waits_for is not None:
        from rota.explain.awaited import note

        return note(record)
    return record.held_by or ""


def _page(
    app: Rota, states: tuple[str, ...], filters: dict[str, str | None], before: int | None, limit: int
) -> list[RunRecord]:
    """The newest runs over all the states asked for."""
    pages = [app.runs.page(state=state, before=before, limit=limit, **filters) for state in states or (None,)]
    return sorted((record for page in pages for record in page), key=lambda record: -record.id)[:limit]


def _refuse_unknown(app: Rota, job: str | None, queue: str | None, schedule: str | None) -> None:
    """An empty list for a misspelt name would be a lie."""
    if job is not None:
        known_job(app, job)
    if queue is not None:
        known_queue(app, queue)
    if schedule is not None:
        known_schedule(app, schedule)
