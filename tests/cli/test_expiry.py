"""`--start-within`, and what the terminal tells of a run that expired."""

from __future__ import annotations

import json
import time

from rota import every
from rota.store import runs
from tests.cli.conftest import Shop


def expired(shop: Shop) -> str:
    """The id of a run that had not begun in time."""
    run_id = shop.rota("job", "run", "shop/sync", "--start-within", "1ms").stdout.strip()
    time.sleep(0.01)
    store = shop.app.store
    with store.write() as tx:
        assert runs.expire(tx, store.now_us(), 10)
    return run_id


def test_a_run_by_hand_says_until_when_it_must_begin(shop: Shop) -> None:
    run_id = shop.rota("job", "run", "shop/sync", "--start-within", "2h").stdout.strip()

    assert "begin by" in shop.rota("run", "show", run_id).stdout
    assert "it must begin by" in shop.rota("run", "why", run_id).stdout
    wrong = shop.rota("job", "run", "shop/sync", "--start-within", "0s")
    assert wrong.exit_code == 2


def test_an_expired_run_is_told_everywhere_and_may_be_sent_back(shop: Shop) -> None:
    run_id = expired(shop)

    listed = shop.rota("run", "ls", "--state", "expired").stdout
    assert "expired" in listed
    assert "it had not begun in time" in listed
    waited = shop.rota("run", "wait", run_id)
    assert waited.exit_code == 1
    assert "expired" in waited.stdout
    assert f"Run {run_id} of shop/sync expired: it had not begun within 1ms" in shop.rota("run", "why", run_id).stdout
    assert "begin by" in shop.rota("run", "show", run_id).stdout

    shop.rota("run", "retry", run_id)
    again = json.loads(shop.rota("run", "show", run_id, "--json").stdout)
    assert (again["state"], again["expires_at"]) == ("available", None)


def test_a_schedule_takes_it_and_none_takes_it_back(shop: Shop) -> None:
    def policy() -> object:
        return json.loads(shop.rota("schedule", "show", "late", "--json").stdout)["policies"]["start_within"]

    shop.app.prepare()
    shop.app.schedules.add("late", "shop/sync", every("1h"), start_within="5m")
    assert policy() == 300
    shop.rota("schedule", "edit", "late", "--start-within", "2h")
    assert policy() == 7200
    shop.rota("schedule", "edit", "late", "--start-within", "none")
    assert policy() is None
