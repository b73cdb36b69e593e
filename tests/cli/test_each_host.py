"""`--each host`, and what the terminal tells of runs that are kept for hosts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from rota.engine.node import Node
from rota.model.node import NodeSettings
from tests.cli.conftest import Shop

EVERYWHERE = ("schedule", "add", "everywhere", "--job", "shop/sync", "--every", "1h", "--each", "host")


@pytest.fixture
def start(shop_anywhere: Shop) -> Iterator[Callable[[str], Node]]:
    """A node on a host that lives, and does nothing."""

    def start_(host: str) -> Node:
        node = shop_anywhere.app.node(NodeSettings(host=host, lease=1000, queues=("sync",)))
        node.identity.register()
        return node

    return start_


def test_a_schedule_takes_it_and_none_takes_it_back(shop: Shop) -> None:
    added = shop.json(*EVERYWHERE)
    assert added["policies"]["each"] == "host"
    assert "each host" in shop.rota("schedule", "show", "everywhere").stdout

    shop.rota("schedule", "edit", "everywhere", "--each", "none")
    assert shop.json("schedule", "show", "everywhere")["policies"]["each"] is None
    shop.rota("schedule", "edit", "everywhere", "--each", "host")
    assert shop.json("schedule", "show", "everywhere")["policies"]["each"] == "host"
    wrong = shop.rota("schedule", "edit", "everywhere", "--each", "rack")
    assert wrong.exit_code == 2
    assert "'host', 'none'" in wrong.stderr


def test_by_hand_there_is_a_run_for_each_living_host(shop_anywhere: Shop, start: Callable[[str], Node]) -> None:
    shop = shop_anywhere
    shop.rota(*EVERYWHERE)
    none = shop.rota("schedule", "run", "everywhere")
    assert none.exit_code == 5
    assert "a run for each living host, and none serves the queue sync" in none.stderr

    for host in ("web-1", "web-2"):
        start(host)
    asked = shop.rota("schedule", "run", "everywhere")
    ids = asked.stdout.split()
    assert len(ids) == 2
    assert "2 runs were asked for, one on each host; see them: rota run ls --schedule everywhere" in asked.stderr
    [first, second] = shop.json("schedule", "run", "everywhere")["items"]
    assert (first["host"], second["host"]) == ("web-1", "web-2")
    assert "run" not in shop.json("schedule", "run", "shop/sync")
    assert shop.json("schedule", "run", "shop/sync")["host"] is None

    listed = shop.rota("run", "ls", "--schedule", "everywhere").stdout
    assert "HOST" in listed
    assert "web-2" in listed
    shown = shop.rota("run", "show", ids[0]).stdout
    assert "host" in shown
    assert "web-1" in shown
    assert "now 2 hosts: web-1, web-2" in shop.rota("schedule", "why", "everywhere").stdout
    assert "2 hosts: 2 runs available" in shop.rota("schedule", "why", "everywhere").stdout
    fires = shop.json("schedule", "show", "everywhere")["fires"]
    assert fires[0]["runs"] == 2
    assert {item["host"] for item in shop.json("node", "ls")["items"]} == {"web-1", "web-2"}
    assert "HOST" in shop.rota("node", "ls").stdout


def test_a_run_whose_host_is_gone_says_what_to_do(shop_anywhere: Shop, start: Callable[[str], Node]) -> None:
    shop = shop_anywhere
    shop.rota(*EVERYWHERE)
    node = start("web-2")
    start("web-1")
    shop.rota("schedule", "run", "everywhere")
    with node.store.write() as tx:
        node.identity.stop(tx)
    run_id = next(item["id"] for item in shop.json("run", "ls")["items"] if item["host"] == "web-2")

    why = shop.rota("run", "why", str(run_id))
    assert "it is kept for host web-2, which has had no living node for it since" in why.stdout
    assert "rota up --queues sync" in why.stdout
    [fact, *_] = json.loads(shop.rota("run", "why", str(run_id), "--json").stdout)["facts"]
    assert (fact["kind"], fact["host"]) == ("host_gone", "web-2")
