"""What an application takes from the settings, in the engine's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rota.calendar import Cron, Every, Trigger
from rota.errors import ConfigError
from rota.model.node import NodeSettings
from rota.model.policy import OF_A_SCHEDULE, Also
from rota.model.schedule import Definition
from rota.model.suggestion import suggestion

if TYPE_CHECKING:
    from rota.config import Settings
    from rota.config.settings import ScheduleSettings


@dataclass(frozen=True, kw_only=True)
class Setup:
    """``queues``: by name, concurrency and rate, where the settings name them."""

    database: str = "sqlite:///.rota/rota.db"
    environment: str | None = None
    node: NodeSettings = field(default_factory=NodeSettings)
    processes: int = 1
    args_bytes: int = 262_144
    queues: Mapping[str, tuple[int | None, str | None]] = field(default_factory=dict)
    settings: Settings | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Setup:
        worker, keep, limits = settings.worker, settings.keep, settings.limits
        node = NodeSettings(
            threads=worker.threads,
            queues=tuple(worker.queues),
            poll=settings.poll.interval,
            lease=settings.lease.duration,
            heartbeat=settings.lease.heartbeat,
            drain=worker.drain,
            result_bytes=limits.result_bytes,
            log_lines=limits.log_lines,
            log_bytes=limits.log_bytes,
            **keep.model_dump(),
        )
        return cls(
            database=settings.database,
            environment=settings.environment,
            node=node,
            processes=worker.processes,
            args_bytes=limits.args_bytes,
            queues={name: (each.concurrency, each.rate) for name, each in settings.queues.items()},
            settings=settings,
        )

    def altered(self, name: str, definition: Definition) -> Definition:
        """A schedule of the code with what the settings say instead."""
        if self.settings is None:
            return definition
        told = self.settings.schedule(name)
        changes: dict[str, Any] = {
            key: value
            for key, policy in OF_A_SCHEDULE.items()
            if Also.SETTINGS in policy.also and (value := getattr(told, key)) is not None
        }
        trigger = _trigger(name, definition.trigger, told)
        return replace(definition, trigger=trigger, **changes)

    def paused(self, names: Mapping[str, Definition]) -> frozenset[str]:
        if self.settings is None:
            return frozenset()
        return frozenset(name for name in names if self.settings.schedule(name).paused)

    def unknown_schedules(self, names: Mapping[str, Definition]) -> list[str]:
        """What the settings call a schedule and the code does not know."""
        if self.settings is None:
            return []
        from rota.config.settings import fold

        known = set(names) | {fold(name) for name in names}
        return sorted(name for name in self.settings.schedules if name not in known)


def _trigger(name: str, trigger: Trigger, told: ScheduleSettings) -> Trigger:
    if told.every is not None:
        return Every(f"{told.every:g}s")
    changes: dict[str, Any] = {"expression": told.cron, "tz": told.tz, "gap": told.gap, "overlap": told.dst_overlap}
    changes = {key: value for key, value in changes.items() if value is not None}
    if not changes:
        return trigger
    if not isinstance(trigger, Cron) and "expression" not in changes:
        raise ConfigError(
            f"the settings of schedule {name!r} give {', '.join(changes)}, but its code has no cron expression",
            hint="Give cron= too.",
        )
    return replace(trigger, **changes) if isinstance(trigger, Cron) else Cron(**changes)


def unknown_schedule(name: str, definitions: Mapping[str, Definition]) -> ConfigError:
    told = f"the settings name a schedule {name!r} that no job has"
    return ConfigError(told, hint=suggestion(name, definitions))
