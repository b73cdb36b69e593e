"""What may be given as a policy of a job or an option of a run: checked where it is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rota.calendar import Trigger
from rota.errors import ConfigError
from rota.model.duration import seconds
from rota.model.rate import Rate
from rota.model.retry import Retry
from rota.model.schedule import CATCH_UP, OVERLAP, check_choice

PRIORITIES = range(-1_000_000, 1_000_001)
_DURATION = (timedelta, int, float, str)

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "arguments": ((dict,), "a dict of the job's arguments"),
    "retry": ((Retry, int), "Retry(attempts=…), or a number of attempts"),
    "timeout": (_DURATION, 'seconds, or "10m"; None is no limit'),
    "overlap": ((str,), f"one of {', '.join(OVERLAP)}"),
    "catch_up": ((str,), f"one of {', '.join(CATCH_UP)}"),
    "catch_up_window": (_DURATION, 'seconds, or "6h"'),
    "catch_up_cap": ((int,), "a number, 1 or more"),
    "jitter": (_DURATION, 'seconds, or "5m"'),
    "queue": ((str,), "the name of a queue"),
    "priority": ((int,), f"a whole number from {PRIORITIES[0]:,} to {PRIORITIES[-1]:,}; lower is sooner"),
    "concurrency": ((int,), "a number, 1 or more"),
    "rate": ((str, Rate), 'text such as "100/m"'),
    "environments": ((list, tuple, set, frozenset), 'a list of names, as in ["production"]'),
    "destructive": ((bool,), "True or False"),
    "sends": ((bool,), "True or False"),
    "dry_run": ((bool,), "True or False"),
    "key": ((str,), "text"),
    "by": ((str,), "text that names who asks"),
}


def check_types(where: str, **given: Any) -> None:
    """Raise ``ConfigError`` for the first value of a kind that cannot be meant; ``None`` is always left to default."""
    for name, value in given.items():
        if value is None:
            continue
        kinds, wanted = _TYPES[name]
        is_bool = isinstance(value, bool) and bool not in kinds
        if not isinstance(value, kinds) or is_bool or not _in_range(name, value):
            raise ConfigError(f"{where}: {name}={value!r} cannot be used", hint=f"Give {wanted}.")


def _in_range(name: str, value: Any) -> bool:
    if name == "priority":
        return value in PRIORITIES
    if name in {"concurrency", "catch_up_cap"}:
        return bool(value >= 1)
    if name == "timeout":
        return seconds(value) > 0
    return bool(value != "" or name != "queue")


def check_schedule(schedule: object) -> None:
    """A trigger is made by a word of ours: text alone does not say of which kind it is."""
    if schedule is None or isinstance(schedule, Trigger):
        return
    hint = f"Write cron({schedule!r}), or every(…) for an interval." if isinstance(schedule, str) else ""
    raise ConfigError(
        f"schedule={schedule!r} is no trigger", hint=hint or "Write cron(…), every(…), at(…) or any_of(…)."
    )


def check_key_function(function: Callable[..., str] | None) -> None:
    if function is not None and not callable(function):
        raise ConfigError(
            f"concurrency_key={function!r} is no function",
            hint="Give a function of the job's arguments that returns text.",
        )


def check_policies(policies: dict[str, Any]) -> None:
    """The keyword arguments of ``@rota.job``."""
    check_schedule(policies.get("schedule"))
    check_key_function(policies.get("concurrency_key"))
    check_types("job", **{name: value for name, value in policies.items() if name in _TYPES})
    for name, choices in (("overlap", OVERLAP), ("catch_up", CATCH_UP)):
        if policies.get(name) is not None:
            check_choice(name, policies[name], choices)
