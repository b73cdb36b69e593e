"""The applications that come with Rota: all of them together are ``apps:rota``, each by itself ``apps.NAME:rota``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota import Rota

    rota: Rota


def __getattr__(name: str) -> Any:
    if name != "rota":
        raise AttributeError(f"module 'apps' has no attribute {name!r}")
    from apps import bazaar, codenotify, faf, learn, savings
    from apps.application import application

    globals()[name] = application(*(each.jobs() for each in (codenotify, bazaar, learn, savings, faf)))
    return globals()[name]
