"""The command `db adopt`, and how a copy looks at a terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rota import Rota
from rota.store import events
from tests.cli.conftest import Shop, open_shop
from tests.copies import backup


@pytest.fixture
def copied(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A copy of a ledger of production in which a run waits."""
    original = Rota(shop.url, environment="production")
    with original.running():
        pass
    original.close()
    shop.app.enqueue("shop/breaks")
    backup(shop.place / "rota.db", shop.place / "copy.db")
    copy = open_shop(shop.place, f"sqlite:///{shop.place}/copy.db")
    yield copy
    copy.app.close()


def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.cli.db.is_terminal", lambda stream: True)


def test_at_a_terminal_it_is_asked_what_becomes_of_the_past(copied: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch)
    result = copied.rota("db", "adopt", typed="staging\n\n\n")

    assert result.exit_code == 0, result.output
    assert "This ledger was copied from" in result.stderr
    assert "Due moments that passed (fire, skip) [skip]" in result.stderr
    assert "(keep, cancel) [cancel]" in result.stderr
    assert ", of the environment staging, in " in result.stderr
    assert "1 run cancelled" in result.stderr
    with copied.app.store.read() as tx:
        [event] = [each for each in events.of_subject(tx, "ledger") if each.kind == "ledger.adopted"]
    assert str(event.actor).startswith("cli")


def test_what_is_given_is_not_asked_for(copied: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch)
    given = ["--environment", "staging", "--missed", "fire", "--waiting", "keep"]

    assert copied.json("db", "adopt", *given)["to"]["environment"] == "staging"
    assert [run.state for run in copied.app.runs.page()] == ["available"]


def test_elsewhere_it_says_what_to_give(copied: Shop) -> None:
    result = copied.rota("db", "adopt", "--environment", "staging")

    assert result.exit_code == 2
    assert "--missed fire or skip, and --waiting keep or cancel" in result.stderr


def test_who_leaves_at_the_question_changes_nothing(copied: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch)

    assert copied.rota("db", "adopt", typed="staging\n").exit_code == 130
    assert not copied.app.passport().fits


def test_doctor_and_check_tell_who_the_ledger_is(copied: Shop, shop: Shop) -> None:
    fits, wrong = shop.rota("db", "check").stdout, copied.rota("doctor")

    assert "of the environment production, in " in fits
    assert "fail  passport" in wrong.stdout
    assert "→ To work with it: rota db adopt --environment NAME" in wrong.stdout


def test_who_only_looks_from_another_environment_finds_a_healthy_ledger(shop: Shop) -> None:
    with Rota(shop.url, environment="production").running():
        found = shop.json("status")

    assert found["health"] == "healthy", found["reasons"]
    assert found["passport"]["fits"]


def test_a_ledger_is_given_its_environment(shop: Shop) -> None:
    with shop.app.running():
        pass

    assert shop.rota("db", "adopt", "--environment", "production").exit_code == 0
    assert shop.app.passport().environment == "production"
    assert "Nothing was to do" in shop.rota("db", "adopt", "--environment", "production").stderr
