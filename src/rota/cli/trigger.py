"""When a schedule is due, as options of a command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rota.cli.moments import coming_moment

if TYPE_CHECKING:
    from rota.calendar import Trigger

Command = TypeVar("Command", bound=Callable[..., Any])


def trigger_options(command: Command) -> Command:
    """`--cron`, `--every`, `--at`, `--tz`, for ``read_trigger``."""
    for decorate in (
        click.option("--tz", metavar="ZONE", help="The zone of its clock, as Europe/Paris; UTC unless given."),
        click.option(
            "--at", "moments", type=coming_moment, multiple=True, metavar="MOMENT", help="Once; may be repeated."
        ),
        click.option("--every", metavar="INTERVAL", help="At a fixed interval: 90s, 6h, 1h30m."),
        click.option("--cron", metavar="EXPRESSION", help='As "0 2 * * *"; see rota cron explain.'),
    ):
        command = decorate(command)
    return command


def read_trigger(given: Mapping[str, Any]) -> Trigger | None:
    """The one that is given; raises ``UsageError`` for two of them, ``CronError`` for what cannot be read."""
    from rota.calendar import At, Cron, Every

    cron, every, moments, tz = given["cron"], given["every"], given["moments"], given["tz"]
    if sum(map(bool, (cron, every, moments))) > 1:
        raise click.UsageError("--cron, --every and --at exclude each other; keep one.")
    zone = tz or "UTC"
    if cron:
        return Cron(cron, zone)
    if every:
        return Every(every, tz=zone)
    if moments:
        return At(moments, zone)
    if tz:
        raise click.UsageError("--tz says nothing by itself: give --cron, --every or --at too.")
    return None
