"""A job as all applications have it: due by a cron expression, caught up for a while, tried three times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rota import Blueprint, Retry, cron

THREE_TIMES = Retry(attempts=3, delays=[1, 2])


def add(
    jobs: Blueprint,
    name: str,
    expression: str,
    body: Callable[..., Any],
    *,
    late: float | None = None,
    minutes: float = 60,
    tz: str = "UTC",
    **policies: Any,
) -> None:
    """``late``: hours after which a moment is not caught up any more; ``minutes`` it may take. ``policies`` are added,
    or take the place of the usual ones."""
    usual = {
        "catch_up_window": None if late is None else timedelta(hours=late),
        "retry": THREE_TIMES,
        "timeout": timedelta(minutes=minutes),
        "concurrency": None if "each" in policies else 1,
    }
    jobs.job(name, schedule=cron(expression, tz=tz), **{**usual, **policies})(body)
