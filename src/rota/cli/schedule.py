"""`rota schedule`: when the jobs are due."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rota.cli.arguments import arguments_options, read_arguments
from rota.cli.groups import Group
from rota.cli.moments import moment, read_wall, show_moment
from rota.cli.names import known_schedule
from rota.cli.options import (
    acting_user,
    after_option,
    confirm,
    force_option,
    job_option,
    limit_option,
    with_code,
    with_ledger,
    with_output,
    yes_option,
)
from rota.cli.output import Column, Output
from rota.cli.policies import given_policies, policy_options
from rota.cli.schedule_page import list_schedules, show_schedule
from rota.cli.terminal import echo
from rota.cli.trigger import read_trigger, trigger_options
from rota.clock import from_us
from rota.errors import ConfigError
from rota.model.policy import OF_A_SCHEDULE
from rota.shown import counted

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.calendar import Trigger

MANY = 10
name_argument = click.argument("name", metavar="SCHEDULE")


@click.group(cls=Group)
def schedule() -> None:
    """When they are due: list, change, pause, look ahead, backfill."""


@schedule.command()
@job_option
@limit_option(200)
@after_option
@with_ledger
@with_output
def ls(app: Rota, job: str | None, limit: int, after: str | None, out: Output) -> None:
    """The schedules, by name.

    \b
    rota schedule ls --job shop/sync
    """
    from rota.app.items import schedule_item
    from rota.cli.names import known_job

    records = app.schedules.page(job, after, limit)
    if job is not None and not records:
        known_job(app, job)
    cursor = records[-1].name if len(records) == limit else None
    list_schedules([schedule_item(each) for each in records], out, cursor=cursor, empty="There is no schedule.")


@schedule.command()
@name_argument
@with_ledger
@with_output
def show(app: Rota, name: str, out: Output) -> None:
    """A schedule: its policies, its next due moments, the verdicts on the last ones.

    \b
    rota schedule show shop/sync
    """
    show_schedule(app, known_schedule(app, name), out)


@schedule.command()
@name_argument
@click.option("--job", metavar="JOB", required=True, help="What is to be done.")
@trigger_options
@arguments_options
@policy_options(OF_A_SCHEDULE)
@with_code
@with_output
def add(app: Rota, name: str, job: str, out: Output, **given: Any) -> None:
    """Make a schedule that is in no code.

    \b
    rota schedule add nightly --job shop/sync --cron "0 2 * * *" --tz Europe/Paris
    rota schedule add once --job shop/report --at "tomorrow 07:00" --arg month=11
    """
    trigger = read_trigger(given)
    if trigger is None:
        raise click.UsageError("Say when it is due: --cron, --every or --at.")
    arguments = read_arguments(given["pairs"], given["document"])
    policies = given_policies(OF_A_SCHEDULE, given)
    _check_to_come(app, trigger, policies, f"rota job run {job}")
    record = app.schedules.add(name, job, trigger, by=acting_user(), arguments=arguments, **policies)
    show_schedule(app, record, out)


@schedule.command()
@name_argument
@trigger_options
@arguments_options
@policy_options(OF_A_SCHEDULE)
@with_code
@with_output
def edit(app: Rota, name: str, out: Output, **given: Any) -> None:
    """Change a schedule; what is not given stays. A new start of the application does not undo it, `reset` does.

    \b
    rota schedule edit nightly --cron "30 2 * * *"
    rota schedule edit nightly --overlap queue_one --catch-up none
    """
    known_schedule(app, name)
    changes = given_policies(OF_A_SCHEDULE, given)
    if given["pairs"] or given["document"]:
        changes["arguments"] = read_arguments(given["pairs"], given["document"])
    trigger = read_trigger(given)
    if trigger is None and not changes:
        raise click.UsageError("Nothing is changed: give --cron, --every, --at, --arg or a policy.")
    if trigger is not None:
        _check_to_come(app, trigger, changes, f"rota schedule run {name}")
    show_schedule(app, app.schedules.edit(name, by=acting_user(), trigger=trigger, **changes), out)


@schedule.command()
@name_argument
@with_ledger
@with_output
def reset(app: Rota, name: str, out: Output) -> None:
    """Take the code's version of a schedule back.

    \b
    rota schedule reset shop/sync
    """
    known_schedule(app, name)
    show_schedule(app, app.schedules.reset(name, by=acting_user()), out)


@schedule.command()
@name_argument
@click.option("--why", metavar="TEXT", help="Told to whoever asks why nothing runs.")
@with_ledger
@with_output
def pause(app: Rota, name: str, why: str | None, out: Output) -> None:
    """Let no due moment fire until it is resumed.

    \b
    rota schedule pause shop/sync --why "the supplier is down"
    """
    known_schedule(app, name)
    app.schedules.pause(name, by=acting_user(), why=why)
    _told(app, name, f"Schedule {name} is paused.", out)


@schedule.command()
@name_argument
@with_ledger
@with_output
def resume(app: Rota, name: str, out: Output) -> None:
    """Go on from now; what was due meanwhile is written down as skipped.

    \b
    rota schedule resume shop/sync
    """
    known_schedule(app, name)
    app.schedules.resume(name, by=acting_user())
    _told(app, name, f"Schedule {name} goes on.", out)


@schedule.command()
@name_argument
@force_option
@with_code
@with_output
def run(app: Rota, name: str, force: bool, out: Output) -> None:
    """Run it now, as it would run by itself, on every host if it does so; no due moment is used up.

    \b
    rota schedule run shop/sync
    """
    record = known_schedule(app, name)
    ids = app.schedules.run_now(name, by=acting_user(), force_disabled=force)
    if out.as_json:
        from rota.app.items import run_document

        items = [run_document(app.runs.get(each), secret_words=app.settings.log.masked) for each in ids]
        of_hosts = json.loads(record.definition).get("each") is not None
        out.document({"items": items, "next": None} if of_hosts else items[0])
        return
    for run_id in ids:
        echo(run_id)
    if len(ids) == 1:
        out.say(f"Run {ids[0]} was asked for; follow it: rota run wait {ids[0]}")
    else:
        out.say(f"{len(ids)} runs were asked for, one on each host; see them: rota run ls --schedule {name}")


@schedule.command("next")
@name_argument
@click.option("-n", "count", type=click.IntRange(1, 10_000), default=10, show_default=True, help="So many.")
@with_ledger
@with_output
def next_(app: Rota, name: str, count: int, out: Output) -> None:
    """The next due moments, as the schedule's zone shows them.

    \b
    rota schedule next shop/sync -n 3
    """
    known_schedule(app, name)
    items = [{"at": each} for each in app.schedules.next_fires(name, count)]
    columns = (
        Column("at", "due", lambda out, at: out.moment(at) if out.utc else f"{at:%Y-%m-%d %H:%M:%S %Z}"),
        Column("at", "in", Output.distance),
    )
    out.listing(items, columns, empty=f"None: ask why with rota schedule why {name}")


@schedule.command()
@name_argument
@click.option(
    "--from", "first", type=moment, required=True, metavar="MOMENT", help="The first due moment, or before it."
)
@click.option(
    "--to", "last", type=moment, default="now", show_default=True, metavar="MOMENT", help="The last one, or after it."
)
@click.option("--dry-run", is_flag=True, help="Only tell which moments.")
@force_option
@yes_option
@with_code
@with_output
def backfill(
    app: Rota, name: str, first: datetime, last: datetime, dry_run: bool, force: bool, yes: bool, out: Output
) -> None:
    """Make runs for the due moments of a past range, both ends included; asks if there are more than ten.

    \b
    rota schedule backfill shop/sync --from 2026-11-01 --to 2026-11-07
    """
    known_schedule(app, name)
    if first > last:
        raise ConfigError("--from is after --to", hint="--to is now, unless given; what comes will fire by itself.")
    moments = app.schedules.due_moments(name, first, _not_in_future(app, last))
    if dry_run:
        out.listing([{"due_at": each} for each in moments], [Column("due_at", "due")], empty="No moment was due then.")
        return
    if len(moments) > MANY:
        confirm(f"make {counted(len(moments), 'run')} of schedule {name}?", yes=yes)
    ids = []
    if moments:
        ids = app.schedules.backfill(name, moments[0], moments[-1], by=acting_user(), force_disabled=force)
    out.listing(
        [{"id": run_id} for run_id in ids],
        [Column("id", "run")],
        empty="No moment was due then, or all are backfilled.",
    )


@schedule.command()
@name_argument
@yes_option
@with_ledger
@with_output
def rm(app: Rota, name: str, yes: bool, out: Output) -> None:
    """Remove a schedule that was made at run time; the verdicts on its moments stay.

    \b
    rota schedule rm nightly
    """
    record = known_schedule(app, name)
    if record.declared is None:
        confirm(f"remove schedule {name}?", yes=yes)
    app.schedules.remove(name, by=acting_user())
    if out.as_json:
        out.document({"name": name, "state": "removed"})
    else:
        out.say(f"Schedule {name} is removed.")


@schedule.command()
@name_argument
@click.option(
    "--at", "text", metavar="MOMENT", help="What became of this moment: 02:30, 2026-11-22T02:30, on its own clock."
)
@with_ledger
@with_output
def why(app: Rota, name: str, text: str | None, out: Output) -> None:
    """Why it is not due, why nothing ran, or what became of one moment.

    \b
    rota schedule why shop/sync
    rota schedule why shop/sync --at "2026-03-29 02:30"
    """
    from rota.cli.run import show_why
    from rota.errors import NotFoundError

    zone = UTC if out.utc or out.as_json else None
    try:
        answer = app.why_schedule(name, _on_its_clock(app, name, text, out) if text else None, zone)
    except NotFoundError:
        known_schedule(app, name)
        raise
    show_why(answer, out)


def _check_to_come(app: Rota, trigger: Trigger, policies: dict[str, Any], instead: str) -> None:
    """A schedule counts from when it is made or changed: one whose moments have all passed would never fire."""
    from rota.model.schedule import Definition

    trigger = Definition(job="", trigger=trigger, **policies).due
    now = app.store.now_us()
    if trigger.next_after_us(now) is not None:
        return
    last = trigger.previous_before_us(now + 1)
    when = f"; the last moment was {show_moment(from_us(last))}" if last is not None else ""
    raise ConfigError(f"it would never fire{when}", hint=f"Give a moment that is to come; to have it now: {instead}")


def _not_in_future(app: Rota, last: datetime) -> datetime:
    """``now`` is this machine's; the database's clock, which counts, may be a little behind."""
    now = from_us(app.store.now_us())
    return now if 0 < (last - now).total_seconds() < MANY else last


def _on_its_clock(app: Rota, name: str, text: str, out: Output) -> datetime:
    """Its own clock says which day is today; a time without a zone stays so, to be read on that clock."""
    from rota.calendar.zones import zone
    from rota.model.schedule import Definition

    trigger = Definition.from_json(app.schedules.get(name).definition).trigger
    now = from_us(out.clock.now_us()).astimezone(zone(trigger.tz).tzinfo)
    try:
        return read_wall(text, now.replace(microsecond=0))  # `-1m` is said in whole seconds, and means that second
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--at") from None


def _told(app: Rota, name: str, message: str, out: Output) -> None:
    from rota.app.items import schedule_item

    if out.as_json:
        out.document(schedule_item(app.schedules.get(name)))
    else:
        out.say(message)
