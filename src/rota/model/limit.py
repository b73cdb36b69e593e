"""Limits that runs share: the key that they are counted under, and how many of one key may run at one time.

Only the key is kept with a run. How many is what the job says now, so that a release which changes it holds for those
that wait already.
"""

from __future__ import annotations

from rota.model.host import ANY_HOST

_OF_SCHEDULE = "schedule:"


def key_of_job(name: str, own: str | None = None) -> str:
    """For all runs of a job together, or those that its ``concurrency_key`` made one key of."""
    return f"job:{name}" if own is None else f"job:{name}:{own}"


def key_of_schedule(name: str, host: str = ANY_HOST) -> str:
    """For a schedule whose runs must not overlap, of a job without a limit of its own: one at a time, on each host."""
    return f"{_OF_SCHEDULE}{name}" if host == ANY_HOST else f"{_OF_SCHEDULE}{name}@{host}"


def is_of_schedule(key: str) -> bool:
    return key.startswith(_OF_SCHEDULE)


def count_under(key: str, of_job: int | None) -> int | None:
    """How many may run at one time; ``None``: the job has given its limit up."""
    return 1 if is_of_schedule(key) else of_job
