"""What `rota status` and `rota node ls` tell of the slots of a node."""

from __future__ import annotations

import json

import pytest

from rota.model.node import NewNode, Slots
from rota.store import nodes
from tests.cli.conftest import Shop

LONG_US = 3_600_000_000


@pytest.fixture
def with_slots(shop_anywhere: Shop) -> Shop:
    """One node with three slots, of which one is busy, and one that has none."""
    store = shop_anywhere.app.store
    now = store.now_us()
    alike = {
        "host": "h",
        "machine": "h",
        "pid": 1,
        "version": "0",
        "queues": "*",
        "owner": "o",
        "release_id": "r",
        "threads": 4,
    }
    beat = {"now": now, "lease_until": now + LONG_US, "rss": None}
    with store.write() as tx:
        for name, number, busy in [("with", 3, 1), ("without", 0, 0)]:
            nodes.register(tx, NewNode(id=name, slots=number, **alike), now, now + LONG_US)  # type: ignore[arg-type]
            nodes.beat(tx, name, running=1, slots=Slots(number, busy), **beat)
    return shop_anywhere


@pytest.mark.parametrize("command", [("status",), ("node", "ls")])
def test_slots_are_told_with_how_many_are_busy(with_slots: Shop, command: tuple[str, ...]) -> None:
    told = with_slots.rota(*command).stdout
    rows = [line for line in told.splitlines() if line.startswith(("NODE", "with"))]

    assert "  SLOTS        " in rows[0]
    assert [("1 of 3 busy" in row) for row in rows[1:]] == [row.startswith("with ") for row in rows[1:]]


def test_programs_are_told_both_counts(with_slots: Shop) -> None:
    told = json.loads(with_slots.rota("status", "--json").stdout)["nodes"]

    assert {each["id"]: (each["slots"], each["slots_busy"]) for each in told} == {"with": (3, 1), "without": (0, 0)}
    assert {each["id"]: each["slots"] for each in with_slots.json("node", "ls")["items"]} == {"with": 3, "without": 0}
