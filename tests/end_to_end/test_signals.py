"""A run that waits for a person is there after `kill -9` of everything, and what it had done is not done again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.end_to_end.processes import kill_group, nodes, open_app, until

pytestmark = pytest.mark.long


@pytest.mark.parametrize("job", ["asks", "asks apart"])
def test_what_waits_survives_every_process_and_its_steps_are_done_once(
    database_url: str, job: str, tmp_path: Path
) -> None:
    app, log, notes = open_app(database_url), tmp_path / "log", tmp_path / "notes"
    first, second = app.enqueue(job), app.enqueue(job)

    def waits_for(name: str) -> bool:
        return all(handle.record().waits_for == name for handle in (first, second))

    with nodes(database_url, 2, log, "--threads", "1", NOTES=str(notes)) as started:
        until("both wait", lambda: waits_for("approval"), log=log)
        kill_group(started)
    app.runs.approve(first.id, "anna")  # with nobody there
    assert first.state == "available"
    with nodes(database_url, 1, log, "--threads", "1", NOTES=str(notes)) as started:
        until("the first goes on", lambda: first.record().waits_for == "never" or first.state.ended, log=log)
        assert second.state == "waiting"
        app.runs.refuse(second.id, "bert")
        until("the second goes on", lambda: len(app.runs.steps(second.id)) == 2, log=log)
        kill_group(started)
    with nodes(database_url, 2, log, "--threads", "1", NOTES=str(notes)):
        until("both are over", lambda: first.state.ended and second.state.ended, log=log)

    assert (first.state, first.result) == ("succeeded", [True, True])
    assert (second.state, second.result) == ("succeeded", [False, True])
    expected = {f"{what} {handle.id}": 1 for what in ("charged", "mailed") for handle in (first, second)}
    assert Counter(notes.read_text().splitlines()) == expected
    app.close()
