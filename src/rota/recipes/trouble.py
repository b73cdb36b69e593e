"""Errors in a run's log by their kind and their place: their text may hold addresses, tokens and rows of a database."""

from __future__ import annotations

from traceback import extract_tb
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rota import Run


def log_error(run: Run, text: str, error: BaseException, **facts: Any) -> None:
    """``a step failed, error=KeyError at=shop.py:17 in render``: of the innermost line."""
    frames = extract_tb(error.__traceback__)
    last = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno} in {frames[-1].name}" if frames else ""
    run.log.error(text, error=type(error).__name__, at=last, **facts)
