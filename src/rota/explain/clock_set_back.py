"""What the ledger says happened in the future: the clock was set back, and until it has caught up, all stands still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rota.explain.finding import Finding, Severity, finding
from rota.explain.words import SECOND, Words
from rota.model.node import NodeStatus
from rota.shown import counted
from rota.store import Transaction, schedules

AHEAD_US = 60 * SECOND
TODO = "set the clock of the database's machine right; if it is right now, things go on by themselves at that time"


def clock_set_back(tx: Transaction, nodes: Sequence[NodeStatus], words: Words) -> Iterator[Finding]:
    """What stands in the future, and what that does."""
    after = words.now + AHEAD_US
    yield from _schedules(tx, after, words)
    yield from _nodes(nodes, after, words)


def _schedules(tx: Transaction, after: int, words: Words) -> Iterator[Finding]:
    count, last = schedules.judged_ahead(tx, after)
    if count and last is not None:
        verb = "is" if count == 1 else "are"
        judged = f"{counted(int(count), 'schedule')} {verb} judged up to {words.both(int(last))}"
        yield _found(f"{judged}, and nothing is fired before", int(last), count=int(count))


def _nodes(nodes: Sequence[NodeStatus], after: int, words: Words) -> Iterator[Finding]:
    for node in nodes:
        marks = {"heartbeat": node.record.seen_at} | {duty.name: duty.ticked_at or 0 for duty in node.duties}
        name, last = max(marks.items(), key=lambda mark: mark[1])
        if node.alive and last > after:
            worked = f"the {name} of node {node.record.id} last worked {words.distance(last)}"
            text = f"{worked}, so nobody sees before then whether it still does"
            yield _found(text, last, node=node.record.id, duty=name)


def _found(text: str, until: int, **data: object) -> Finding:
    return finding("clock_set_back", f"the clock was set back: {text}", Severity.WARNING, TODO, until=until, **data)
