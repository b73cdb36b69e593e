"""What each job counts, also where there is nothing to do."""

from __future__ import annotations

import pytest

from tests.bazaar.conftest import Bazaar

COUNTS = {
    "cleanup-invitations": "deleted_count kept_not_expired",
    "cleanup-push-tokens": "deleted_count",
    "anonymize-audit-logs": "anonymized unparsable",
    "delete-audit-logs": "deleted_count",
    "cleanup-orphaned-files": "checked_count orphaned_count quarantined purged deleted_records deleted_files "
    "already_missing failed untracked_files bytes_freed",
    "finalize-deletions": "processed anonymized deleted cancelled_skipped failed files_removed",
    "recalculate-karma": "total_users changed total_karma_change total_abs_change max_change failed",
}


@pytest.mark.parametrize("job", COUNTS)
def test_a_job_with_nothing_to_do_tells_all_its_counts(job: str, bazaar: Bazaar) -> None:
    result = bazaar.run(job)

    assert (result["status"], result["errors"]) == ("success", [])
    assert {name: result["counts"].get(name) for name in COUNTS[job].split()} == dict.fromkeys(COUNTS[job].split(), 0)
