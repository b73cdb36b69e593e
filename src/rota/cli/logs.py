"""The log of a process that works: lines for people, or JSON for machines, on stderr."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rota.config import Settings

_NOISY = ("httpx", "httpcore", "urllib3", "asyncio", "psycopg")


def set_up_logging(settings: Settings | None) -> None:
    """Handlers that the application has set up itself are left alone."""
    root = logging.getLogger()
    level = settings.log.level.upper() if settings else "INFO"
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(JsonFormatter() if settings and settings.log.format == "json" else ConsoleFormatter())
        root.addHandler(handler)
    root.setLevel(level)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        run = getattr(record, "run", None)
        where = f"[run {run}] " if run is not None else ""
        text = f"{time} {record.levelname.lower():7} {where}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


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
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)
