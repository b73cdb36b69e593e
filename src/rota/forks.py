"""What a child of a fork must not share with its parent: connections, and locks that a thread of the parent may hold.

gunicorn ``--preload``, ``multiprocessing`` and Celery fork a process that has used Rota already. The threads of the
parent are not in the child; all else is, as it was at that moment.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Forked(Protocol):
    def after_fork(self) -> None:
        """In the child: drop what is the parent's, without closing it, and take new locks."""


_things: WeakSet[Forked] = WeakSet()
_inherited: list[object] = []


def tell_of_forks(thing: Forked) -> None:
    """Call its ``after_fork`` in every child, for as long as it lives."""
    _things.add(thing)


def leave_to_parent(*things: object) -> None:
    """Never let go of them here: what they do at their end (say goodbye, join threads) is the parent's alone."""
    _inherited.extend(things)


def _in_child() -> None:
    for thing in list(_things):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
