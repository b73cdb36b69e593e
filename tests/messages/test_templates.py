from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from rota.errors import ConfigError
from rota.messages import Templates

MOMENT = datetime(2026, 7, 5, 18, 30, tzinfo=UTC)


def show(text: str, **facts: object) -> str:
    source = "{% block subject %}s{% endblock %}{% block body %}" + text + "{% endblock %}"
    return Templates({"x.txt": source})["x"](facts).text.rstrip("\n")


def test_a_moment_is_shown_by_the_persons_clock_and_in_utc() -> None:
    assert show("{{ at | local('Europe/Paris') }}", at=MOMENT) == "Sun 05 Jul 2026, 20:30 CEST (18:30 UTC)"
    assert show("{{ at | local('UTC') }}", at=MOMENT) == "Sun 05 Jul 2026, 18:30 UTC"
    assert show("{{ at | local(zone) }}", at=MOMENT, zone=None) == "Sun 05 Jul 2026, 18:30 UTC"
    assert show("{{ at | local('No/Where') }}", at=MOMENT) == "Sun 05 Jul 2026, 18:30 UTC"


def test_a_length_is_shown_in_two_units() -> None:
    assert show("{{ t | human }}", t=timedelta(days=1, hours=2, minutes=3)) == "1 day 2 hours"
    assert show("{{ t | human }}", t=timedelta(seconds=-3)) == "less than a minute"


def test_html_is_escaped_and_text_is_not() -> None:
    source = {
        "x.txt": "{% block subject %}{{ name }}{% endblock %}{% block body %}{{ name }}{% endblock %}",
        "x.html": "<p>{{ name }}</p>",
    }

    content = Templates(source)["x"]({"name": "<b>&"})

    assert (content.subject, content.text, content.html) == ("<b>&", "<b>&\n", "<p>&lt;b&gt;&amp;</p>")


def test_the_short_form_keeps_its_whole_link() -> None:
    source = (
        "{% block subject %}s{% endblock %}{% block body %}b{% endblock %}"
        "{% block short %}{{ 'word ' * 100 }}{% endblock %}{% block link %}https://shop.example/1{% endblock %}"
    )

    short = Templates({"x.txt": source})["x"]({}).short

    assert len(short) <= 240
    assert short.endswith("… https://shop.example/1")


def test_a_name_that_is_not_there_is_an_error_of_that_message() -> None:
    with pytest.raises(UndefinedError):
        show("{{ nothing }}")


def test_files_globals_and_filters_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(
        "{% block subject %}{{ shop }}{% endblock %}{% block body %}{{ 2 | twice }}{% endblock %}"
    )

    content = Templates(tmp_path, filters={"twice": lambda number: number * 2}, shop="Shop")["x"]({})

    assert (content.subject, content.text, content.html) == ("Shop", "4\n", None)


def test_what_is_missing_is_told_when_the_application_starts() -> None:
    with pytest.raises(ConfigError, match=r"no template y\.txt"):
        Templates({"x.txt": ""})["y"]
    with pytest.raises(ConfigError, match="no block body, subject"):
        Templates({"x.txt": "text"})["x"]
