"""What the settings say of schedules instead of the code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from rota.calendar import Cron, Every, Trigger
from rota.errors import ConfigError
from rota.model.schedule import Definition
from rota.model.settings import ScheduleSettings, Settings, fold
from rota.model.suggestion import suggestion


def overridden(settings: Settings, name: str, definition: Definition) -> Definition:
    """A schedule of the code with what the settings say instead."""
    if not settings.schedules:
        return definition
    given = settings.schedule(name)
    return replace(definition, trigger=_trigger(name, definition.trigger, given), **given.policies())


def paused(settings: Settings, names: Iterable[str]) -> frozenset[str]:
    return frozenset(name for name in names if settings.schedules and settings.schedule(name).paused)


def unknown_schedules(settings: Settings, definitions: Mapping[str, Definition]) -> list[ConfigError]:
    """One for each that the settings name and the code does not know."""
    if not settings.schedules:
        return []
    known = set(definitions) | {fold(name) for name in definitions}
    return [
        ConfigError(f"the settings name a schedule {name!r} that no job has", hint=suggestion(name, definitions))
        for name in sorted(settings.schedules)
        if name not in known
    ]


def _trigger(name: str, trigger: Trigger, given: ScheduleSettings) -> Trigger:
    if given.every is not None:
        return Every(f"{given.every:g}s")
    changes: dict[str, Any] = {"expression": given.cron, "tz": given.tz, "gap": given.gap, "overlap": given.dst_overlap}
    changes = {key: value for key, value in changes.items() if value is not None}
    if not changes:
        return trigger
    if not isinstance(trigger, Cron) and "expression" not in changes:
        raise ConfigError(
            f"the settings of schedule {name!r} give {', '.join(changes)}, but its code has no cron expression",
            hint="Give cron= too.",
        )
    return replace(trigger, **changes) if isinstance(trigger, Cron) else Cron(**changes)
