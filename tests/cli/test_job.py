from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from rota.model.attempt import Claimant
from rota.store import runs
from tests.cli.conftest import Shop, open_shop


def test_the_list_has_every_job_with_its_next_moment(shop: Shop) -> None:
    items = {item["name"]: item for item in shop.json("job", "ls")["items"]}

    assert items.keys() == {"shop/sync", "shop/breaks", "shop/elsewhere"}
    assert items["shop/sync"]["queue"] == "sync"
    assert items["shop/sync"]["description"] == "Fetch what is new."
    assert items["shop/sync"]["next_due_at"] is not None
    assert items["shop/breaks"]["next_due_at"] is None


def test_show_tells_policies_schedules_figures_and_runs(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    shop.app.enqueue("shop/sync")
    shop.work()
    document = shop.json("job", "show", "shop/sync")

    assert document["policies"]["attempts"] == 3
    assert len(document["schedules"][0]["next_fires"]) == 3
    assert document["day"]["succeeded"] == 1
    assert document["day"]["success"] == 1.0
    assert document["runs"][0]["state"] == "succeeded"
    assert "Europe/Paris" in shop.rota("job", "show", "shop/sync").stdout


def test_show_tells_how_often_it_is_tried_and_how_long_it_may_take_as_people_do(place: Path) -> None:
    source = """
from rota import Retry, Rota

rota = Rota({url!r})


@rota.job(retry=Retry(delays=[60, 5400]), timeout=90)
def given() -> None: ...


@rota.job(retry=4)
def doubled() -> None: ...
"""
    shop = open_shop(place, f"sqlite:///{place}/rota.db", source)
    shop.app.prepare()
    shop.app.enqueue("given")
    with shop.app.running():
        shop.rota("run", "wait", "1", "--timeout", "60s")

    shown = shop.rota("job", "show", "given").stdout.partition("\n\n")[0]
    lines = dict(re.split(r"  +", line, maxsplit=1) for line in shown.splitlines())
    assert (lines["retry"], lines["timeout"]) == ("after 1m, 1h30m", "1m30s")
    assert lines["last day"].startswith("1 run, 100.0% succeeded")
    assert "after 5s, 10s, 20s (each up to 20% more or less)" in shop.rota("job", "show", "doubled").stdout
    assert shop.json("job", "show", "given")["policies"]["retry"] == {"waits": [60.0, 5400.0], "jitter": 0.0}
    shop.app.close()


def test_run_prints_the_id_alone_on_stdout(shop: Shop) -> None:
    result = shop.rota("job", "run", "shop/sync", "--arg", "days=3", "--arg", "name=anna")
    record = shop.app.runs.get(int(result.stdout))

    assert json.loads(record.arguments) == {"days": 3, "name": "anna"}
    assert record.asked_by is not None
    assert record.asked_by.startswith("cli")


def test_arguments_come_from_a_document_a_file_or_standard_input(shop: Shop) -> None:
    (shop.place / "arguments.json").write_text('{"days": 5}')

    def arguments(*options: str, typed: str | None = None) -> object:
        result = shop.rota("job", "run", "shop/sync", "--json", *options, typed=typed)
        return json.loads(result.stdout)["arguments"]

    assert arguments("--json-args", '{"days": 4}') == {"days": 4}
    assert arguments("--json-args", "@arguments.json", "--arg", 'name="7"') == {"days": 5, "name": "7"}
    assert arguments("--json-args", "@-", typed='{"days": 6}') == {"days": 6}


def test_a_document_that_is_no_object_is_refused(shop: Shop) -> None:
    for given in ("[1]", "{", "@nowhere.json"):
        result = shop.rota("job", "run", "shop/sync", "--json-args", given)
        assert result.exit_code == 2
        assert "--json-args" in result.stderr


def test_waiting_for_the_end_tells_it_by_the_exit_code(shop: Shop) -> None:
    with shop.app.running():
        good = shop.rota("job", "run", "shop/sync", "--wait", "--timeout", "60s", "--json")
        bad = shop.rota("job", "run", "shop/breaks", "--wait", "--timeout", "60s")

    assert (good.exit_code, json.loads(good.stdout)["result"]["days"]) == (0, 1)
    assert bad.exit_code == 1


def test_waiting_without_a_node_says_so_and_times_out(shop: Shop) -> None:
    result = shop.rota("job", "run", "shop/sync", "--wait", "--timeout", "20ms")

    assert result.exit_code == 124
    assert "No node is alive" in result.stderr


def test_a_dry_run_is_one(shop: Shop) -> None:
    with shop.app.running():
        result = shop.rota("job", "run", "shop/sync", "--dry-run", "--wait", "--timeout", "60s", "--json")

    assert json.loads(result.stdout)["result"]["dry"] is True


def test_the_options_of_a_call_may_be_given_at_a_terminal(shop: Shop) -> None:
    given = ("--key", "k", "--delay", "1h", "--queue", "slow", "--priority", "-3")
    first = shop.rota("job", "run", "shop/sync", *given)
    second = shop.rota("job", "run", "shop/sync", "--key", "k")

    record = shop.app.runs.get(int(first.stdout))
    assert (record.state, record.queue, record.priority) == ("scheduled", "slow", -3)
    assert second.stdout == first.stdout
    assert f"Run {record.id} with this key was there already" in second.stderr
    assert shop.rota("job", "run", "shop/sync", "--priority", "10000000").exit_code == 2


def test_show_tells_what_runs_are_counted_by(place: Path) -> None:
    source = """
from rota import Rota

rota = Rota({url!r})


def by_city(city):
    return city


@rota.job(concurrency_key=by_city, rate="100/m", environments=["production"])
def given(city: str) -> None: ...
"""
    shop = open_shop(place, f"sqlite:///{place}/rota.db", source)
    shop.app.prepare()

    policies = shop.json("job", "show", "given")["policies"]

    assert (policies["concurrency_key"], policies["rate"]) == ("by_city(city)", "100/m")
    assert policies["environments"] == ["production"]
    shop.app.close()


def test_a_job_that_is_off_here_needs_force(shop: Shop) -> None:
    object.__setattr__(shop.app.settings, "environment", "laptop")
    refused = shop.rota("job", "run", "shop/elsewhere")

    assert refused.exit_code == 5
    assert "--force" in refused.stderr
    assert shop.rota("job", "run", "shop/elsewhere", "--force").exit_code == 0


def test_ctrl_c_while_waiting_leaves_the_run_alone_and_says_so(shop: Shop) -> None:
    command = [sys.executable, "-m", "rota", "--app", f"{shop.module}:rota", "job", "run", "shop/sync", "--wait"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=shop.place, text=True
    ) as waiting:
        assert waiting.stderr is not None
        assert waiting.stderr.readline().startswith("No node is alive")
        [record] = shop.app.runs.page()
        waiting.send_signal(signal.SIGINT)
        _, said = waiting.communicate(timeout=60)

    # Python ends itself by the signal where that came while a module was being made; to the shell both are 130
    assert waiting.returncode in {130, -signal.SIGINT}
    assert said.startswith(f"Run {record.id} goes on; stop it with: rota run cancel {record.id}")
    assert shop.app.runs.get(record.id).state == "available"


def test_a_limit_for_each_key_is_told(place: Path) -> None:
    source = """
from rota import Rota

rota = Rota({url!r})


@rota.job(concurrency=3, concurrency_key=lambda shop: shop)
def three(shop: str) -> None: ...


@rota.job(concurrency_key=lambda shop: shop)
def one(shop: str) -> None: ...
"""
    shop = open_shop(place, f"sqlite:///{place}/rota.db", source)
    shop.app.prepare()

    assert "concurrency  3 for each key" in shop.rota("job", "show", "three").stdout
    assert "concurrency  1 for each key" in shop.rota("job", "show", "one").stdout
    policies = shop.json("job", "show", "three")["policies"]
    assert (policies["concurrency"], policies["concurrency_key"]) == (3, "<lambda>(shop)")
    shop.app.close()


def test_json_may_be_asked_for_before_the_command(shop: Shop) -> None:
    for command in (("run", "ls"), ("job", "ls"), ("job", "show", "shop/sync")):
        before, after = shop.rota("--json", *command), shop.rota(*command, "--json")
        assert json.loads(before.stdout).keys() == json.loads(after.stdout).keys(), command


def test_a_run_that_runs_again_shows_no_error_of_the_time_before(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    handle = shop.app.enqueue("shop/breaks")
    shop.work()
    shop.app.runs.retry(handle.id, by="anna")
    with shop.app.store.write() as tx:
        runs.claim(tx, "default", "shop/breaks", Claimant("somebody", 1), 1, shop.app.store.now_us())
    with shop.app.store.database.exclusive() as tx:
        tx.script(f"UPDATE rota_run SET error = 'of the attempt before' WHERE id = {handle.id};")

    assert shop.app.runs.get(handle.id).state == "running"
    assert "of the attempt before" not in shop.rota("run", "ls").stdout
    assert "of the attempt before" not in shop.rota("run", "show", str(handle.id)).stdout
