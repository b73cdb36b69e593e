"""An environment that no job names, where jobs name some: told wherever somebody looks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.explain.checks import unnamed_environment
from rota.model.node import NewNode
from rota.store import nodes
from tests.cli.conftest import Shop, open_shop

SOURCE = """
from rota import Rota

rota = Rota({url!r})


@rota.job(environments={{"production", "staging"}})
def report() -> None: ...


@rota.job
def everywhere() -> None: ...
"""
SLIP = "nvironment 'prod' is named by no job; they name production, staging: did you mean production?"


@pytest.fixture
def shop(place: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("ROTA_ENVIRONMENT", "prod")
    shop = open_shop(place, database_url, SOURCE)
    shop.app.prepare()
    yield shop
    shop.app.close()


@pytest.mark.parametrize("command", ["status", "doctor", "config check"])
def test_it_is_told_with_what_was_meant(shop: Shop, command: str) -> None:
    told = shop.rota(*command.split()).stdout

    assert told.count(SLIP) == 1
    assert "ROTA_ENVIRONMENT" in told


def test_a_start_tells_it(shop: Shop) -> None:
    told = shop.rota("up", "--for", "0.1s").stderr

    assert told.count(SLIP) == 1


def test_it_keeps_no_application_from_a_start(shop: Shop) -> None:
    checked = shop.rota("config", "check", "--json")

    assert checked.exit_code == 0
    assert [each["kind"] for each in json.loads(checked.stdout)["warnings"]] == ["environment"]
    assert shop.rota("doctor", "--json").stdout.count('"verdict": "warn",\n      "name": "environment"') == 1


def test_the_environment_of_a_living_node_is_looked_at_from_anywhere(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROTA_ENVIRONMENT")
    store, now = shop.app.store, shop.app.store.now_us()
    alike = {"host": "h", "machine": "h", "pid": 1, "version": "0", "queues": "*", "release_id": "r", "threads": 4}
    new = [NewNode(id=name, environment=name, owner="default", **alike) for name in ("prod", "production")]  # type: ignore[arg-type]
    new.append(NewNode(id="other", environment="prud", owner="another application", **alike))  # type: ignore[arg-type]
    with store.write() as tx:
        for node in new:
            nodes.register(tx, node, now, now + 3_600_000_000)

    told = json.loads(shop.rota("status", "--store", shop.url, "--json", app=False).stdout)["reasons"]

    assert [each["environment"] for each in told if each["kind"] == "environment"] == ["prod"]


@pytest.mark.parametrize("environment", [None, "production", "development", "test", "staging"])
def test_one_that_is_named_or_well_known_is_no_slip(environment: str | None) -> None:
    assert unnamed_environment(environment, {"production"}) == []


def test_where_no_job_names_any_none_is_a_slip() -> None:
    assert unnamed_environment("prod", set()) == []


def test_one_that_is_like_none_is_told_without_a_guess() -> None:
    [found] = unnamed_environment("laptop", {"production"})

    assert found.text == "environment 'laptop' is named by no job; they name production"
