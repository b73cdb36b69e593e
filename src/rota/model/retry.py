"""When a failed run is tried again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rota.errors import ConfigError
from rota.model.duration import Duration, seconds
from rota.shown import shown

CRASH_LIMIT = 3
"""A run that was running when its process died, this often, is not tried again: it may be what kills them."""

SUSPECT = 2
"""A run that was running, with others, when a node was lost, this often, is done in a process of its own, or alone."""

Exceptions = tuple[type[BaseException], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long after a failure a run is tried again.

    The n-th retry waits ``base * factor ** (n - 1)``, at most ``cap``, then spread by ``jitter``: 0.2 means 20 % up or
    down, 1 means anything from zero to twice. ``delays`` gives the waits one by one instead; the last one repeats.
    An exception in ``never`` ends the run at once; with ``on`` given, so does every exception that is not in it.
    Crashes of the process are counted apart (see ``CRASH_LIMIT``), hand-backs at shutdown and snoozes not at all.
    """

    attempts: int = 3
    base: Duration = 5.0
    factor: float = 2.0
    cap: Duration = 3600.0
    jitter: float = 0.2
    delays: Sequence[Duration] = ()
    on: Exceptions = (Exception,)
    never: Exceptions = ()

    def __post_init__(self) -> None:
        for name in ("attempts", "factor", "jitter"):
            value, kinds = getattr(self, name), int if name == "attempts" else (int, float)
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ConfigError(f"{name}={shown(value)} is no number")
        if self.attempts < 1:
            raise ConfigError(f"attempts={shown(self.attempts)} would never run", hint="attempts=1 means: no retry.")
        if not 0 <= self.jitter <= 1:
            raise ConfigError(f"jitter={shown(self.jitter)} is not a share between 0 and 1")
        if not 1 <= self.factor < math.inf:
            raise ConfigError(
                f"factor={shown(self.factor)} is not 1 or more", hint="factor=1 means: always the same wait."
            )
        if isinstance(self.delays, (str, bytes)) or not isinstance(self.delays, Sequence):
            raise ConfigError(f"delays={shown(self.delays)} is no list", hint='As in delays=["5s", "1m"].')
        object.__setattr__(self, "on", _classes("on", self.on))
        object.__setattr__(self, "never", _classes("never", self.never))
        for delay in (self.base, self.cap, *self.delays):
            seconds(delay)

    def allows(self, error: BaseException) -> bool:
        return isinstance(error, self.on) and not isinstance(error, self.never)

    def delay(self, failures: int) -> float:
        """Seconds to wait after this many failures (1 or more)."""
        if self.delays:
            return seconds(self.delays[min(failures, len(self.delays)) - 1])
        try:
            exact = min(seconds(self.cap), seconds(self.base) * self.factor ** min(failures - 1, 64))
        except OverflowError:
            exact = seconds(self.cap)
        from random import uniform  # slow, and a process that only declares needs none

        return exact * uniform(1 - self.jitter, 1 + self.jitter)


def _classes(name: str, given: Exceptions | type[BaseException]) -> Exceptions:
    """Check them here: the next time somebody looks at them a body has failed."""
    classes = tuple(given) if isinstance(given, (tuple, list, set, frozenset)) else (given,)
    for each in classes:
        if not (isinstance(each, type) and issubclass(each, BaseException)):
            raise ConfigError(
                f"{name}={shown(each)} is no class of exceptions", hint=f"As in {name}=(OSError, ValueError)."
            )
    return classes
