"""The clock that leases are written by is set: nobody is given up for it."""

from __future__ import annotations

import time

from rota import Rota
from rota.engine.node import Node
from rota.store import Store
from rota.store.nodes import alive
from rota.store.sqlite import SqliteDatabase


class SetDatabase(SqliteDatabase):
    """A database on a machine whose wall clock can be set."""

    ahead_us = 0

    def now_us(self) -> int:
        return time.time_ns() // 1000 + self.ahead_us


def test_a_clock_that_jumps_ahead_makes_no_node_give_up_itself_or_another(sqlite_url: str) -> None:
    rota = Rota(sqlite_url)
    database = SetDatabase(sqlite_url)
    rota.__dict__["store"] = Store(database)
    rota.prepare()
    nodes = [rota.node(), rota.node()]
    for node in nodes:
        node.identity.register()
        rescue(node)

    database.ahead_us = 3_600_000_000
    for node in nodes:
        rescue(node)

    with rota.store.read() as tx:
        assert {each.id for each in alive(tx)} == {node.identity.id for node in nodes}
    assert all(node.identity.beat(0) for node in nodes)


def rescue(node: Node) -> None:
    next(duty for duty in node.duties if duty.name == "rescuer").tick()
