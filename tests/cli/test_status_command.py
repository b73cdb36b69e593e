from __future__ import annotations

import json
import signal
import subprocess
import sys

from tests.cli.conftest import Shop


def test_without_a_node_it_is_down_and_ends_with_2(shop_anywhere: Shop) -> None:
    result = shop_anywhere.rota("status")

    assert result.exit_code == 2
    assert result.stdout.startswith("DOWN  0 nodes, 2 schedules")
    assert "! No node is alive, so nothing runs.\n  → Start one: rota up\n" in result.stdout


def test_with_a_node_it_is_healthy_and_ends_with_0(shop: Shop) -> None:
    with shop.app.running():
        result = shop.rota("status")

    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("HEALTHY  1 node")


def test_a_degradation_ends_with_1_and_what_is_paused_is_listed(shop: Shop) -> None:
    shop.app.queues.pause("sync", "cli:anna", "provider down")
    with shop.app.store.database.exclusive() as tx:
        tx.script("UPDATE rota_schedule SET next_due_at = 1;")
    node = shop.app.node()
    node.identity.register()
    result = shop.rota("status")

    assert result.exit_code == 1
    assert "overdue: shop/sync" in result.stdout
    assert "- queue sync was paused" in result.stdout


def test_a_count_that_stops_says_so(shop: Shop) -> None:
    shop.app.handles["shop/sync"].enqueue_many([{}] * 10_001)

    told, listed = shop.rota("status").stdout, shop.rota("queue", "ls").stdout

    assert ", 10,001 or more waiting" in told  # one of them is in no line, and that count is exact
    assert "10,000 or more" in listed


def test_programs_get_the_reasons(shop: Shop) -> None:
    result = shop.rota("status", "--json")

    assert result.exit_code == 2
    document = json.loads(result.stdout)
    assert document["health"] == "down"
    assert document["reasons"][0]["health"] == "down"
    assert document["dead"] == 0


def test_watching_goes_on_until_ctrl_c(shop: Shop) -> None:
    command = [sys.executable, "-m", "rota", "--app", f"{shop.module}:rota", "status", "--watch"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=shop.place, text=True
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith("DOWN")
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=60)

    assert watching.returncode == 130
    assert said.endswith("Interrupted.\n")


def test_the_queues_of_a_node_are_a_list_for_programs_and_its_application_is_named(shop: Shop) -> None:
    with shop.app.running():
        [node] = shop.json("status")["nodes"]

    assert node["application"] == "default"
    assert node["queues"] == ["*"]
