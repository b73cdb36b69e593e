"""Log lines that a job's body writes, captured for its run, up to a cap."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from threading import Lock
from typing import Any

from rota.clock import from_us
from rota.model.attempt import Caps
from rota.model.payload import storable
from rota.shown import counted


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
        tail = [f"… {counted(self.left_out, 'more line')} went over the cap"] if self.left_out else []
        return "\n".join([*self.lines, *tail])


current: ContextVar[LogLines | None] = ContextVar("rota_log_lines", default=None)
"""Of the body that this code runs in."""


def _keep(record: logging.LogRecord) -> None:
    """Give a record to the run in whose body it was made; one made elsewhere is not ours."""
    lines = current.get()
    if lines is None or not isinstance(record.name, str):  # the latter: a record made to be filled in by its reader
        return
    try:
        moment = from_us(int(record.created * 1_000_000)).isoformat(timespec="milliseconds")
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{_format_exception(record.exc_info)}"
        if record.stack_info:
            text = f"{text}\n{record.stack_info}"
        lines.add(f"{moment} {record.levelname} {record.name}: {text}")
    except Exception as error:  # noqa: BLE001 - a record that cannot be formatted must not harm the run
        lines.add(f"{record.levelname} {record.name}: (it cannot be formatted: {type(error).__name__})")


_format_exception = logging.Formatter().formatException


class RunLogger(logging.LoggerAdapter[logging.Logger]):
    """The logger given to a body: a stdlib logger that takes fields as keyword arguments too.

    Lines from INFO on are kept with the run, whatever level the application shows.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        if self.isEnabledFor(level):
            super().log(level, msg, *args, **{**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 1})
        elif level >= logging.INFO:
            msg, own = self.process(msg, kwargs)
            logging.getLogRecordFactory()(self.logger.name, level, "", 0, msg, args, _raised(own.get("exc_info")))

    def process(self, msg: object, kwargs: MutableMapping[str, Any]) -> tuple[object, MutableMapping[str, Any]]:
        own = {name: kwargs.pop(name) for name in ("exc_info", "stack_info", "stacklevel", "extra") if name in kwargs}
        if kwargs:
            told = " ".join(f"{name}={value}" for name, value in kwargs.items())
            text = str(msg)
            msg = f"{text} {told.replace('%', '%%') if '%' in text else told}"
        own["extra"] = {**(self.extra or {}), **own.get("extra", {}), "fields": kwargs}
        return msg, own


def _raised(given: Any) -> Any:
    """``exc_info`` as records have it."""
    if isinstance(given, BaseException):
        return type(given), given, given.__traceback__
    return given if isinstance(given, tuple) else sys.exc_info() if given else None


_beginning = Lock()
_capturing = False


def capture() -> None:
    """Begin to capture in this process; a second call changes nothing.

    By way of the factory of records, behind the one that there is: a handler of ours on the root logger would take the
    place of those that the application, or ``logging.basicConfig``, puts there only if there is none.
    """
    global _capturing
    with _beginning:
        if _capturing:
            return
        _capturing = True
        make = logging.getLogRecordFactory()

        def make_and_keep(*args: Any, **kwargs: Any) -> logging.LogRecord:
            record = make(*args, **kwargs)
            _keep(record)
            return record

        logging.setLogRecordFactory(make_and_keep)
