"""What tells a database from a copy of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rota.model.home import FileHome, ServerHome, home_from_json, home_to_json

FILE = FileHome(place="/srv/shop.db on web-1", number=12, born=1_000, volume=5, host="web-1", path="/srv/shop.db")
UNBORN = replace(FILE, born=None)
SERVER = ServerHome(place="shop on db1:5432", system=7_000, database=16_384, table=16_401)


@pytest.mark.parametrize("home", [FILE, UNBORN, SERVER])
def test_it_comes_back_from_its_json(home: FileHome | ServerHome) -> None:
    assert home_from_json(home_to_json(home)) == home
    assert home.is_same(home)


@pytest.mark.parametrize(
    ("home", "other", "same"),
    [
        pytest.param(FILE, replace(FILE, number=13), False, id="cp, restored by mv, moved to another file system"),
        pytest.param(FILE, replace(FILE, born=1_001), False, id="cp took the number of a file that was deleted"),
        pytest.param(FILE, replace(FILE, path="/data/x.db", place="/data/x.db on web-1"), True, id="mv"),
        pytest.param(FILE, replace(FILE, host="f00", volume=9, path="/app/x.db"), True, id="another container, mount"),
        pytest.param(UNBORN, replace(UNBORN, volume=9), True, id="the device has another number after a reboot"),
        pytest.param(UNBORN, replace(UNBORN, host="f00", path="/app/x.db"), True, id="another container, same volume"),
        pytest.param(UNBORN, replace(UNBORN, host="f00", volume=9), False, id="the first file of another volume"),
        pytest.param(FILE, replace(UNBORN, volume=5), True, id="one of them does not know when it was born"),
        pytest.param(SERVER, replace(SERVER, place="shop on db2:5432"), True, id="failover"),
        pytest.param(SERVER, replace(SERVER, database=16_500), False, id="CREATE DATABASE … TEMPLATE"),
        pytest.param(SERVER, replace(SERVER, table=16_900), False, id="pg_restore --clean"),
        pytest.param(SERVER, replace(SERVER, system=8_000), False, id="pg_upgrade, or another server by one script"),
        pytest.param(SERVER, replace(SERVER, system=None), True, id="a user of fewer rights"),
        pytest.param(SERVER, FILE, False, id="from one kind to the other"),
    ],
)
def test_what_is_the_same_database_and_what_is_a_copy(
    home: FileHome | ServerHome, other: FileHome | ServerHome, same: bool
) -> None:
    assert home.is_same(other) is same
    assert other.is_same(home) is same
