"""The mail of the campaign, as one makes it with Jinja and ``email``."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment

from bench.mails import HTML, SENDER, TEXT


def local(moment: datetime, zone: str) -> str:
    here = moment.astimezone(ZoneInfo(zone))
    return f"{here:%a %d %b %Y, %H:%M} {here.tzname()} ({moment:%H:%M} UTC)"


class Mails:
    def __init__(self) -> None:
        environment = Environment(autoescape=True)
        environment.filters["local"] = local
        self._text, self._html = environment.from_string(TEXT), environment.from_string(HTML)
        self._since = datetime(2026, 3, 5, 12, tzinfo=UTC)

    def make(self, person: dict[str, object]) -> EmailMessage:
        url = f"https://shop.example/unsubscribe?token={person['id']}"
        facts = {**person, "since": self._since, "unsubscribe_url": url}
        mail = EmailMessage()
        mail["From"] = SENDER
        mail["To"] = f"{person['name']} <{person['email']}>"
        mail["Subject"] = f"News for {person['name']}"
        mail["Message-ID"] = f"<{person['id']:07}@shop.example>"
        mail["Date"] = format_datetime(datetime.now(UTC))
        mail["List-Unsubscribe"] = f"<{url}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        mail.set_content(self._text.render(facts))
        mail.add_alternative(self._html.render(facts), subtype="html")
        return mail
