"""`rota node`: the processes that work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.groups import Group
from rota.cli.names import known_node
from rota.cli.options import acting_user, limit_option, with_ledger, with_output
from rota.cli.output import Column, Output
from rota.cli.status import NODES, slots_text

if TYPE_CHECKING:
    from rota.app import Rota


@click.group(cls=Group)
def node() -> None:
    """The processes that work: list, drain."""


@node.command()
@limit_option(200)
@with_ledger
@with_output
def ls(app: Rota, limit: int, out: Output) -> None:
    """The nodes that live, and those that went within the last hour.

    \b
    rota node ls
    """
    from rota.app.items import node_item

    items = [node_item(each) for each in app.nodes.all(limit)]
    if not out.as_json:
        for item in items:
            item["slots_text"] = slots_text(item)
            item["duties"] = ", ".join(duty["name"] for duty in item["duties"] if duty["stale"]) or None
    columns = (
        *NODES[:1],
        Column("host"),
        *NODES[1:-1],
        Column("started_at", "started", Output.distance),
        Column("duties", "stale duties"),
    )
    out.listing(items, columns, empty="No node has been seen in the last hour. Start one: rota up")


@node.command()
@click.argument("name", metavar="NODE")
@with_ledger
@with_output
def drain(app: Rota, name: str, out: Output) -> None:
    """Let a node finish what it has, and stop; a beginning of its name is enough.

    \b
    rota node drain web-1:4711
    """
    found = known_node(app, name)
    app.nodes.drain(found.record.id, acting_user())
    if out.as_json:
        out.document({"id": found.record.id, "state": "draining"})
    else:
        out.say(f"Node {found.record.id} takes no new work; it stops when it has finished.")
