"""What the ledger says happened in the future: the clock was set back, and until it has caught up, all stands still."""

from __future__ import annotations

from collections.abc import Sequence

from rota.app.nodes import NodeStatus
from rota.app.words import SECOND, Words, counted
from rota.store import Transaction, schedules

AHEAD_US = 60 * SECOND
TODO = "Set the clock of the database's machine right; if it is right now, things go on by themselves at that time."


def ahead(tx: Transaction, nodes: Sequence[NodeStatus], words: Words) -> list[str]:
    """What stands in the future, and what that does; a clause each."""
    after = words.now + AHEAD_US
    return [*_schedules(tx, after, words), *_nodes(nodes, after, words)]


def _schedules(tx: Transaction, after: int, words: Words) -> list[str]:
    count, last = schedules.judged_ahead(tx, after)
    if not count or last is None:
        return []
    verb = "is" if count == 1 else "are"
    told = f"{counted(int(count), 'schedule')} {verb} judged up to {words.both(int(last))}"
    return [f"the clock was set back: {told}, and nothing is fired before"]


def _nodes(nodes: Sequence[NodeStatus], after: int, words: Words) -> list[str]:
    found: list[str] = []
    for node in nodes:
        marks = {"heartbeat": node.record.seen_at} | {duty.name: duty.ticked_at or 0 for duty in node.duties}
        name, last = max(marks.items(), key=lambda mark: mark[1])
        if node.alive and last > after:
            told = f"the {name} of node {node.record.id} last worked {words.distance(last)}"
            found.append(f"the clock was set back: {told}, so nobody sees before then whether it still does")
    return found
