"""What every executor promises: the same body leaves the same rows. And what only a process of its own can promise."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rota.model.attempt import End, Ended, Envelope
from rota.model.node import NodeSettings
from rota.model.process import process_exists
from rota.model.run import RunRecord
from rota.testing import make_envelope
from tests.engine.helpers import until
from tests.executors.bodies import rota

FEW = NodeSettings(threads=4, slots=2, poll=0.05, drain=1.0)
KINDS = pytest.mark.parametrize("kind", ["thread", "process"])


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A node at work for all of these tests, so that its children are warm; what bodies note lands in a file."""
    folder = tmp_path_factory.mktemp("contract")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROTA_DATABASE", f"sqlite:///{folder}/rota.db?synchronous=normal")
        patch.setenv("NOTES", str(folder / "notes"))
        (folder / "notes").touch()
        with rota.running(FEW):
            yield folder / "notes"
        rota.close()
        rota.__dict__.pop("store", None)


pytestmark = pytest.mark.usefixtures("notes")


def run(job: str, **arguments: Any) -> RunRecord:
    return rota.enqueue(job, **arguments).wait(60)


def ends(record: RunRecord) -> list[tuple[int, str]]:
    return [(each.number, each.outcome) for each in rota.runs.attempts(record.id)]


def pids(notes: Path) -> list[int]:
    return [int(line.split()[1]) for line in notes.read_text().splitlines() if line.startswith("pid ")]


@KINDS
@pytest.mark.parametrize("value", [None, 7, {"a": [1, None, "é🦆"]}, "x" * 1_000])
def test_a_result_is_kept(kind: str, value: Any) -> None:
    record = run(f"{kind}/returns", value=value)

    assert (record.state, json.loads(record.result or "null")) == ("succeeded", value)


@KINDS
def test_outcomes_that_a_body_returns_are_obeyed(kind: str) -> None:
    failed, cancelled, reported = (run(f"{kind}/outcome", kind=each) for each in ("fails", "gives up", "reports"))

    assert (failed.state, failed.error) == ("failed", "no")
    assert (cancelled.state, cancelled.error) == ("cancelled", "enough")
    assert (reported.state, reported.error) == ("failed", "all of them")


@KINDS
def test_a_failure_keeps_its_traceback_and_is_tried_again(kind: str) -> None:
    record = run(f"{kind}/flaky")

    assert (record.state, record.result, record.failures) == ("succeeded", '"well"', 1)
    assert ends(record) == [(1, "failed"), (2, "succeeded")]
    first = rota.runs.attempts(record.id)[0]
    assert first.error == "ValueError: broken"
    assert "in flaky" in (first.traceback or "")


@KINDS
def test_a_body_may_snooze_and_may_be_awaited(kind: str) -> None:
    snoozed, awaited = run(f"{kind}/snoozes"), run(f"{kind}/awaited")

    assert (snoozed.result, ends(snoozed)) == ('"awake"', [(1, "snoozed"), (2, "succeeded")])
    assert awaited.result == "7"


@KINDS
def test_a_body_waits_for_a_signal_and_does_its_steps_once(kind: str, notes: Path) -> None:
    handle = rota.enqueue(f"{kind}/parks")
    until(lambda: handle.state == "waiting")
    assert handle.record().waits_about == f"run {handle.id}"
    rota.runs.approve(handle.id, "anna", "looked at it")

    assert json.loads(handle.wait(60).result or "") == [None, True, "anna", "looked at it", 2]
    assert ends(handle.record()) == [(1, "waiting"), (2, "succeeded")]
    assert notes.read_text().splitlines().count(f"charged {handle.id}") == 1


@KINDS
def test_an_async_body_goes_on_when_its_time_is_up(kind: str, notes: Path) -> None:
    record = run(f"{kind}/parks_async")

    assert json.loads(record.result or "") == ["c-1", True, 2]
    assert notes.read_text().splitlines().count(f"charged {record.id}") == 1


@KINDS
def test_a_result_that_cannot_be_kept_says_so(kind: str) -> None:
    assert json.loads(run(f"{kind}/long").result or "")["cut_at"] == 65_536
    assert "not_kept" in json.loads(run(f"{kind}/odd").result or "")


@KINDS
def test_log_lines_and_progress_are_kept(kind: str) -> None:
    record = run(f"{kind}/talks")

    assert (record.progress_done, record.progress_total) == (1, 2)
    assert "half way rows=3" in rota.runs.logs(record.id)[1]


@KINDS
def test_what_a_body_asks_of_the_ledger_is_done(kind: str) -> None:
    record = run(f"{kind}/asks")

    result = json.loads(record.result or "")
    assert (result["checkpoint"], json.loads(record.checkpoint or "")) == ({"page": 2}, {"page": 2})
    assert "city.seen" in [event.kind for event in rota.runs.events(record.id)]
    until(lambda: rota.runs.batch(result["batch"])["succeeded"] == 3)


@KINDS
def test_a_body_that_looks_stops_when_its_time_is_up(kind: str) -> None:
    assert [ends(run(f"{kind}/{name}")) for name in ("sleeps", "awaits_long")] == [[(1, "timed_out")]] * 2


@KINDS
def test_a_cancelled_body_stops(kind: str, notes: Path) -> None:
    handle = rota.enqueue(f"{kind}/waits_for_cancel")
    until(lambda: f"begun {handle.id}\n" in notes.read_text())

    rota.runs.cancel(handle.id, "anna")

    record = handle.wait(60)
    assert (record.state, record.error) == ("cancelled", "cancelled by anna")


def test_sigterm_reaches_a_body_that_sleeps_without_looking_and_lets_it_clean_up(notes: Path) -> None:
    record = run("process/stuck_in_sleep")

    assert ends(record) == [(1, "timed_out")]
    assert f"finally {record.id}\n" in notes.read_text()


@pytest.mark.parametrize("name", ["holds_the_gil", "ignores_sigterm"])
def test_a_body_that_nothing_reaches_is_killed_with_all_that_it_started(notes: Path, name: str) -> None:
    begun = time.monotonic()
    record = run(f"process/{name}")

    assert ends(record) == [(1, "timed_out")]
    assert time.monotonic() - begun < 60
    until(lambda: not any(process_exists(pid) for pid in pids(notes)))
    assert run("process/returns", value=1).state == "succeeded"


@pytest.mark.parametrize("name", ["hog", "hog_by_a_grandchild", "hog_by_a_daemon"])
def test_a_body_beyond_its_memory_is_stopped_and_named(name: str) -> None:
    kept_by_the_node = b"x" * 300_000_000
    neighbour = rota.enqueue("process/returns", value=1)
    record = run(f"process/{name}")
    del kept_by_the_node

    assert ends(record) == [(1, "memory")]
    assert (record.peak_rss or 0) <= 350_000_000
    assert "more than its 300 MB" in (record.error or "")
    assert neighbour.wait(60).state == "succeeded"


def test_a_body_that_kills_its_process_is_quarantined_and_harms_no_other() -> None:
    neighbours = [rota.enqueue("process/returns", value=n) for n in range(5)]
    record = run("process/dies")

    assert (record.state, record.crashes, record.failures) == ("failed", 3, 0)
    assert ends(record) == [(1, "crashed"), (2, "crashed"), (3, "crashed")]
    assert "ended itself with code 3" in (record.error or "")
    assert "the last word" in rota.runs.logs(record.id)[3]
    assert [event.kind for event in rota.runs.events(record.id)] == ["run.crashed", "run.crashed", "run.quarantined"]
    assert all(handle.wait(60).crashes == 0 for handle in neighbours)


def test_a_body_that_writes_to_every_pipe_takes_no_slot_with_it() -> None:
    record = run("process/writes_to_every_pipe")

    assert record.state == "failed"
    assert "wrote into the pipe to its node" in (record.error or "")
    assert run("process/returns", value=1).state == "succeeded"


def test_a_body_that_closes_every_descriptor_is_told_as_the_one_that_did() -> None:
    record = run("process/closes_every_descriptor")

    assert record.state == "failed"
    assert "its body closed the pipe to its node" in (record.error or "")
    assert run("process/returns", value=1).state == "succeeded"


def test_what_a_body_does_to_its_output_is_no_crash() -> None:
    record = run("process/closes_its_output")

    assert (record.state, record.crashes, record.attempt) == ("succeeded", 0, 1)


def test_a_child_of_the_bodys_that_comes_back_says_nothing_for_it() -> None:
    assert run("process/forks_and_comes_back").result == '"parent"'


def test_what_a_body_leaves_running_is_ended_with_its_attempt() -> None:
    left = json.loads(run("process/leaves_a_child_behind").result or "[]")

    assert len(left) == 2
    until(lambda: not any(map(process_exists, left)))


def test_a_body_that_waits_for_all_its_children_has_its_own_alone() -> None:
    assert run("process/waits_for_all_its_children").result == "1"


def test_a_suspect_is_done_in_a_process_of_its_own() -> None:
    """It was running when two nodes were lost, with others: whoever of them did it now ends its own process alone."""
    assert run("thread/where").result == str(os.getpid())
    rota.queues.pause("default", "anna")
    handle = rota.enqueue("thread/where")
    with rota.store.database.exclusive() as tx:
        tx.script(f"UPDATE rota_run SET suspected = 2 WHERE id = {handle.id};")
    rota.queues.resume("default", "anna")

    record = handle.wait(60)
    assert record.state == "succeeded"
    assert record.result != str(os.getpid())


def test_no_process_is_left_where_the_node_is_killed(notes: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "ROTA_DATABASE": f"sqlite:///{tmp_path}/own.db", "NOTES": str(tmp_path / "notes")}
    (tmp_path / "notes").touch()
    program = (
        "from tests.executors.bodies import rota\n"
        "from rota.model.node import NodeSettings\n"
        "rota.prepare(); rota.enqueue('process/stays'); rota.node(NodeSettings(poll=0.05)).start()\n"
        "import time; time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as node:
        try:
            until(lambda: len(pids(tmp_path / "notes")) == 4)
        finally:
            node.send_signal(signal.SIGKILL)

    until(lambda: not any(process_exists(pid) for pid in pids(tmp_path / "notes")))


def test_a_child_that_a_thread_of_the_node_forked_keeps_no_slot_alive(tmp_path: Path) -> None:
    environment = {**os.environ, "ROTA_DATABASE": f"sqlite:///{tmp_path}/own.db", "NOTES": str(tmp_path / "notes")}
    (tmp_path / "notes").touch()
    program = (
        "import os, time\n"
        "from tests.executors.bodies import rota, note\n"
        "from rota.model.node import NodeSettings\n"
        "rota.prepare(); rota.enqueue('process/stays'); rota.node(NodeSettings(poll=0.05)).start()\n"
        "while open(os.environ['NOTES']).read().count('pid ') < 4: time.sleep(0.01)\n"
        "if os.fork() == 0:\n"
        "    note(f'forked {os.getpid()}')\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], env=environment) as node:
        try:
            until(lambda: "forked" in (tmp_path / "notes").read_text())
        finally:
            node.send_signal(signal.SIGKILL)
    forked = int((tmp_path / "notes").read_text().split("forked ")[1].split()[0])

    try:
        until(lambda: not any(process_exists(pid) for pid in pids(tmp_path / "notes")))
        assert process_exists(forked)
    finally:
        os.kill(forked, signal.SIGKILL)


def test_an_envelope_and_an_end_go_through_json_unchanged() -> None:
    envelope = make_envelope(arguments={"city": "Lyon"})
    ended = Ended(End.FAILED, 1, 2, error="broken", progress=None, log="a\nb")

    assert Envelope._make(json.loads(json.dumps(envelope))) == envelope
    assert Ended._make(json.loads(json.dumps(ended))) == ended
