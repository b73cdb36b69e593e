"""A finding: one thing that is so, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    INFO = "info"
    """How it is."""
    NOTE = "note"
    """Somebody wanted it so, or should know of it: no illness."""
    WARNING = "warning"
    """Work is done, but something needs a look."""
    PROBLEM = "problem"
    """Something essential does not happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    kind: str
    """A word for programs, as ``queue_paused``."""
    severity: Severity
    text: str
    """A clause for people: it begins small, and has no full stop."""
    todo: str = ""
    """The next step, with the command to type: ``start one: rota up``; empty where nothing is to be done."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """The values behind the text: moments are microseconds of UTC, lengths seconds."""

    @property
    def sentence(self) -> str:
        return capitalised(self.text) + ("" if self.text.endswith("?") else ".")


def finding(kind: str, text: str, /, severity: Severity = Severity.INFO, todo: str = "", **data: Any) -> Finding:
    return Finding(kind=kind, severity=severity, text=text, todo=todo, data=data)


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
