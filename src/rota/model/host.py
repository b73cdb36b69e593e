"""A host: what the nodes that call it by one name have in common, and what a run may be kept for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rota.clock import from_us

ANY_HOST = ""
"""The ``host`` of a run that any node may do."""


class HostNodes(NamedTuple):
    """The nodes of a host that serve the same queues for the same release of an application."""

    host: str
    queues: str
    """Joined by commas."""
    owner: str
    release_id: str
    gone_at: int | None
    """When the last of them stopped or was given up for lost; ``None``: one is alive."""
    lease_until: int
    """Of those that are alive, the last one; 0 where none is."""

    def serves(self, queue: str) -> bool:
        return bool({"*", queue} & set(self.queues.split(",")))


class Kept(NamedTuple):
    """What waits for a host: runs of one job in one queue. ``owner``: the application of the job, if that is known."""

    host: str
    queue: str
    job: str
    owner: str | None

    def waits_for(self, nodes: HostNodes) -> bool:
        """Whether these nodes are among those that it is kept for."""
        return nodes.host == self.host and nodes.serves(self.queue) and self.owner in {None, nodes.owner}


LONG_GONE = 0
"""The moment at which a host went that no node is known of any more."""
GONE_US = 60_000_000
"""A host that is gone for less is only being started anew, and what waits for it goes on to do so."""


def gone_at(kept: Kept, hosts: Iterable[HostNodes]) -> int | None:
    """When the last node that could do it went; ``None``: one is alive."""
    went = [nodes.gone_at for nodes in hosts if kept.waits_for(nodes)]
    return None if None in went else max((at for at in went if at is not None), default=LONG_GONE)


def gone_words(host: str, went: int) -> str:
    """The error of a run that was kept for it, and expired."""
    since = f"since {from_us(went):%Y-%m-%d %H:%M:%S} UTC" if went != LONG_GONE else "for so long that no node is known"
    return f"its host {host} is gone {since}"
