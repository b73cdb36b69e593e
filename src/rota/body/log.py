"""Log lines that a job's body writes, captured for its run, up to a cap."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

from rota.clock import from_us
from rota.model.attempt import Caps
from rota.model.payload import storable


class LogLines:
    """The lines of one attempt: the first ones up to the cap, and a count of what was left out."""

    __slots__ = ("_bytes", "_caps", "changed", "left_out", "lines")

    def __init__(self, caps: Caps) -> None:
        self.lines: list[str] | tuple[()] = ()  # a list only where there are any: most runs write none
        self.left_out = 0
        self.changed = False
        self._bytes = 0
        self._caps = caps

    def add(self, line: str) -> None:
        self.changed = True
        line = storable(line).replace("\n", "\n    ")  # so that no text of a record looks like a record of its own
        if len(self.lines) >= self._caps.log_lines or self._bytes + len(line) > self._caps.log_bytes:
            self.left_out += 1
            return
        if isinstance(self.lines, tuple):
            self.lines = []
        self.lines.append(line)
        self._bytes += len(line) + 1

    def text(self) -> str:
        tail = [f"… {self.left_out:,} more lines were left out"] if self.left_out else []
        return "\n".join([*self.lines, *tail])


current: ContextVar[LogLines | None] = ContextVar("rota_log_lines", default=None)
"""Of the body that this code runs in."""


class RunHandler(logging.Handler):
    """Gives each record to the run in whose body it was made; a record made elsewhere is not ours."""

    def emit(self, record: logging.LogRecord) -> None:
        lines = current.get()
        if lines is None:
            return
        try:
            moment = from_us(int(record.created * 1_000_000)).isoformat(timespec="milliseconds")
            lines.add(f"{moment} {record.levelname} {record.name}: {self.format(record)}")
        except Exception:  # noqa: BLE001 - a record that cannot be formatted must not harm the run
            self.handleError(record)


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger given to a body: a stdlib logger that takes fields as keyword arguments too."""

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        own = {name: kwargs.pop(name) for name in ("exc_info", "stack_info", "stacklevel", "extra") if name in kwargs}
        if kwargs:
            told = " ".join(f"{name}={value}" for name, value in kwargs.items())
            text = str(msg)
            msg = f"{text} {told.replace('%', '%%') if '%' in text else told}"
        own["extra"] = {**(self.extra or {}), **own.get("extra", {}), "fields": kwargs}
        return msg, own


_handler = RunHandler()


def capture() -> None:
    """Begin to capture in this process; a second call changes nothing."""
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)
    logging.getLogger("rota.job").setLevel(logging.INFO)
