"""The schedules that a node cannot judge: it leaves them to those who can, and says so."""

from __future__ import annotations

import logging
from dataclasses import dataclass

logger = logging.getLogger("rota.engine")
AGAIN_US = 60_000_000
"""A node looks again after so long: its own code stays as it is, but a definition may have changed."""
KEPT_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class _Left:
    why: str | None
    """``None``: its job is not in this node's code, which is as it should be while releases overlap."""
    since: int
    until: int


class Unable:
    """Names to leave out for a while, each with the reason. One thread writes, others may read ``reasons``."""

    def __init__(self) -> None:
        self._left: dict[str, _Left] = {}

    def add(self, schedule: str, why: str | None, now: int) -> None:
        before = self._left.get(schedule)
        if why is not None and (before is None or before.why != why):
            logger.warning("schedule %s is left to nodes that can judge it: %s", schedule, why)
        self._left[schedule] = _Left(why, before.since if before else now, now + AGAIN_US)

    def names(self, now: int) -> list[str]:
        """Those that are not to be looked at now."""
        if not self._left:
            return []
        self._left = {name: each for name, each in self._left.items() if now < max(each.until, each.since + KEPT_US)}
        return [name for name, each in self._left.items() if each.until > now]

    def forget(self, schedule: str) -> None:
        """It could be judged after all."""
        self._left.pop(schedule, None)

    def reasons(self) -> dict[str, str]:
        return {name: each.why for name, each in list(self._left.items()) if each.why is not None}
