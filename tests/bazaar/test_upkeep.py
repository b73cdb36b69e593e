"""The jobs that delete, anonymise and put right: each rule, and each case that stands under it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from rota.recipes import audit
from tests.bazaar.conftest import NOW, Bazaar

JOBS = (
    "cleanup-invitations",
    "cleanup-push-tokens",
    "anonymize-audit-logs",
    "delete-audit-logs",
    "cleanup-orphaned-files",
    "finalize-deletions",
    "recalculate-karma",
)
USERS = [{"id": 1, "email": "a@x.org", "created_at": "2020-01-01T00:00:00Z"}]


def ago(days: float = 0, **more: float) -> str:
    return (NOW - timedelta(days=days, **more)).isoformat()


def invitation(id_: int, created: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "email": f"{id_}@x.org", "invited_by": 1, "created_at": created, **values}


@pytest.mark.defect("MB-B2")
def test_invitations_that_nobody_answered_go_after_thirty_days(bazaar: Bazaar) -> None:
    bazaar.put(
        users=USERS,
        pending_invitations=[
            invitation(1, ago(31)),
            invitation(2, ago(30)),
            invitation(3, ago(30, microseconds=1)),
            invitation(4, ago(31), accepted_at=ago(31)),
            invitation(5, ago(400), declined_at=ago(390)),
            invitation(6, ago(31), expires_at=ago(-29)),
            invitation(7, ago(31), expires_at=ago(0)),
            invitation(8, ago(31), expires_at=ago(1)),
        ],
    )

    result = bazaar.run("cleanup-invitations")

    assert bazaar.rows("pending_invitations", "id") == [2, 4, 5, 6]
    assert result["counts"] == {"deleted_count": 4, "kept_not_expired": 1}
    assert result["details"]["cutoff"] == ago(30)


def test_push_tokens_go_ninety_days_after_their_last_use(bazaar: Bazaar) -> None:
    def token(id_: int, created: float, used: float | None) -> dict[str, Any]:
        last = None if used is None else ago(used)
        return {"id": id_, "user_id": 1, "token": f"t{id_}", "created_at": ago(created), "last_used_at": last}

    bazaar.put(users=USERS, push_tokens=[token(1, 91, None), token(2, 10, None), token(3, 400, 90), token(4, 400, 91)])

    assert bazaar.run("cleanup-push-tokens")["counts"] == {"deleted_count": 2}
    assert bazaar.rows("push_tokens", "id") == [2, 3]


def log(id_: int, created: str, **values: Any) -> dict[str, Any]:
    return {"id": id_, "action": "USER_UPDATED", "created_at": created, **values}


@pytest.mark.defect("MB-B3")
def test_audit_logs_lose_what_is_personal_after_a_year(bazaar: Bazaar) -> None:
    personal = {"before": {"email": "a@x.org", "phoneNumber": "1"}, "plan": "pro"}
    year = NOW.replace(year=NOW.year - 1)
    bazaar.put(
        users=USERS,
        audit_logs=[
            log(
                1,
                ago(400),
                user_id=1,
                ip_address="1.2.3.4",
                user_agent="x",
                metadata=personal,
                resource_type="PROJECT",
                resource_id="9",
            ),
            log(2, ago(400), ip_address="1.2.3.4", metadata=["a@x.org"]),
            log(3, ago(400), resource_type="USER", resource_id="1", metadata='{"name": "Anna", "n": 1}'),
            log(4, year.isoformat(), user_id=1),
            log(5, (year - timedelta(microseconds=1)).isoformat(), user_id=1, metadata="no json"),
        ],
    )

    result = bazaar.run("anonymize-audit-logs")

    assert result["counts"] == {"anonymized": 4, "unparsable": 1}
    assert result["details"]["keys_removed"] == {"email": 1, "phoneNumber": 1, "name": 1}
    rows = bazaar.rows("audit_logs", "user_id", "ip_address", "resource_id", "metadata", "anonymized_at")
    done = NOW.isoformat(timespec="microseconds")
    assert rows == [
        (None, None, "9", {"before": {}, "plan": "pro"}, done),
        (None, None, None, None, done),
        (None, None, None, {"n": 1}, done),
        (1, None, None, None, None),
        (None, None, None, None, done),
    ]
    assert bazaar.run("anonymize-audit-logs")["counts"] == {"anonymized": 0, "unparsable": 0}


def test_audit_logs_go_after_three_years(bazaar: Bazaar) -> None:
    cut = NOW.replace(year=NOW.year - 3)
    bazaar.put(users=USERS, audit_logs=[log(1, ago(1_200)), log(2, cut.isoformat()), log(3, ago(800))])

    assert bazaar.run("delete-audit-logs")["counts"] == {"deleted_count": 1}
    assert bazaar.rows("audit_logs", "id") == [2, 3]
    assert bazaar.run("delete-audit-logs")["message"] == "nothing to do"


def test_a_leap_day_is_a_year_from_the_28th(bazaar: Bazaar) -> None:
    bazaar.put(
        users=USERS, audit_logs=[log(1, "2023-02-27T23:59:59.999999+00:00"), log(2, "2023-02-28T00:00:00+00:00")]
    )

    bazaar.run("anonymize-audit-logs", as_of=datetime.fromisoformat("2024-02-29T00:00:00+00:00"))

    assert [at is not None for at in bazaar.rows("audit_logs", "anonymized_at")] == [True, False]


def karma_world() -> dict[str, list[dict[str, Any]]]:
    """Project 1 has 7 upvotes, 2 has 3, 3 none and is featured."""
    people = [{"id": n, "email": f"{n}@x.org", "created_at": ago(500), "karma": 5} for n in range(1, 9)]
    people[5]["deleted_at"] = ago(1)
    people[6]["anonymized_at"] = ago(1)
    voters = [{"id": 100 + n, "email": f"v{n}@x.org", "created_at": ago(500)} for n in range(7)]
    return {
        "users": people + voters,
        "projects": [{"id": n, "title": f"p{n}", "is_featured": n == 3} for n in (1, 2, 3)],
        "collaborators": [
            {"id": 1, "user_id": 1, "project_id": 1, "role": "CREATOR"},
            {"id": 2, "user_id": 2, "project_id": 1, "role": "CONTRIBUTOR"},
            {"id": 3, "user_id": 3, "project_id": 2, "role": "ADVISOR"},
            {"id": 4, "user_id": 4, "project_id": 3, "role": "CREATOR"},
            {"id": 5, "user_id": 5, "project_id": 3, "role": "ADVISOR"},
            {"id": 6, "user_id": 6, "project_id": 1, "role": "CREATOR"},
            {"id": 7, "user_id": 7, "project_id": 1, "role": "CREATOR"},
            {"id": 8, "user_id": 1, "project_id": 2, "role": "CONTRIBUTOR"},
        ],
        "upvotes": [
            {"id": 10 * p + n, "user_id": 100 + n, "project_id": p}
            for p, count in ((1, 7), (2, 3))
            for n in range(count)
        ],
    }


@pytest.mark.defect("MB-B7")
def test_karma_is_the_share_of_each_projects_upvotes_rounded_down(bazaar: Bazaar) -> None:
    bazaar.put(**karma_world())

    result = bazaar.run("recalculate-karma")

    #                                                7+1  7/2  3/4  bonus   -  gone gone  none
    assert bazaar.rows("users", "karma")[:8] == [8, 3, 0, 10, 0, 5, 5, 0]
    assert result["counts"] == {
        "changed": 6,
        "total_users": 13,
        "total_karma_change": 3 - 2 - 5 + 5 - 5 - 5,
        "total_abs_change": 25,
        "max_change": 5,
        "failed": 0,
    }
    assert result["warnings"]
    again = bazaar.run("recalculate-karma")
    assert again["counts"]["changed"] == 0


@pytest.mark.parametrize("job", JOBS)
def test_a_dry_run_leaves_every_row_as_it_was(bazaar: Bazaar, job: str) -> None:
    logs = [log(1, ago(400), user_id=1, metadata={"email": "x"}), log(2, ago(2_000))]
    tokens = [{"id": 1, "user_id": 1, "token": "t", "created_at": ago(100)}]
    bazaar.put(**karma_world(), pending_invitations=[invitation(1, ago(31))], push_tokens=tokens, audit_logs=logs)
    before = bazaar.everything()

    assert bazaar.run(job, dry_run=True)["status"] == "dry_run"
    assert bazaar.everything() == before


def test_more_than_half_of_a_table_is_not_deleted(bazaar: Bazaar) -> None:
    bazaar.put(users=USERS, pending_invitations=[invitation(n, ago(31)) for n in range(1_001)])

    result = bazaar.run("cleanup-invitations")

    assert (result["status"], result["counts"]["deleted_count"]) == ("aborted_guard", 0)
    assert len(bazaar.rows("pending_invitations", "id")) == 1_001


@pytest.mark.defect("MB-B4")
def test_a_table_of_many_batches_is_gone_through_to_its_end(bazaar: Bazaar) -> None:
    old = [invitation(n, ago(31)) for n in range(1_100)]
    kept = [invitation(n, ago(31), accepted_at=ago(31)) for n in range(1_100, 2_300)]
    bazaar.put(users=USERS, pending_invitations=old + kept)

    assert bazaar.run("cleanup-invitations")["counts"]["deleted_count"] == 1_100
    assert bazaar.rows("pending_invitations", "id") == list(range(1_100, 2_300))


@pytest.mark.defect("MB-B9")
def test_of_all_that_is_removed_or_made_anonymous_there_is_an_account(bazaar: Bazaar) -> None:
    bazaar.put(
        users=[*USERS, {"id": 2, "email": "b@x.org", "created_at": ago(500)}],
        pending_invitations=[invitation(n, ago(31)) for n in (1, 2)],
        push_tokens=[{"id": 1, "user_id": 1, "token": "t", "created_at": ago(100)}],
        audit_logs=[log(1, ago(400), user_id=1), log(2, ago(2_000))],
        uploads=[{"id": 1, "filename": "1.png", "path": "1.png", "created_at": ago(31)}],
        data_requests=[{"id": 1, "user_id": 2, "request_type": "DELETION", "requested_at": ago(31)}],
    )
    (bazaar.uploads / "1.png").write_bytes(b"1234")

    for job in JOBS[:-1]:
        bazaar.run(job)

    with bazaar.engine.connect() as connection:
        written = {(row.job, row.target_table): row.count for row in connection.execute(audit.select())}
    assert written.items() >= {
        ("bazaar/cleanup-invitations", "pending_invitations"): 2,
        ("bazaar/cleanup-push-tokens", "push_tokens"): 1,
        ("bazaar/anonymize-audit-logs", "audit_logs"): 2,
        ("bazaar/delete-audit-logs", "audit_logs"): 1,
        ("bazaar/cleanup-orphaned-files", "uploads"): 1,
        ("bazaar/finalize-deletions", "users"): 1,
    }.items()  # fmt: skip
