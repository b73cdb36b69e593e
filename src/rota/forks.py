"""What a child of a fork must not share with its parent: connections, and locks that a thread of the parent may hold.

gunicorn ``--preload``, uWSGI, ``multiprocessing`` and Celery fork a process that has used Rota already. The threads of
the parent are not in the child; all else is, as it was at that moment.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import Protocol
from weakref import WeakSet

PATIENCE_SECONDS = 2.0
"""So long a fork waits for other threads to leave a gate."""


class Forked(Protocol):
    def after_fork(self) -> None:
        """In the child: drop what is the parent's, without closing it, and take new locks."""


class AtRest(Protocol):
    def put_away(self) -> None:
        """Close what nobody uses at the moment."""


_things: WeakSet[Forked] = WeakSet()
_gates: WeakSet[Gate] = WeakSet()
_inherited: list[object] = []
_pid = os.getpid()
_noticing = threading.Lock()
"""Held in a child alone, and only while it notices."""


def tell_of_forks(thing: Forked) -> None:
    """Call its ``after_fork`` in every child, for as long as it lives."""
    _things.add(thing)


def leave_to_parent(*things: object) -> None:
    """Never let go of them here: what they do at their end (say goodbye, join threads) is the parent's alone."""
    _inherited.extend(things)


def notice() -> None:
    """Asked by whoever is about to use what a child must not share: uWSGI forks without a word to Python."""
    if os.getpid() == _pid:
        return
    with _noticing:
        if os.getpid() != _pid:
            _in_child()


class Gate:
    """Keeps a process from forking while other threads are within a library whose locks a child would never get.

    ``enter`` and ``leave`` may be nested. When nobody is within, what is at rest (``put_away``) is closed before the
    fork, so that the child inherits nothing of the library.
    """

    def __init__(self) -> None:
        self._at_rest: WeakSet[AtRest] = WeakSet()
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._forks = 0
        _gates.add(self)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._close, after_in_parent=self._open)

    def watch(self, thing: AtRest) -> None:
        self._at_rest.add(thing)

    def enter(self) -> None:
        me = threading.get_ident()
        with self._changed:
            while self._forks and not self._inside[me]:
                self._changed.wait()
            self._inside[me] += 1

    def leave(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
            if self._forks:
                self._changed.notify_all()

    def _close(self) -> None:
        me = threading.get_ident()
        with self._changed:
            self._forks += 1
            if self._changed.wait_for(lambda: not self._inside.keys() - {me}, PATIENCE_SECONDS):
                for thing in list(self._at_rest):
                    thing.put_away()

    def _open(self) -> None:
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()

    def start_anew(self) -> None:
        """In the child: nobody is within but whoever forked."""
        me = threading.get_ident()
        self._changed, self._forks = threading.Condition(), 0
        self._inside = Counter({me: self._inside[me]} if self._inside[me] else {})


def _in_child() -> None:
    global _pid
    _pid = os.getpid()
    for gate in list(_gates):
        gate.start_anew()
    for thing in list(_things):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
