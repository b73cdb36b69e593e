"""What each job counts, also where there is nothing to do."""

from __future__ import annotations

import pytest

from tests.savings.conftest import Savings

COUNTS = {
    "archive-audit-logs": "archived parts bytes",
    "send-contribution-summaries": "groups groups_empty recipients sent failed duplicate opted_out no_address",
    "update-group-statuses": "checked activated completed conflict invalid",
}


@pytest.mark.parametrize("job", COUNTS)
def test_a_job_with_nothing_to_do_tells_all_its_counts(job: str, savings: Savings) -> None:
    result = savings.run(job)

    assert (result["status"], result["errors"]) == ("success", [])
    assert {name: result["counts"].get(name) for name in COUNTS[job].split()} == dict.fromkeys(COUNTS[job].split(), 0)
