"""Nothing that others wrote moves the cursor, changes colours, turns the reading round or forges a line."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from rota.cli.logs import ConsoleFormatter
from tests.cli.conftest import Shop, open_shop, working_in

EVIL = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnol\r\nError: forged\u2028line\x7f"
SOURCE = """
from rota import Retry, Rota, Run, every

rota = Rota({url!r})


@rota.job("say", retry=Retry(attempts=1), schedule=every("1h"))
def say(run: Run, text: str = "") -> None:
    run.log.info("user said %s", text)
    raise ValueError(text)
"""


@pytest.fixture
def evil(place: Path, ledger_url: str) -> Iterator[Shop]:
    with written_to(place, ledger_url) as shop:
        yield shop


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def evil_to_look_at(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One for all that change nothing."""
    place = tmp_path_factory.mktemp("evil")
    with ExitStack() as around:
        url = f"sqlite:///{place}/rota.db"
        if request.param == "postgres":
            url = around.enter_context(request.getfixturevalue("databases").lend())
        around.enter_context(working_in(place))
        yield around.enter_context(written_to(place, url))


@contextmanager
def written_to(place: Path, url: str) -> Iterator[Shop]:
    """A shop in whose ledger somebody wrote what he liked, wherever text is taken."""
    shop = open_shop(place, url, SOURCE)
    app = shop.app
    app.prepare()
    app.options(key=EVIL, by=EVIL).enqueue("say", text=EVIL)
    app.options(queue=EVIL, delay=3600).enqueue("say", text=EVIL)
    shop.work()
    app.schedules.add(EVIL, "say", app.declared_schedules["say"].trigger, by=EVIL, arguments={"text": EVIL})
    app.schedules.pause(EVIL, by=EVIL, why=EVIL)
    app.queues.pause("default", EVIL, EVIL)
    app.enqueue("say", text=EVIL)
    yield shop
    app.close()


def check(*texts: str) -> None:
    for text in texts:
        odd = {char for char in text if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"}} - {"\n"}
        assert odd == set(), text
        assert not [line for line in text.split("\n") if line.startswith("Error: forged")]


@pytest.mark.parametrize(
    "command",
    [
        "run ls",
        "run show 1",
        "run show 2",
        "run logs 1",
        "run why 1",
        "run why 2",
        "run why 3",
        "run wait 1",
        "dead ls",
        "queue ls",
        "status",
        "doctor",
        "schedule ls",
        "schedule show EVIL",
        "schedule why EVIL",
        "schedule next EVIL",
        "job ls",
        "job show say",
        "job show EVIL",
        "run ls --queue EVIL",
        "run ls --job EVIL",
        "run ls --limit EVIL",
        "run ls EVIL",
        "run ls --EVIL",
        "run EVIL",
        "EVIL",
        "schedule why say --at EVIL",
        "run ls --store sqlite:////tmp/EVIL",
        "--app EVIL run ls",
        "--debug run ls --queue EVIL",
        "cron explain EVIL",
    ],
)
def test_what_a_command_shows_is_visible(evil_to_look_at: Shop, command: str) -> None:
    check_what_is_shown(evil_to_look_at, command)


@pytest.mark.parametrize(
    "command",
    [
        "run cancel 3",
        "queue pause default --why EVIL",
        "schedule rm EVIL",
        "schedule resume EVIL",
        "node drain EVIL",
    ],
)
def test_what_a_command_shows_of_its_change_is_visible(evil: Shop, command: str) -> None:
    check_what_is_shown(evil, command)


def check_what_is_shown(shop: Shop, command: str) -> None:
    words = [word.replace("EVIL", EVIL) for word in command.split()]

    result = shop.rota(*words)

    check(result.stdout, result.stderr)


def test_json_is_exact_and_harmless(evil_to_look_at: Shop) -> None:
    result = evil_to_look_at.rota("run", "show", "1", "--json")

    check(result.stdout)
    assert json.loads(result.stdout)["arguments"] == {"text": EVIL}


def test_the_console_shows_a_line_a_record_and_no_forged_one() -> None:
    error = ValueError(EVIL)
    told = (type(error), error, None)
    record = logging.LogRecord("app", logging.WARNING, "", 0, "user said %s", (EVIL,), told)

    text = ConsoleFormatter().format(record)

    check(text)
    first, *rest = text.split("\n")
    assert r"\x1b[31mred" in first
    assert all(line.startswith("  ") for line in rest)
