"""What `rota run ls`, `run show` and `queue ls` tell of runs that a rate keeps back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Shop, open_shop

SOURCE = """
from rota import Rota

rota = Rota({url!r})


@rota.job("shop/report", rate="1/60m", queue="reports")
def report() -> None: ...


@rota.job("shop/mail", queue="mail")
def mail() -> None: ...
"""


@pytest.fixture
def busy(place: Path, database_url: str) -> Iterator[Shop]:
    """One report was made in this hour, and one more is asked for."""
    shop = open_shop(place, database_url, SOURCE)
    shop.app.prepare()
    shop.app.enqueue("shop/report")
    shop.work()
    shop.app.enqueue("shop/report")
    yield shop
    shop.app.close()


def test_the_note_of_a_list_names_the_rate(busy: Shop) -> None:
    lines = busy.rota("run", "ls").stdout.splitlines()

    assert lines[1].split()[:3] == ["2", "shop/report", "available"]
    assert lines[1].endswith("  rate 1/h")
    assert "rate" not in lines[2]
    assert "rate 1/h" in busy.rota("job", "show", "shop/report").stdout


def test_one_run_is_shown_as_held_by_it(busy: Shop) -> None:
    assert "held by  rate 1/h\n" in busy.rota("run", "show", "2").stdout


def test_the_counts_of_its_queue_call_it_held(busy: Shop) -> None:
    counts = {each["name"]: (each["waiting"], each["held"]) for each in busy.json("queue", "ls")["items"]}

    assert counts == {"mail": (0, 0), "reports": (0, 1)}
    assert "1 waiting" in busy.rota("status").stdout


def test_the_rate_of_a_queue_is_named_as_that(busy: Shop) -> None:
    busy.rota("queue", "limit", "mail", "--rate", "1/d")
    busy.app.enqueue("shop/mail")
    busy.app.enqueue("shop/mail")
    with busy.app.running():
        busy.rota("run", "wait", "3", "--timeout", "60s")

    assert "rate 1/d of its queue" in busy.rota("run", "ls", "--queue", "mail").stdout
