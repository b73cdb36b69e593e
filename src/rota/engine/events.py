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
        self._by_kind: dict[str, list[Listener]] = defaultdict(list)

    def add(self, kind: str, listener: Listener) -> None:
        self._by_kind[kind].append(listener)

    def remove(self, kind: str, listener: Listener) -> None:
        self._by_kind[kind].remove(listener)
        if not self._by_kind[kind]:
            del self._by_kind[kind]

    def wants(self, kind: str) -> bool:
        return any(fnmatchcase(kind, pattern) for pattern in self._by_kind) if self._by_kind else False

    def tell(self, events: Iterable[Event]) -> None:
        """Call the listeners, after the commit. One that raises is logged, and harms neither the run nor the others."""
        for event in events:
            for pattern, listeners in list(self._by_kind.items()):
                if fnmatchcase(event.kind, pattern):
                    for listener in listeners:
                        _call(listener, event)


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except BaseException:
        logger.exception("a listener to %s raised", event.kind)
