"""What people read: one pair of templates a kind, ``<kind>.txt`` (subject, short form, text) and ``<kind>.html``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from apps.codenotify.channels import Message
from apps.codenotify.links import keep_url, preferences_url, unsubscribe_url
from apps.codenotify.settings import Settings

SHORT_AT_MOST = 240
PLATFORM_NAMES = {
    "codeforces": "Codeforces",
    "leetcode": "LeetCode",
    "codechef": "CodeChef",
    "atcoder": "AtCoder",
}


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")


def human(length: timedelta) -> str:
    """The two largest units of a time that is not negative, as in ``1 day 2 hours``."""
    minutes = max(0, int(length.total_seconds()) // 60)
    parts = ((minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute"))
    shown = [_count(number, unit) for number, unit in parts if number][:2]
    return " ".join(shown) or "less than a minute"


def zone_of(name: str | None) -> ZoneInfo:
    """A person's zone; UTC where it is unknown, because a message in UTC is better than none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def local(moment: datetime, zone: ZoneInfo) -> str:
    """The moment as the person's clocks show it, and in UTC if that is not the same."""
    here = moment.astimezone(zone)
    utc = f"{moment.astimezone(UTC):%H:%M} UTC"
    if here.utcoffset() == timedelta(0) and here.tzname() == "UTC":
        return f"{here:%a %d %b %Y}, {utc}"
    return f"{here:%a %d %b %Y, %H:%M} {here.tzname()} ({utc})"


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "human": human,
    "local": local,
    "minutes": lambda number: human(timedelta(minutes=number)),
    "platform": lambda name: PLATFORM_NAMES.get(name, name),
}


def render(settings: Settings, kind: str, *, key: str, user: Any, address: str, now: datetime, **facts: Any) -> Message:
    """The message of ``kind`` about ``facts`` to a row of users, as seen at ``now``."""
    links = {
        "keep_url": keep_url(settings, user.user_id),
        "preferences_url": preferences_url(settings),
        "unsubscribe_url": unsubscribe_url(settings, user.user_id),
    }
    context = facts | links | {"name": user.name, "zone": zone_of(user.time_zone), "now": now}
    text = _environment.get_template(f"{kind}.txt")
    return Message(
        key=key,
        address=address,
        name=user.name,
        subject=_block(text, "subject", context),
        text=_block(text, "body", context) + "\n",
        html=_environment.get_template(f"{kind}.html").render(context),
        short=shorten(_block(text, "short", context), _block(text, "link", context)),
        unsubscribe_url=links["unsubscribe_url"],
        at=now,
    )


def _block(template: Template, name: str, context: dict[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(context))).strip()


def shorten(text: str, link: str) -> str:
    """At most 240 characters, the whole link last: what gives way is the text."""
    room = SHORT_AT_MOST - len(link) - 1
    text = " ".join(text.split())
    return f"{text if len(text) <= room else text[: room - 1].rstrip() + '…'} {link}"
