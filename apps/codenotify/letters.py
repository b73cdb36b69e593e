"""What people read: one pair of templates a kind, ``<kind>.txt`` (subject, short form, text) and ``<kind>.html``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from apps.codenotify.settings import Settings
from apps.codenotify.tokens import url
from rota.messages import Content, Templates
from rota.messages.templates import human

PLATFORM_NAMES = {
    "codeforces": "Codeforces",
    "leetcode": "LeetCode",
    "codechef": "CodeChef",
    "atcoder": "AtCoder",
}
_FILTERS = {
    "minutes": lambda number: human(timedelta(minutes=number)),
    "platform": lambda name: PLATFORM_NAMES.get(name, name),
}
_templates = Templates(Path(__file__).parent / "templates", filters=_FILTERS)


def letter(settings: Settings, kind: str) -> Callable[[Mapping[str, Any]], Content]:
    """Makes the text of a message of ``kind``; of several reminders, one of all."""
    one, several = _templates[kind], _templates["reminders"]

    def render(facts: Mapping[str, Any]) -> Content:
        user = facts["user_id"]
        links = {
            "keep_url": url(settings, "keep", user),
            "preferences_url": url(settings, "preferences", user),
            "unsubscribe_url": url(settings, "unsubscribe", user),
        }
        if items := facts.get("items"):
            contests = sorted((each["contest"] for each in items), key=lambda contest: contest["start_time"])
            content = several({**facts, **links, "contests": contests})
        else:
            content = one({**facts, **links})
        one_click = {
            "List-Unsubscribe": f"<{links['unsubscribe_url']}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }
        return replace(content, headers=one_click)

    return render
