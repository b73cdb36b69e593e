"""Karma: one rule for the job that puts it right and the service that keeps it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from apps.bazaar.tables import collaborators, projects, upvotes

SHARE = {"CREATOR": (1, 1), "CONTRIBUTOR": (1, 2), "ADVISOR": (1, 4)}
"""How much of a project's upvotes counts for each role, as a fraction: no rounding of floats."""


def karma_of(
    connection: Connection, users: Sequence[Any], _as_of: datetime | None = None, *, bonus: int, without: Any = None
) -> Mapping[Any, int]:
    """For each of these users: the share of each project's upvotes, rounded down by project, and a bonus for each
    featured project that he created. Never below zero; who is on no project is not among them. ``without``: one whose
    votes count no more."""
    counted = select(upvotes.c.project_id, func.count().label("count")).group_by(upvotes.c.project_id)
    votes = (counted if without is None else counted.where(upvotes.c.user_id != without)).subquery()
    rows = connection.execute(
        select(collaborators.c.user_id, collaborators.c.role, projects.c.is_featured, func.coalesce(votes.c.count, 0))
        .join(projects, projects.c.id == collaborators.c.project_id)
        .outerjoin(votes, votes.c.project_id == projects.c.id)
        .where(collaborators.c.user_id.in_(users))
    )
    found: dict[Any, int] = defaultdict(int)
    for user, role, featured, count in rows:
        part, whole = SHARE.get(role, (0, 1))
        found[user] += count * part // whole + (bonus if featured and role == "CREATOR" else 0)
    return {user: max(0, karma) for user, karma in found.items()}
