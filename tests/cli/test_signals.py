"""Runs that wait for a person, seen and answered from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from shutil import copyfile

import pytest

from tests.cli.conftest import SOURCE, Shop, open_shop

ASKS = """

@rota.job("shop/clean", retry=1)
def clean(run: Run, signal: str = "approval") -> dict:
    rows = run.step("count", lambda: 12_000)
    answer = run.wait_for(signal, "2d", about=f"deletes {{rows:,}} rows")
    return dict(approved=answer.approved, data=answer.data, by=answer.by, why=answer.why)
"""


@pytest.fixture
def waits(place: Path, migrated_file: Path) -> Iterator[Shop]:
    """Its job asks before it cleans."""
    copyfile(migrated_file, place / "rota.db")
    shop = open_shop(place, f"sqlite:///{place}/rota.db", SOURCE + ASKS)
    shop.app.prepare()
    yield shop
    shop.app.close()


def asked(shop: Shop, **arguments: str) -> int:
    """A run that waits."""
    handle = shop.app.enqueue("shop/clean", **arguments)
    with shop.app.running():
        while handle.state != "waiting":
            assert not handle.state.ended, handle.record().error
    return handle.id


def test_what_waits_is_listed_shown_and_told(waits: Shop) -> None:
    run_id = asked(waits)

    [item] = waits.json("run", "ls", "--state", "waiting")["items"]
    assert (item["id"], item["state"]) == (run_id, "waiting")
    assert item["waits"] == {"for": "approval", "until": item["waits"]["until"], "about": "deletes 12,000 rows"}
    assert item["waits"]["until"].endswith("Z")
    assert "waits for approval: deletes 12,000 rows" in waits.rota("run", "ls").stdout
    shown = waits.rota("run", "show", str(run_id)).stdout
    assert "deletes 12,000 rows" in shown
    assert "STEP" in shown
    assert "waiting" in shown
    status = waits.rota("status").stdout
    assert "1 run waits for a signal of a person or a program" in status
    assert "rota run ls --state waiting" in status
    document = json.loads(waits.rota("status", "--json").stdout)
    assert document["signals_awaited"] == 1
    why = waits.rota("run", "why", str(run_id)).stdout
    assert "waits: the signal approval has not come; it waits since" in why
    assert f"rota run approve {run_id} --why" in why
    fact = waits.json("run", "why", str(run_id))["facts"][0]
    assert (fact["kind"], fact["signal"], fact["about"]) == ("signal_awaited", "approval", "deletes 12,000 rows")
    assert fact["since"].endswith("Z")


@pytest.mark.parametrize(("say", "approved"), [("approve", True), ("refuse", False)])
def test_a_person_answers_and_it_is_on_record(waits: Shop, say: str, approved: bool) -> None:
    run_id = asked(waits)
    answered = waits.rota("run", say, str(run_id), "--why", "looked at it")
    assert (answered.exit_code, answered.stderr) == (0, "")
    assert "available" in answered.stdout
    waits.work()

    document = waits.json("run", "show", str(run_id))
    by = document["signals"][0]["by"]
    assert by.startswith("cli:")
    assert document["result"] == {"approved": approved, "data": {"approved": approved}, "by": by, "why": "looked at it"}
    assert [(each["name"], each["why"], each["timed_out"]) for each in document["signals"]] == [
        ("approval", "looked at it", False)
    ]
    assert [(each["name"], each["result"], each["attempt"]) for each in document["steps"]] == [("count", 12_000, 1)]
    [event] = [each for each in document["events"] if each["kind"] == "run.signalled"]
    assert (event["actor"], event["data"]["why"]) == (by, "looked at it")
    why = waits.rota("run", "why", str(run_id)).stdout
    assert f"it was {'approved' if approved else 'refused'}" in why
    assert f"by {by}: looked at it" in why


def test_several_are_answered_at_once_and_each_is_told(waits: Shop) -> None:
    first, second = asked(waits), asked(waits)
    waits.rota("run", "approve", str(first))
    result = waits.rota("run", "approve", str(first), str(second), "4711")

    assert result.exit_code == 5
    assert "has its signal 'approval' already, from cli:" in result.stdout
    assert "there is no run 4711" in result.stdout
    waits.work()
    assert waits.app.runs.get(second).state == "succeeded"


def test_any_signal_with_data_that_is_json_or_text(waits: Shop) -> None:
    payment, note = asked(waits, signal="payment"), asked(waits, signal="note")
    assert waits.rota("run", "signal", str(payment), "payment", "--data", '{"amount": 20}').exit_code == 0
    assert waits.rota("run", "signal", str(note), "note", "--data", "hello there").exit_code == 0
    waits.work()

    results = [waits.json("run", "show", str(run_id))["result"]["data"] for run_id in (payment, note)]
    assert results == [{"amount": 20}, "hello there"]


def test_a_name_that_is_not_waited_for_is_kept_and_that_is_said(waits: Shop) -> None:
    run_id = asked(waits, signal="approval:2")
    early = waits.rota("run", "approve", str(run_id), "--signal", "approval")
    assert early.exit_code == 0
    assert f"Run {run_id} does not wait for the signal approval now, but for approval:2" in early.stderr
    assert f"rota run approve {run_id} --why" in waits.rota("run", "why", str(run_id)).stdout

    waits.rota("run", "approve", str(run_id))
    waits.work()
    assert waits.app.runs.get(run_id).state == "succeeded"


def test_one_that_is_over_or_was_never_made_says_so_by_its_exit_code(waits: Shop) -> None:
    run_id = asked(waits)
    waits.rota("run", "cancel", str(run_id))

    over, never = waits.rota("run", "approve", str(run_id)), waits.rota("run", "signal", "4711", "x")
    assert (over.exit_code, never.exit_code) == (5, 3)
    assert f"run {run_id} is cancelled already" in over.stderr
    assert "rota run ls" in never.stderr


def test_secrets_that_a_signal_carries_are_masked(waits: Shop) -> None:
    run_id = asked(waits)
    waits.rota("run", "signal", str(run_id), "approval", "--data", '{"token": "s3cret"}')
    shown = waits.rota("run", "show", str(run_id), "--json").stdout

    assert "s3cret" not in json.dumps([json.loads(shown)["signals"], json.loads(shown)["events"]])


def test_sent_back_it_goes_on_or_begins_afresh(waits: Shop) -> None:
    run_id = asked(waits)
    waits.rota("run", "cancel", str(run_id))
    waits.rota("run", "retry", str(run_id))
    assert len(waits.json("run", "show", str(run_id))["steps"]) == 1

    waits.rota("run", "cancel", str(run_id))
    assert waits.rota("run", "retry", str(run_id), "--afresh").exit_code == 0
    assert waits.json("run", "show", str(run_id))["steps"] == []
