"""The applications that come with Rota: all of them together are ``apps:rota``, each by itself ``apps.NAME:rota``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.application import on_demand

if TYPE_CHECKING:
    from rota import Blueprint, Rota

    rota: Rota


def _jobs() -> list[Blueprint]:
    from apps import bazaar, codenotify, faf, learn, savings

    return [each.jobs() for each in (codenotify, bazaar, learn, savings, faf)]


__getattr__ = on_demand(__name__, _jobs)
