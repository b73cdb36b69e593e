"""Events on their way to whoever listens in this process.

While a node works, each listener is called on a thread of its own, in the order of the events: one that does not return
holds up nobody. At any other time it is called where the event was told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import groupby
from operator import attrgetter

from rota.engine.pulse import Pulse
from rota.forks import tell_of_forks
from rota.model.event import Event

logger = logging.getLogger("rota.events")
Listener = Callable[[Event], object]
Key = tuple[int, int]
MOST_WAITING = 10_000
"""Events that wait for one listener; what comes beyond is counted, and not told to it."""
SLOW_SECONDS = 30.0
"""A call that takes longer is told in the log."""


class Listeners:
    """Who listens to which kind of event: a name, or a pattern such as ``run.*``."""

    def __init__(self) -> None:
        self._by_pattern: dict[str, list[Listener]] = defaultdict(list)
        self._by_kind: dict[str, tuple[Listener, ...]] = {}
        self._here: set[Key] = set()
        self._nodes = 0
        self._mailboxes: dict[Key, Mailbox] = {}
        self._lock = threading.Lock()
        tell_of_forks(self)

    def after_fork(self) -> None:
        """The threads are the parent's."""
        self._lock, self._nodes, self._mailboxes = threading.Lock(), 0, {}

    def add(self, kind: str, listener: Listener, *, here: bool = False) -> None:
        """``here``: always called where the event is told, as it returns at once."""
        self._by_pattern[kind].append(listener)
        self._by_kind.clear()
        if here:
            self._here.add(_key(listener))

    def remove(self, kind: str, listener: Listener) -> None:
        self._by_pattern[kind].remove(listener)
        self._by_kind.clear()
        self._here.discard(_key(listener))

    def wants(self, kind: str) -> bool:
        return bool(self._of(kind))

    def tell(self, events: Iterable[Event]) -> None:
        """Call the listeners, after the commit. One that raises is logged, and harms neither the run nor the others."""
        for kind, alike in groupby(events, key=attrgetter("kind")):
            listeners = self._of(kind)
            some = list(alike) if listeners else []
            for listener in listeners:
                if self._nodes and _key(listener) not in self._here:
                    self._mailbox(listener).put(some)
                else:
                    for event in some:
                        _call(listener, event)

    def begin(self) -> None:
        """A node works here from now on."""
        with self._lock:
            self._nodes += 1

    def end(self, until: float) -> None:
        """It stops: wait until all is told, but no longer than ``until`` (``time.monotonic()``)."""
        with self._lock:
            self._nodes -= 1
            if self._nodes:
                return
            mailboxes, self._mailboxes = list(self._mailboxes.values()), {}
        for mailbox in mailboxes:
            mailbox.close()
        for mailbox in mailboxes:
            mailbox.join(until)

    def pulses(self) -> list[Pulse]:
        """Of each listener's thread: for others to watch."""
        return [mailbox.look() for mailbox in list(self._mailboxes.values())]

    def _mailbox(self, listener: Listener) -> Mailbox:
        key = _key(listener)
        mailbox = self._mailboxes.get(key)
        if mailbox is None:
            with self._lock:
                mailbox = self._mailboxes.get(key) or Mailbox(listener)
                self._mailboxes[key] = mailbox
        return mailbox

    def _of(self, kind: str) -> tuple[Listener, ...]:
        """Kept by kind: it is asked for every run."""
        found = self._by_kind.get(kind)
        if found is None:
            patterns = [pattern for pattern in self._by_pattern if fnmatchcase(kind, pattern)]
            found = self._by_kind[kind] = tuple(each for pattern in patterns for each in self._by_pattern[pattern])
        return found


class Mailbox:
    """A listener's thread, and the events that wait for it."""

    def __init__(self, listener: Listener) -> None:
        self.name = f"listener {_name(listener)}"
        self.lost = 0
        """Events that it was not told, as too many waited."""
        self._listener = listener
        self._events: deque[Event] = deque()
        self._come = threading.Event()
        self._closed = False
        self._pulse = Pulse(self.name, 0.0)
        self._slow = False
        self._thread = threading.Thread(target=self._deliver, name=f"rota-{self.name}", daemon=True)
        self._thread.start()

    def put(self, events: Sequence[Event]) -> None:
        room = max(0, MOST_WAITING - len(self._events))
        if room and self.lost:
            logger.warning("%s was not told of %d events", self.name, self.lost)
            self.lost = 0
        if len(events) > room:
            if not self.lost:
                logger.error("%s does not keep up: from now on it is not told of events", self.name)
            self.lost += len(events) - room
        self._events.extend(events[:room])
        self._come.set()

    def close(self) -> None:
        """End after what waits."""
        self._closed = True
        self._come.set()

    def join(self, until: float) -> None:
        if self._thread is not threading.current_thread():
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive() or self.lost:
            left = len(self._events) + self.lost
            logger.error("%s has not returned; it was not told of %d events", self.name, left)

    def look(self) -> Pulse:
        """Its pulse now; a call that takes too long is told in the log, once."""
        pulse, now = self._pulse, time.monotonic()
        took = pulse.standing(now)
        pulse.error = f"{len(self._events) + self.lost} events wait for it" if took > SLOW_SECONDS else None
        if took <= SLOW_SECONDS:
            pulse.ticked_at, self._slow = now, False
        elif not self._slow:
            self._slow = True
            logger.error("%s has not returned for %.0f s; its events wait", self.name, took)
        return pulse

    def _deliver(self) -> None:
        while True:
            self._come.wait()
            self._come.clear()
            while self._events:
                self._pulse.begun_at = time.monotonic()
                _call(self._listener, self._events.popleft())
                self._pulse.begun_at = None
            if self._closed and not self._events:
                return


def _key(listener: Listener) -> Key:
    """A method is another object each time one asks for it."""
    return id(getattr(listener, "__self__", None)), id(getattr(listener, "__func__", listener))


def _name(listener: Listener) -> str:
    plain = getattr(listener, "__func__", listener)
    module, name = getattr(plain, "__module__", None), getattr(plain, "__qualname__", type(plain).__name__)
    return f"{module}.{name}" if module else name


def _call(listener: Listener, event: Event) -> None:
    try:
        listener(event)
    except BaseException:
        logger.exception("a listener to %s raised", event.kind)
