"""Events on their way to whoever listens in this process."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from rota.model.event import Event

logger = logging.getLogger("rota.events")
Listener = Callable[[Event], object]


class Listeners:
    """Who listens to which kind of event: a name, or a pattern such as ``run.*``."""

    def __init__(self) -> None:
        self._by_pattern: dict[str, list[Listener]] = defaultdict(list)
        self._by_kind: dict[str, tuple[Listener, ...]] = {}

    def add(self, kind: str, listener: Listener) -> None:
        self._by_pattern[kind].append(listener)
        self._by_kind.clear()

    def remove(self, kind: str, listener: Listener) -> None:
        self._by_pattern[kind].remove(listener)
        self._by_kind.clear()

    def wants(self, kind: str) -> bool:
        return bool(self._of(kind))

    def tell(self, events: Iterable[Event]) -> None:
        """Call the listeners, after the commit. One that raises is logged, and harms neither the run nor the others."""
        for event in events:
            for listener in self._of(event.kind):
                _call(listener, event)

    def _of(self, kind: str) -> tuple[Listener, ...]:
        """Kept by kind: it is asked for every run."""
        found = self._by_kind.get(kind)
        if found is None:
            patterns = [pattern for pattern in self._by_pattern if fnmatchcase(kind, pattern)]
            found = self._by_kind[kind] = tuple(each for pattern in patterns for each in self._by_pattern[pattern])
        return found


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except BaseException:
        logger.exception("a listener to %s raised", event.kind)
