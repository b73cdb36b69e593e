"""What each job counts, also where there is nothing to do."""

from __future__ import annotations

import pytest

from tests.learn.conftest import Learn

COUNTS = {
    "daily-analytics-updates": "courses_processed courses_changed students_processed students_changed failed "
    "badges_awarded",
    "daily-session-cleanup": "scanned tokens_removed ttl_set index_members_removed unparsable accounts_removed "
    "kept_has_data reset_tokens_cleared",
    "daily-log-pruning": "rotated compressed deleted_age deleted_count bytes_freed bytes_saved_by_compression",
    "secret-rotation": "checked rotated revoked manual_required failed skipped",
}


@pytest.mark.parametrize("job", COUNTS)
def test_a_job_with_nothing_to_do_tells_all_its_counts(job: str, learn: Learn) -> None:
    result = learn.run(job)

    assert (result["status"], result["errors"]) == ("success", [])
    assert {name: result["counts"].get(name) for name in COUNTS[job].split()} == dict.fromkeys(COUNTS[job].split(), 0)
