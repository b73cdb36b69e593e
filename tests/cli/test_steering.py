"""The commands for queues, nodes and dead letters."""

from __future__ import annotations

import json

from tests.cli.conftest import Shop


def test_a_queue_is_paused_with_a_reason_and_goes_on(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    paused = shop.json("queue", "pause", "sync", "--why", "provider down")

    assert paused["paused_why"] == "provider down"
    assert "provider down" in shop.rota("queue", "ls").stdout
    assert shop.rota("queue", "pause", "sync").exit_code == 5
    assert shop.json("queue", "resume", "sync")["paused_at"] is None


def test_a_limit_changes_what_is_given_and_leaves_the_rest(shop: Shop) -> None:
    shop.rota("queue", "limit", "sync", "--concurrency", "4", "--rate", "100/m")
    changed = shop.json("queue", "limit", "sync", "--rate", "none")

    assert (changed["concurrency"], changed["rate"]) == (4, None)
    assert shop.rota("queue", "limit", "sync").exit_code == 2
    assert shop.rota("queue", "limit", "sync", "--concurrency", "0").exit_code == 2
    assert shop.rota("queue", "limit", "sync", "--rate", "many").exit_code == 2


def test_a_misspelt_queue_is_answered_with_the_nearest(shop: Shop) -> None:
    for command in ("pause", "resume"):
        result = shop.rota("queue", command, "snyc")
        assert (result.exit_code, "Did you mean 'sync'?" in result.stderr) == (3, True)


def test_nodes_are_listed_and_drained_by_the_beginning_of_a_name(shop: Shop) -> None:
    node = shop.app.node()
    node.identity.register()
    [item] = shop.json("node", "ls")["items"]

    assert (item["id"], item["state"], item["queues"]) == (node.identity.id, "alive", ["*"])
    assert item["application"] == "default"
    assert shop.json("node", "drain", node.identity.id[:-3]) == {"id": node.identity.id, "state": "draining"}
    assert shop.rota("node", "drain", node.identity.id).exit_code == 5
    assert shop.rota("node", "drain", "nobody").exit_code == 3


def test_a_beginning_that_two_nodes_have_names_none(shop: Shop) -> None:
    nodes = [shop.app.node() for _ in range(2)]
    for node in nodes:
        node.identity.register()
    shared = nodes[0].identity.id.rpartition(":")[0]  # what differs is the last part

    result = shop.rota("node", "drain", shared)

    assert result.exit_code == 2
    assert f"2 nodes begin with {shared!r}" in result.stderr
    assert {item["state"] for item in shop.json("node", "ls")["items"]} == {"alive"}


def failed(shop: Shop, count: int) -> list[int]:
    ids = [shop.app.enqueue("shop/breaks").id for _ in range(count)]
    shop.work()
    return ids


def test_dead_letters_are_listed_retried_and_dismissed(shop: Shop) -> None:
    first, second, third = failed(shop, 3)

    assert [item["id"] for item in shop.json("dead", "ls")["items"]] == [third, second, first]
    assert shop.json("dead", "retry", str(first))["items"][0]["state"] == "available"
    assert shop.json("dead", "dismiss", str(second))["items"][0]["state"] == "cancelled"
    assert [item["id"] for item in shop.json("dead", "ls")["items"]] == [third]


def test_all_of_them_need_a_yes(shop: Shop) -> None:
    failed(shop, 2)
    refused = shop.rota("dead", "retry", "--all", "--job", "shop/breaks")
    done = shop.json("dead", "retry", "--all", "--job", "shop/breaks", "--yes")

    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: not done: retry 2 dead letters of shop/breaks?")
    assert len(done["items"]) == 2


def test_which_ones_must_be_said(shop: Shop) -> None:
    assert shop.rota("dead", "dismiss").exit_code == 2
    assert shop.rota("dead", "dismiss", "1", "--all", "--yes").exit_code == 2
    assert shop.rota("dead", "retry", "--all", "--job", "shop/braeks", "--yes").exit_code == 3


def test_none_at_all_is_no_error(shop: Shop) -> None:
    assert json.loads(shop.rota("dead", "retry", "--all", "--json").stdout) == {"items": [], "next": None}
    assert "Nothing has failed for good." in shop.rota("dead", "ls").stderr
