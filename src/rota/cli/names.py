"""The things that a command is told by name: found, or answered with the nearest name there is.

The store is imported when one is looked for, so that a group's help starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.errors import ConfigError, NotFoundError
from rota.model.suggestion import suggestion

if TYPE_CHECKING:
    from rota.app import Rota
    from rota.model.node import NodeStatus
    from rota.model.schedule import ScheduleRecord


def known_job(app: Rota, name: str) -> str:
    """A job of the application or of the ledger."""
    from rota.store import jobs

    with app.store.read() as tx:
        names = {*app.jobs, *(record.name for record in jobs.all_jobs(tx))}
    return _among("job", name, names)


def known_schedule(app: Rota, name: str) -> ScheduleRecord:
    """A schedule that was not removed."""
    from rota.store import schedules

    with app.store.read() as tx:
        record = schedules.get(tx, name)
        if record is not None and record.removed_at is None:
            return record
        names = {each.name for each in schedules.page(tx, limit=10_000)}
    was = "any more" if record is not None else ""
    raise NotFoundError(f"there is no schedule {name!r} {was}".rstrip(), hint=suggestion(name, names))


def known_queue(app: Rota, name: str) -> str:
    from rota.store import queues

    with app.store.read() as tx:
        return _among("queue", name, {record.name for record in queues.all_queues(tx)})


def known_node(app: Rota, name: str) -> NodeStatus:
    """By its whole name or by any beginning that only one has; raises ``ConfigError`` where several have it."""
    nodes = app.nodes.all()
    found = [node for node in nodes if node.record.id == name] or [
        node for node in nodes if node.record.id.startswith(name)
    ]
    if len(found) == 1:
        return found[0]
    hint = suggestion(name, {node.record.id for node in found or nodes})
    if found:
        raise ConfigError(f"{len(found)} nodes begin with {name!r}", hint=hint)
    raise NotFoundError(f"there is no node {name!r}", hint=hint)


def _among(kind: str, name: str, names: set[str]) -> str:
    if name not in names:
        raise NotFoundError(f"there is no {kind} {name!r}", hint=suggestion(name, names))
    return name
