"""What people read, as Jinja templates: ``NAME.txt`` with the blocks ``subject`` and ``body`` (and ``short``, with
``link``, for channels that carry a line), and ``NAME.html`` where there is one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import (
    DictLoader,
    Environment,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    select_autoescape,
)
from jinja2.runtime import Context

from rota.errors import ConfigError
from rota.messages.message import Content

SHORT_AT_MOST = 240


def human(length: timedelta) -> str:
    """The two largest units of a time that is not negative, as in ``1 day 2 hours``."""
    minutes = max(0, int(length.total_seconds()) // 60)
    parts = ((minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute"))
    shown = [f"{number} {unit}" + ("" if number == 1 else "s") for number, unit in parts if number][:2]
    return " ".join(shown) or "less than a minute"


@lru_cache(10_000)  # very many people are told the same moment, in few zones
def local(moment: datetime, zone: str | ZoneInfo | None) -> str:
    """The moment as the person's clocks show it, and in UTC if that is not the same."""
    here = moment.astimezone(zone_of(zone))
    utc = f"{moment.astimezone(UTC):%H:%M} UTC"
    if here.utcoffset() == timedelta(0) and here.tzname() == "UTC":
        return f"{here:%a %d %b %Y}, {utc}"
    return f"{here:%a %d %b %Y, %H:%M} {here.tzname()} ({utc})"


def zone_of(given: str | ZoneInfo | None) -> ZoneInfo:
    """UTC where it is unknown, because a message in UTC is better than none."""
    if isinstance(given, ZoneInfo):
        return given
    try:
        return ZoneInfo(given or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


class Templates:
    """``Templates(folder)["invitation"]``, or of a dict of texts, is what a recipe takes as ``render``. A name that the
    facts do not have is an error of that message, and not an empty place in it; HTML is escaped."""

    def __init__(
        self,
        source: Path | str | Mapping[str, str],
        *,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        **always: Any,
    ) -> None:
        loader = DictLoader(source) if isinstance(source, Mapping) else FileSystemLoader(Path(source))
        self._environment = Environment(
            loader=loader,
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"human": human, "local": local, **(filters or {})}
        self._environment.globals |= always

    def __getitem__(self, name: str) -> Callable[[Mapping[str, Any]], Content]:
        """Raises ``ConfigError`` where there is no such text."""
        try:
            text = self._environment.get_template(f"{name}.txt")
        except TemplateNotFound as error:
            raise ConfigError(
                f"there is no template {name}.txt", hint="It holds the blocks subject and body."
            ) from error
        if missing := {"subject", "body"} - set(text.blocks):
            raise ConfigError(f"{name}.txt has no block {', '.join(sorted(missing))}")
        try:
            html = self._environment.get_template(f"{name}.html")
        except TemplateNotFound:
            html = None
        return _Rendered(text, html)


class _Rendered:
    """Jinja merges its globals into each context, name by name; here that is done once."""

    def __init__(self, text: Template, html: Template | None) -> None:
        self._text, self._html, self._globals = text, html, dict(text.globals)

    def __call__(self, facts: Mapping[str, Any]) -> Content:
        names = {**self._globals, **facts}
        context, html = _context(self._text, names), self._html

        def block(name: str) -> str:
            return "".join(self._text.blocks[name](context)).strip() if name in self._text.blocks else ""

        return Content(
            subject=block("subject"),
            text=block("body") + "\n",
            html=None if html is None else "".join(html.root_render_func(_context(html, names))),
            short=shorten(block("short"), block("link")),
        )


def _context(template: Template, names: dict[str, Any]) -> Context:
    return template.environment.context_class(template.environment, names, template.name, template.blocks)


def shorten(text: str, link: str) -> str:
    """At most 240 characters, the whole link last: what gives way is the text."""
    room = SHORT_AT_MOST - len(link) - 1 if link else SHORT_AT_MOST
    text = " ".join(text.split())
    return f"{text if len(text) <= room else text[: max(0, room - 1)].rstrip() + '…'} {link}".strip()
