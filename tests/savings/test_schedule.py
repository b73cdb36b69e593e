"""When the jobs are due, and when they are tried again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from rota.testing import run_due
from tests.savings.conftest import Savings


@pytest.mark.defect("SG-B3")
def test_summaries_are_due_on_mondays_alone(savings: Savings) -> None:
    savings.rota.prepare()

    fires = savings.rota.schedules.next_fires("savings/send-contribution-summaries", 60)

    assert {f"{fire:%a %H:%M %Z}" for fire in fires} == {"Mon 09:00 UTC"}
    assert {later - earlier for earlier, later in pairwise(fires)} == {timedelta(days=7)}


@pytest.mark.defect("SG-B8", "ALL-2")
def test_a_job_is_tried_three_times_after_one_second_and_after_two(open_savings: Callable[..., Savings]) -> None:
    savings = open_savings(redis_port=1)  # nobody listens there
    handle = savings.rota.trigger("savings/update-group-statuses")
    tried = []
    for _ in range(40):
        run_due(savings.rota)
        tried.append(len(savings.rota.runs.attempts(handle.id)))
        savings.clock.advance(seconds=0.1)

    assert (tried[0], handle.record().state) == (1, "failed")
    assert [tried.count(each) for each in (1, 2, 3)] == [10, 20, 10]
