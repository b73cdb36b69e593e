"""What each job counts, also where there is nothing to do."""

from __future__ import annotations

import pytest

from tests.faf.conftest import Faf

COUNTS = {
    "monthly-invitations": "owners_total owners_processed owners_without_contacts planned already_planned sent failed "
    "bounced unknown quota_exceeded",
    "reminders": "first_due first_sent first_failed second_due second_sent second_failed",
    "cleanup": "expired purged soft_bounces_reset bounce_limit contact_rates owner_rates samples_deleted "
    "orphans_deleted events_deleted",
}


@pytest.mark.parametrize("job", COUNTS)
def test_a_job_with_nothing_to_do_tells_all_its_counts(job: str, faf: Faf) -> None:
    result = faf.run(job)

    assert (result["status"], result["errors"]) == ("success", [])
    assert {name: result["counts"].get(name) for name in COUNTS[job].split()} == dict.fromkeys(COUNTS[job].split(), 0)
