"""The log of a process that works: lines for people, or JSON for machines, on stderr."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from rota.shown import visible

if TYPE_CHECKING:
    from rota.model.settings import Settings

_NOISY = ("httpx", "httpcore", "urllib3", "asyncio", "psycopg")


def set_up_logging(settings: Settings) -> None:
    """An application that has set up handlers itself is left alone, and so are all levels that it has set."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log.format == "json" else ConsoleFormatter())
    handler.setLevel(settings.log.level.upper())
    root.addHandler(handler)
    if root.level == logging.WARNING:  # as it is at first
        root.setLevel(settings.log.level.upper())
    for name in _NOISY:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)


def say(message: str, level: int = logging.INFO) -> None:
    """Tell of this process itself: a person always, and who reads the log as JSON from its level on."""
    if not _as_json() or logging.getLogger().isEnabledFor(level):
        click.echo(line(message, level), err=True)


def line(message: str, level: int = logging.INFO) -> str:
    """One line for people, or one among others of JSON."""
    if not _as_json():
        return visible(message)
    return JsonFormatter().format(logging.LogRecord("rota.up", level, "", 0, message, None, None))


def _as_json() -> bool:
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)


class ConsoleFormatter(logging.Formatter):
    """A line a record, with what a body logs made visible."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        run = getattr(record, "run", None)
        where = f"[run {run}] " if run is not None else ""
        line = visible(f"{time} {record.levelname.lower():7} {where}{record.getMessage()}")
        return "\n".join([line, *self._traceback(record)])

    def _traceback(self, record: logging.LogRecord) -> list[str]:
        """Indented: what an exception says may look like a line of the log."""
        text = self.formatException(record.exc_info) if record.exc_info else record.exc_text or ""
        return [f"  {visible(line)}" for line in text.split("\n") if line]


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {
            name: value for name in ("run", "job", "attempt") if (value := getattr(record, name, None)) is not None
        }
        line |= getattr(record, "fields", {})
        if record.exc_info or record.exc_text:
            line["exception"] = self.formatException(record.exc_info) if record.exc_info else str(record.exc_text)
        return json.dumps(line, default=str)
