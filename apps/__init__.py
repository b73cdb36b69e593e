"""The applications that come with Rota. The command line finds all of them together as ``apps:rota``, and each by itself
as ``apps.NAME:rota``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota import Rota

    rota: Rota


def __getattr__(name: str) -> Any:
    if name != "rota":
        raise AttributeError(f"module 'apps' has no attribute {name!r}")
    from apps import bazaar, codenotify
    from apps.application import application

    globals()[name] = application(codenotify.jobs(), bazaar.jobs())
    return globals()[name]
