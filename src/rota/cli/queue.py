"""`rota queue`: the lanes that runs wait in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli.groups import Group
from rota.cli.names import known_queue
from rota.cli.options import acting_user, with_ledger, with_output
from rota.cli.output import Column, Output
from rota.errors import ConfigError

if TYPE_CHECKING:
    from rota.app import Rota

COLUMNS = (
    Column("name", "queue"),
    Column("state"),
    Column("waiting", show=Output.at_least),
    Column("held", show=Output.at_least),
    Column("running"),
    Column("scheduled", show=Output.at_least),
    Column("oldest_due_at", "oldest", Output.distance),
    Column("concurrency"),
    Column("rate"),
    Column("paused", "paused by"),
)
name_argument = click.argument("name", metavar="QUEUE")


@click.group(cls=Group)
def queue() -> None:
    """The lanes: list, pause, resume, limit."""


@queue.command()
@with_ledger
@with_output
def ls(app: Rota, out: Output) -> None:
    """The queues with what is in them; counts stop at 10,000.

    \b
    rota queue ls
    """
    out.listing(
        _items(app, out), COLUMNS, empty="There is no queue yet: the first start of the application makes them."
    )


@queue.command()
@name_argument
@click.option("--why", metavar="TEXT", help="Told to whoever asks why nothing runs.")
@with_ledger
@with_output
def pause(app: Rota, name: str, why: str | None, out: Output) -> None:
    """Let no run of a queue start until it is resumed; running ones go on.

    \b
    rota queue pause mail --why "the provider is down"
    """
    app.queues.pause(known_queue(app, name), acting_user(), why)
    _told(app, name, out, f"Queue {name} is paused.")


@queue.command()
@name_argument
@with_ledger
@with_output
def resume(app: Rota, name: str, out: Output) -> None:
    """Let the runs of a queue start again.

    \b
    rota queue resume mail
    """
    app.queues.resume(known_queue(app, name), acting_user())
    _told(app, name, out, f"Queue {name} goes on.")


@queue.command()
@name_argument
@click.option("--concurrency", metavar="N|none", help="So many of its runs at one time, over all nodes.")
@click.option("--rate", metavar="RATE|none", help="So many starts in a time: 100/m, 5/s, 1000/24h.")
@with_ledger
@with_output
def limit(app: Rota, name: str, concurrency: str | None, rate: str | None, out: Output) -> None:
    """Limit a queue, over all nodes; what is not given stays, `none` takes a limit away.

    What the settings say of a queue holds again after the next start.

    \b
    rota queue limit mail --concurrency 4 --rate 100/m
    rota queue limit mail --rate none
    """
    if concurrency is None and rate is None:
        raise ConfigError("no limit is given", hint="Give --concurrency, --rate or both; `none` takes one away.")
    record = app.queues.get(known_queue(app, name))
    app.queues.limit(
        name,
        acting_user(),
        record.concurrency if concurrency is None else _count(concurrency),
        record.rate if rate is None else None if rate == "none" else rate,
    )
    _told(app, name, out, f"Queue {name} is limited as asked.")


def _count(text: str) -> int | None:
    if text == "none":
        return None
    if not text.isdigit() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is no number of runs; write 1 or more, or none", param_hint="--concurrency")
    return int(text)


def _items(app: Rota, out: Output) -> list[dict[str, Any]]:
    from rota.app.items import queue_item

    items = [queue_item(each) for each in app.queues.all()]
    if not out.as_json:
        for item in items:
            item["state"] = "paused" if item["paused_at"] else "active"
            item["paused"] = ": ".join(part for part in (item["paused_by"], item["paused_why"]) if part)
    return items


def _told(app: Rota, name: str, out: Output, message: str) -> None:
    if out.as_json:
        out.document(next(item for item in _items(app, out) if item["name"] == name))
    else:
        out.say(message)
