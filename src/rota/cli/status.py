"""`rota status`: whether all is well, and if not, why."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from rota.cli.options import with_ledger, with_output
from rota.cli.output import Column, Output
from rota.cli.terminal import echo, is_terminal, painted
from rota.model.duration import show_duration

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.explain.status import Status
    from rota.model.figures import Figures

EXITS = {"healthy": 0, "degraded": 1, "down": 2}
COLOURS = {"healthy": "green", "degraded": "yellow", "down": "red"}
EVERY_SECONDS = 2.0
CLEAR = "\x1b[H\x1b[2J"


@click.command()
@click.option("--watch", is_flag=True, help="Show it anew every two seconds, until Ctrl-C.")
@with_ledger
@with_output
@click.pass_context
def status(ctx: click.Context, app: Rota, watch: bool, out: Output) -> None:
    """Show whether all is well: exit 0 if healthy, 1 if degraded, 2 if down.

    \b
    rota status
    rota status --json | jq .reasons
    """
    while True:
        found = app.status()
        if watch and is_terminal(sys.stdout):
            click.echo(CLEAR, nl=False)
        show(found, out)
        if not watch:
            break
        time.sleep(EVERY_SECONDS)
    ctx.exit(EXITS[found.health])


def show(found: Status, out: Output) -> None:
    from rota.app.items import status_item

    item = status_item(found)
    if out.as_json:
        out.document(item)
        return
    health = painted(found.health.upper(), sys.stdout, fg=COLOURS[found.health], bold=True)
    echo(_counts(found), head=f"{health}  ")
    out.findings(found.reasons, "!")
    out.findings(found.notes)
    echo()
    echo(f"last hour    {figures_text(found.hour)}")
    echo(f"last 5 min   {figures_text(found.last_minutes)}")
    echo()
    out.listing([_node(each) for each in item["nodes"]], NODES, empty="No node has been seen in the last hour.")
    echo()
    out.listing(item["queues"], QUEUES, empty="There is no queue yet.")


NODES = (
    Column("id", "node"),
    Column("state"),
    Column("seen_at", "heartbeat", Output.distance),
    Column("running"),
    Column("threads"),
    Column("slots_text", "slots"),
    Column("queues", show=lambda _, names: ",".join(names)),
    Column("version"),
    Column("duties"),
)
QUEUES = (
    Column("name", "queue"),
    Column("waiting", show=Output.at_least),
    Column("held", show=Output.at_least),
    Column("running"),
    Column("scheduled", show=Output.at_least),
    Column("oldest_due_at", "oldest", Output.distance),
    Column("paused_by", "paused by"),
)


def _counts(found: Status) -> str:
    from rota.explain.words import counted_up_to
    from rota.shown import counted
    from rota.store.queues import COUNT_CAP

    alive = sum(node.alive for node in found.nodes)
    running = sum(queue.running for queue in found.queues)
    lines = [count for queue in found.queues for count in (queue.waiting, queue.held)]
    waiting, capped = sum(lines), any(count >= COUNT_CAP for count in lines)
    parts = [
        counted(alive, "node"),
        counted(found.schedules, "schedule"),
        f"{running:,} running",
        f"{waiting:,}{' or more' if capped else ''} waiting",
    ]
    return ", ".join([*parts, counted_up_to(found.dead, "dead letter")])


def figures_text(figures: Figures) -> str:
    expired = [f"{figures.expired:,} expired"] if figures.expired else []
    if not figures.attempts:
        return "; ".join(["nothing ran", *expired])
    share = "" if figures.success is None else f", {figures.success:.1%} succeeded"
    parts = [f"{_runs(figures)}{share}"]
    if figures.p50 is not None and figures.p95 is not None:
        parts.append(f"took {show_duration(figures.p50)} (p50), {show_duration(figures.p95)} (p95)")
    if figures.late_p95 is not None:
        parts.append(f"started {show_duration(figures.late_p95)} late (p95)")
    return "; ".join(parts + expired)


def _runs(figures: Figures) -> str:
    """How many; and how many in a minute, where that is a number to think in."""
    text = f"{figures.runs:,} {'run' if figures.runs == 1 else 'runs'}"
    return f"{text} ({figures.per_minute:,.0f} a minute)" if figures.per_minute >= 1 else text


def _node(item: dict[str, Any]) -> dict[str, Any]:
    """For people, of the duties only what is wrong."""
    stale = [duty["name"] for duty in item["duties"] if duty["stale"]]
    duties = f"stale: {', '.join(stale)}" if stale else "ok" if item["duties"] else ""
    return {**item, "slots_text": slots_text(item), "duties": duties}


def slots_text(item: Mapping[str, Any]) -> str:
    """``1 of 2 busy``; nothing of a node that has none."""
    return f"{item['slots_busy']} of {item['slots']} busy" if item["slots"] else ""
