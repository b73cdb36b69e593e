"""The commands `db` and `doctor`."""

from __future__ import annotations

import json
import shlex
import sqlite3
from pathlib import Path

import psycopg
import pytest

from rota.explain.doctor import _connections, verdict_of
from rota.model.attempt import Claimant
from rota.model.node import DutyRecord
from rota.store import leases, nodes, runs
from tests.cli.conftest import Shop, open_shop
from tests.ledgers import newer_code


def findings(shop: Shop, *arguments: str) -> dict[str, str]:
    result = shop.rota(*arguments, "--json")
    return {item["name"]: item["verdict"] for item in json.loads(result.stdout)["items"]}


def test_init_makes_the_tables_once(place: Path, database_url: str) -> None:
    shop = open_shop(place, database_url)
    missing = shop.json("db", "migrate", "--dry-run")["missing"]

    assert shop.json("db", "init")["applied"] == missing
    assert "0001_initial" in missing
    assert shop.json("db", "init")["applied"] == []
    assert shop.rota("db", "migrate").stderr == "The tables are up to date.\n"
    assert shop.rota("db", "check").exit_code == 0


def test_vacuum_tells_what_it_gave_back(shop_anywhere: Shop) -> None:
    assert shop_anywhere.json("db", "vacuum")["after"] > 0


def test_a_healthy_installation_has_nothing_that_fails(shop_anywhere: Shop) -> None:
    with shop_anywhere.app.running():
        result = shop_anywhere.rota("doctor")

    assert result.exit_code == 0, result.output
    assert "fail" not in result.stdout
    for name in ("time zones", "extras", "database", "schema", "clock", "nodes", "versions", "duties", "leases"):
        assert name in result.stdout


def test_connections_are_compared_with_what_the_server_allows(place: Path, postgres_url: str) -> None:
    shop = open_shop(place, postgres_url)

    assert "connections" in findings(shop, "db", "check")
    assert [verdict_of(_connections(taken, 97)) for taken in (5, 90)] == ["ok", "warn"]
    assert "max_connections" in _connections(90, 97).todo


def test_what_is_wrong_says_what_to_do_and_ends_with_1(empty_shop: Shop) -> None:
    result = empty_shop.rota("doctor")

    assert result.exit_code == 1
    assert "→ Make it: rota db init" in result.stdout
    assert not (empty_shop.place / "rota.db").exists()


def test_an_older_schema_fails(shop_anywhere: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    newer_code(monkeypatch)

    assert findings(shop_anywhere, "db", "check")["schema"] == "fail"


def test_mixed_versions_warn(shop: Shop) -> None:
    node = shop.app.node()
    node.identity._version = "0.0.9"
    node.identity.register()

    assert findings(shop, "doctor")["versions"] == "warn"


def test_a_duty_that_stands_still_fails(shop: Shop) -> None:
    node = shop.app.node()
    node.identity.register()
    with shop.app.store.write() as tx:
        long_ago = shop.app.store.now_us() - 3_600_000_000
        duty = DutyRecord(
            node=node.identity.id,
            name="scheduler",
            ticked_at=long_ago,
            failed_at=None,
            error=None,
            patience=30_000_000,
        )
        nodes.save_duties(tx, node.identity.id, [duty])
    result = shop.rota("doctor")

    assert result.exit_code == 1
    assert "the scheduler of" in result.stdout


def test_leases_and_runs_that_were_left_behind_are_told(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    shop.app.enqueue("shop/breaks")
    with shop.app.store.write() as tx:
        runs.claim(tx, "default", "shop/breaks", Claimant("gone", 1), 1, shop.app.store.now_us())
        leases.acquire(tx, "lock:billing", "gone", now=1, expires_at=2)
    found = findings(shop, "doctor")

    assert (found["leases"], found["runs"]) == ("warn", "fail")


def test_a_database_that_is_away_is_a_finding(place: Path) -> None:
    shop = open_shop(place, "postgresql://me:hunter2@127.0.0.1:1/none?password=hunter3")
    result = shop.rota("doctor")

    assert result.exit_code == 1
    assert "cannot reach postgresql://me:***@127.0.0.1:1/none" in result.stdout
    assert "hunter" not in result.output


@pytest.mark.parametrize("command", [["doctor"], ["db", "check"]], ids=" ".join)
def test_who_looks_closer_is_not_sent_to_who_looks_closer(place: Path, command: list[str]) -> None:
    shop = open_shop(place, "postgresql://me@127.0.0.1:1/none")
    shown, elsewhere = shop.rota(*command).stdout, shop.rota("run", "ls").stderr

    assert "Is the server up, and are address, user and password right?" in shown
    assert "rota doctor" not in shown
    assert "`rota doctor` looks closer." in elsewhere


def test_a_file_that_somebody_else_writes_to_fails(shop: Shop) -> None:
    other = sqlite3.connect(shop.place / "rota.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    result = shop.rota("doctor")
    other.close()

    assert result.exit_code == 1
    assert "is locked by another process" in result.stdout
    assert findings(shop, "db", "check")["writing"] == "ok"


def test_a_table_that_somebody_else_locks_fails(place: Path, postgres_url: str) -> None:
    shop = open_shop(place, postgres_url)
    shop.app.prepare()
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE rota_run")
        result = shop.rota("doctor")
    shop.app.close()

    assert result.exit_code == 1
    assert "table rota_run is locked by the server's process" in result.stdout


def test_old_zone_data_warns(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.calendar.tzdata_version", lambda: "2019c")

    assert findings(shop, "doctor")["time zones"] == "warn"


@pytest.mark.parametrize("command", [["init"], ["migrate"], ["migrate", "--dry-run"]], ids=" ".join)
@pytest.mark.parametrize("folder", ["no where/at all", "nowhere/.rota"])
def test_no_directory_is_made_for_a_slip_in_the_path(place: Path, command: list[str], folder: str) -> None:
    result = empty(place).rota("db", *command, "--store", f"sqlite:///{place}/{folder}/x.db", app=False)

    missing = f"{place}/{folder}".removesuffix("/.rota")
    assert result.exit_code == 6
    assert result.stderr.splitlines() == [
        f"Error: there is no directory {missing}",
        f"Hint: Make it: mkdir -p {shlex.quote(missing)}",
    ]
    assert list(place.iterdir()) == [place / "empty.py"]


@pytest.mark.parametrize("url", ["sqlite:///.rota/rota.db", "sqlite:///here.db"])
def test_the_default_directory_is_made_with_its_database(place: Path, url: str) -> None:
    result = empty(place).rota("db", "init", "--store", url, app=False)

    assert result.exit_code == 0, result.output
    assert (place / url.removeprefix("sqlite:///")).is_file()


def empty(place: Path) -> Shop:
    (place / "empty.py").touch()
    return Shop(place, "empty", "unused")
