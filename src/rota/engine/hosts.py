"""The hosts that the runs of ``each="host"`` are for, and the end of what is kept for a host that is gone."""

from __future__ import annotations

from functools import cached_property

from rota.engine.expiry import end
from rota.model.host import GONE_US, HostNodes, gone_at, gone_words
from rota.store import Transaction, nodes, releases, runs


class Living:
    """The hosts that live at a moment; the ledger is asked only if somebody asks here."""

    def __init__(self, tx: Transaction, now: int) -> None:
        self._tx = tx
        self._now = now
        self._found: dict[tuple[str, str], tuple[str, ...]] = {}

    @cached_property
    def _nodes(self) -> list[HostNodes]:
        return [each for each in nodes.by_host(self._tx) if each.gone_at is None and each.lease_until >= self._now]

    def that_do(self, queue: str, job: str) -> tuple[str, ...]:
        """Those with a node that serves the queue and whose code knows the job, by name."""
        if (queue, job) not in self._found:
            knowing = releases.knowing(self._tx, job)
            found = {each.host for each in self._nodes if each.serves(queue) and each.release_id in knowing}
            self._found[queue, job] = tuple(sorted(found))
        return self._found[queue, job]


def expire_kept(tx: Transaction, now: int, limit: int, shard: int) -> bool:
    """End what waits for hosts that have been gone for too long. Returns whether there may be more."""
    waiting = runs.kept(tx)
    hosts = nodes.by_host(tx) if waiting else []
    more = False
    for kept in waiting:
        went = gone_at(kept, hosts)
        if went is not None and now - went >= GONE_US:
            expired = runs.expire_kept(tx, kept, now, limit, gone_words(kept.host, went))
            end(tx, expired, now, shard, host=kept.host, gone_at=went)
            more = more or len(expired) == limit
    return more
