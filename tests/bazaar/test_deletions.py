"""People who asked to be deleted: both ways, the whole of it or nothing, and again after a backup."""

from __future__ import annotations

import json
import multiprocessing
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, event, update

from apps.bazaar import deletions
from apps.bazaar.deletions import address_of, cancel_deletion, finalize_deletions
from apps.bazaar.settings import Settings
from apps.bazaar.tables import data_requests, ideas, metadata, outbox, projects, uploads, users
from apps.own_tables import open_database
from rota.errors import ConflictError
from rota.recipes import audit, bind, writing
from rota.testing import captured_events, make_run
from tests.bazaar.conftest import NOW, Bazaar
from tests.engine.helpers import until

JOB = "finalize-deletions"
EMPTY = {"processed": 0, "anonymized": 0, "deleted": 0, "nothing_to_do": 0, "cancelled_skipped": 0, "held": 0,
         "failed": 0, "files_removed": 0}  # fmt: skip


def ago(days: float = 0, **more: float) -> str:
    return (NOW - timedelta(days=days, **more)).isoformat()


def user(id_: Any, **values: Any) -> dict[str, Any]:
    return {"id": id_, "email": f"{id_}@x.org", "name": f"Name {id_}", "created_at": ago(500), "karma": 50, **values}


def wish(id_: Any, person: Any, days: float = 31, **values: Any) -> dict[str, Any]:
    row = {"id": id_, "user_id": person, "request_type": "DELETION", "requested_at": ago(days)}
    return {**row, "options": {"anonymizeContributions": True}, **values}


ALL = {"options": {"anonymizeContributions": False}}


def counts(**values: int) -> dict[str, int]:
    return EMPTY | values


def some(result: dict[str, Any]) -> dict[str, int]:
    return {name: result["counts"][name] for name in EMPTY}


def put_world(bazaar: Bazaar, *wishes: dict[str, Any]) -> None:
    """Anna (1) has something in every table; Ben (2) and Cleo (3) stay."""
    for name in ("1.png", "2.png", "3.png", "4.png", "5.png"):
        (bazaar.uploads / name).write_bytes(b"1234")
    bazaar.put(
        users=[
            user(1, email="Anna@x.org", avatar_url="/api/uploads/1", bio="b", password_hash="h"),
            user(2, invited_by_id=1),
            user(3, avatar_url="https://x/api/uploads/3?s=1"),
        ],
        projects=[
            {"id": 1, "title": "alone", "image_url": "/api/uploads/4"},
            {"id": 2, "title": "with Ben", "description": "![a](/uploads/2.png)"},
            {"id": 3, "title": "of Ben"},
        ],
        collaborators=[
            {"id": 1, "user_id": 1, "project_id": 1, "role": "CREATOR"},
            {"id": 2, "user_id": 1, "project_id": 2, "role": "CREATOR"},
            {"id": 3, "user_id": 2, "project_id": 2, "role": "CONTRIBUTOR", "created_at": ago(90)},
            {"id": 4, "user_id": 2, "project_id": 3, "role": "CREATOR"},
        ],
        upvotes=[
            {"id": 1, "user_id": 2, "project_id": 1},
            {"id": 2, "user_id": 1, "project_id": 3},
            {"id": 3, "user_id": 3, "project_id": 3},
        ],
        ideas=[{"id": 1, "user_id": 1, "title": "i"}, {"id": 2, "user_id": 2, "title": "j"}],
        idea_interests=[{"id": 1, "user_id": 2, "idea_id": 1}, {"id": 2, "user_id": 1, "idea_id": 2}],
        idea_upvotes=[{"id": 1, "user_id": 3, "idea_id": 1}, {"id": 2, "user_id": 3, "idea_id": 2}],
        refresh_tokens=[{"id": n, "user_id": n, "token": "t"} for n in (1, 2)],
        push_tokens=[{"id": n, "user_id": n, "token": f"t{n}", "created_at": ago(1)} for n in (1, 2)],
        notifications=[{"id": n, "user_id": n, "type": "t"} for n in (1, 2)],
        magic_link_tokens=[
            {"id": 1, "user_id": 1, "email": "Anna@x.org"},
            {"id": 2, "email": "ANNA@X.org"},
            {"id": 3, "user_id": 2, "email": "2@x.org"},
        ],
        pending_invitations=[
            {"id": 1, "email": "z@x.org", "invited_by": 1, "created_at": ago(1)},
            {"id": 2, "email": "anna@X.ORG", "invited_by": 2, "created_at": ago(1), "accepted_at": ago(1)},
            {"id": 3, "email": "y@x.org", "invited_by": 2, "created_at": ago(1)},
        ],
        login_attempts=[
            {"id": 1, "user_id": 1, "email": "other@x.org", "ip": "1.2.3.4", "success": True},
            {"id": 2, "email": "aNNa@x.org", "ip": "1.2.3.5", "success": False},
            {"id": 3, "user_id": 2, "email": "2@x.org", "ip": "1.2.3.6", "success": True},
        ],
        audit_logs=[
            {"id": 1, "user_id": 1, "action": "USER_UPDATED", "resource_type": "USER", "resource_id": "1",
             "ip_address": "1.2.3.4", "user_agent": "u", "metadata": {"email": "a", "n": 1}, "created_at": ago(5)},
            {"id": 2, "user_id": 1, "action": "PROJECT_CREATED", "resource_type": "PROJECT", "resource_id": "2",
             "created_at": ago(5)},
            {"id": 3, "user_id": 2, "action": "USER_UPDATED", "resource_type": "USER", "resource_id": "1",
             "ip_address": "1.2.3.6", "metadata": {"before": {"name": "Anna"}}, "created_at": ago(5)},
        ],
        consent_records=[{"id": n, "user_id": n, "consent_type": "TERMS", "granted": True} for n in (1, 2)],
        uploads=[
            {"id": n, "filename": f"{n}.png", "path": f"{n}.png", "uploaded_by": by, "created_at": ago(5)}
            for n, by in ((1, 1), (2, 1), (3, 1), (4, 1), (5, 2))
        ],
        data_requests=list(wishes) or [wish(1, 1)],
    )  # fmt: skip


@pytest.mark.defect("MB-B8", "MB-B12")
def test_contributions_stay_without_whom_they_are_of(bazaar: Bazaar) -> None:
    put_world(bazaar)

    result = bazaar.run(JOB)

    assert result["status"] == "success"
    assert some(result) == counts(processed=1, anonymized=1, files_removed=1)
    anna = bazaar.rows("users")[0]
    done = NOW.isoformat(timespec="microseconds")
    assert (anna["email"], anna["name"]) == ("deleted-1@deleted.local", "[Deleted User]")
    assert [anna[name] for name in ("password_hash", "avatar_url", "bio")] == [None] * 3
    shown = ("show_email_on_profile", "include_in_search", "show_activity_publicly")
    assert [anna[name] for name in shown] == [False] * 3
    assert (anna["anonymized_at"], anna["deleted_at"]) == (done, done)
    assert [len(bazaar.rows(name)) for name in ("projects", "collaborators", "upvotes", "ideas")] == [3, 4, 3, 2]
    assert bazaar.rows("users", "karma") == [50, 50, 50]
    assert bazaar.rows("uploads", "id") == [2, 3, 4, 5]
    check_both(bazaar)


def check_both(bazaar: Bazaar) -> None:
    """What goes and what stays whichever way somebody is deleted."""
    for table in ("refresh_tokens", "push_tokens", "notifications"):
        assert bazaar.rows(table, "user_id") == [2]
    assert bazaar.rows("magic_link_tokens", "id") == [3]
    assert bazaar.rows("pending_invitations", "id") == [3]
    assert bazaar.rows("login_attempts", "email", "ip") == [(None, None), (None, None), ("2@x.org", "1.2.3.6")]
    logs = bazaar.rows("audit_logs", "user_id", "resource_id", "ip_address", "user_agent", "metadata")
    assert logs == [
        (None, None, None, None, {"n": 1}), (None, "2", None, None, None), (2, None, "1.2.3.6", None, {"before": {}}),
    ]  # fmt: skip
    assert [at is not None for at in bazaar.rows("audit_logs", "anonymized_at")] == [True, True, False]
    [(gone, proof), (kept, none)] = bazaar.rows("consent_records", "user_id", "subject_hash")
    assert (gone, len(proof), kept, none) == (None, 16, 2, None)
    [(person, status, mark)] = bazaar.rows("data_requests", "user_id", "status", "subject_hash")
    assert (person, status, mark) == (None, "COMPLETED", proof)
    [ledger] = bazaar.rows("erasure_ledger")
    assert (ledger["user_id"], ledger["subject_hash"], ledger["request"]) == (1, proof, "1")


@pytest.mark.defect("MB-B8", "MB-B12")
def test_who_wants_nothing_to_stay_takes_projects_and_votes_along(bazaar: Bazaar) -> None:
    put_world(bazaar, wish(1, 1, **ALL))

    result = bazaar.run(JOB)

    assert (result["status"], some(result)) == ("success", counts(processed=1, deleted=1, files_removed=2))
    assert bazaar.rows("users", "id", "invited_by_id") == [(2, None), (3, None)]
    assert bazaar.rows("projects", "id") == [2, 3]
    assert bazaar.rows("collaborators", "id") == [3, 4]
    assert bazaar.rows("upvotes", "id") == [3]
    assert (bazaar.rows("ideas", "id"), bazaar.rows("idea_upvotes", "id"), bazaar.rows("idea_interests", "id")) == (
        [2], [2], [],
    )  # fmt: skip
    # 1, the picture, and 4, of the project that is gone; 2 is in a project that stays, 3 is somebody's picture
    assert bazaar.rows("uploads", "id", "uploaded_by") == [(2, None), (3, None), (5, 2)]
    assert sorted(path.name for path in bazaar.uploads.iterdir()) == ["2.png", "3.png", "5.png"]
    assert bazaar.rows("users", "karma") == [1, 50]  # the vote for his project that is left
    assert bazaar.run("recalculate-karma")["counts"]["total_karma_change"] == -50  # Cleo's; Ben's is right already
    check_both(bazaar)
    assert orphaned(bazaar) == ["2"]


@pytest.mark.parametrize("shown", [
    update(users).where(users.c.id == 2).values(avatar_url="/uploads/1.png"),
    update(projects).where(projects.c.id == 3).values(image_url="/api/uploads/1"),
    update(projects).where(projects.c.id == 1).values(description="her own, and stays: ![me](/uploads/1.png)"),
    update(ideas).where(ideas.c.id == 1).values(description="/uploads/1.png"),
])  # fmt: skip
@pytest.mark.parametrize("owner", [1, None])
def test_a_picture_that_a_page_shows_stays_with_the_contributions(
    bazaar: Bazaar, shown: Any, owner: int | None
) -> None:
    put_world(bazaar)
    with bazaar.engine.begin() as connection:
        connection.execute(update(uploads).where(uploads.c.id == 1).values(uploaded_by=owner))
        connection.execute(shown)

    assert some(bazaar.run(JOB)) == counts(processed=1, anonymized=1)
    assert (bazaar.rows("uploads", "id"), (bazaar.uploads / "1.png").exists()) == ([1, 2, 3, 4, 5], True)


@pytest.mark.parametrize("text", [
    "/uploads/my own (1).png", "uploads/my own (1).png", "/Uploads/MY OWN (1).PNG", "/uploads/my%20own%20(1).png",
    "&#x2F;&#x75;ploads&#x2F;my own (1).png", "\\u002f\\u0075ploads\\u002fmy own (1).png",
    '<img src="/uploads/my own (1).png">',
])  # fmt: skip
@pytest.mark.parametrize("options", [{}, ALL])
def test_a_picture_that_a_text_may_mean_stays(bazaar: Bazaar, text: str, options: Any) -> None:
    put_world(bazaar, wish(1, 1, **options))
    (bazaar.uploads / "my own (1).png").write_bytes(b"1234")
    with bazaar.engine.begin() as connection:
        own = {"path": "my own (1).png", "filename": "my own (1).png", "uploaded_by": 1}
        connection.execute(update(uploads).where(uploads.c.id == 1).values(own))
        connection.execute(update(projects).where(projects.c.id == 3).values(description=text))

    bazaar.run(JOB)

    assert (bazaar.uploads / "my own (1).png").exists()


def orphaned(bazaar: Bazaar) -> list[str]:
    with bazaar.engine.connect() as connection:
        rows = connection.execute(audit.select().where(audit.c.action == "project.orphaned_creator")).mappings()
        return [row["target_id"] for row in rows]


def test_what_went_is_told_by_table_and_names_nobody(bazaar: Bazaar) -> None:
    put_world(bazaar)

    result = bazaar.run(JOB)

    told = result["details"]["deletions"]
    assert told["rows_by_table"]["erased"] == {
        "uploads": 1, "refresh_tokens": 1, "magic_link_tokens": 2, "push_tokens": 1, "notifications": 1,
        "pending_invitations": 2, "login_attempts": 2, "audit_logs": 3, "users": 1,
    }  # fmt: skip
    assert told["rows_by_table"]["pseudonymised"] == {"consent_records": 1, "data_requests": 1}
    assert told["grounds"] == {"consent_records": "proof of consent"}
    with bazaar.engine.connect() as connection:
        written = [dict(row) for row in connection.execute(audit.select()).mappings()]
    assert {row["action"] for row in written} >= {"erase_subject"}
    everything = json.dumps([result, written, bazaar.everything()], default=str).lower()
    assert "anna" not in everything


@pytest.mark.parametrize(("options", "left"), [
    ({"anonymizeContributions": False}, [2, 3]), ({"anonymizeContributions": True}, [1, 2, 3]),
    ({}, [1, 2, 3]), (None, [1, 2, 3]), ({"anonymizeContributions": None}, [1, 2, 3]),
])  # fmt: skip
def test_what_is_not_said_stays(bazaar: Bazaar, options: Any, left: list[int]) -> None:
    put_world(bazaar, wish(1, 1, options=options))

    bazaar.run(JOB)

    assert bazaar.rows("users", "id") == left


@pytest.mark.parametrize(("values", "processed"), [
    ({"requested_at": ago(30)}, 0),
    ({"requested_at": ago(30, microseconds=1)}, 1),
    ({"status": "CANCELLED", "cancelled_at": ago(29)}, 0),
    ({"status": "COMPLETED"}, 0),
    ({"request_type": "EXPORT"}, 0),
    ({"status": "PROCESSING", "claimed_at": ago(365)}, 1),
])  # fmt: skip
def test_only_a_wish_that_is_due_is_granted(bazaar: Bazaar, values: dict[str, Any], processed: int) -> None:
    put_world(bazaar, wish(1, 1, **values))
    before = bazaar.rows("data_requests"), bazaar.rows("users")

    assert bazaar.run(JOB)["counts"]["processed"] == processed
    if not processed:
        assert (bazaar.rows("data_requests"), bazaar.rows("users")) == before


@pytest.mark.defect("MB-B8")
def test_who_changes_his_mind_in_time_stays_and_later_it_is_too_late(bazaar: Bazaar) -> None:
    put_world(bazaar, wish(1, 1), wish(2, 2))

    with writing(bazaar.engine) as connection:
        cancel_deletion(connection, 2, NOW)
    result = bazaar.run(JOB)
    for request in (1, 2, 3):
        with (
            pytest.raises(ConflictError, match=f"request {request} does not wait"),
            writing(bazaar.engine) as connection,
        ):
            cancel_deletion(connection, request, NOW)

    assert some(result) == counts(processed=1, anonymized=1, files_removed=1)
    assert bazaar.rows("data_requests", "status") == ["COMPLETED", "CANCELLED"]


@pytest.mark.parametrize(("first", "second"), [({}, {}), (ALL, ALL), (ALL, {})])
def test_a_second_wish_has_nothing_to_do_and_an_export_waits_on(bazaar: Bazaar, first: Any, second: Any) -> None:
    put_world(bazaar, wish(1, 1, 33, **first), wish(2, 1, 32, **second), wish(3, 1, 40, request_type="EXPORT"))

    result = bazaar.run(JOB)

    assert (result["counts"]["processed"], result["counts"]["nothing_to_do"]) == (2, 1)
    assert bazaar.rows("data_requests", "status") == ["COMPLETED", "COMPLETED", "PENDING"]
    hashes = bazaar.rows("data_requests", "subject_hash")
    assert len({*hashes, *bazaar.rows("erasure_ledger", "subject_hash")}) == 1
    assert some(bazaar.run(JOB)) == EMPTY


def test_who_was_anonymised_and_then_wants_nothing_to_stay_is_deleted(bazaar: Bazaar) -> None:
    """The first wish is granted without the second, which waits: so it has to name the person still."""
    put_world(bazaar, wish(1, 1, 40), wish(2, 1, 31, **ALL))

    result = bazaar.run(JOB)

    assert some(result) | {"files_removed": 0} == counts(processed=2, anonymized=1, deleted=1)
    assert 1 not in bazaar.rows("users", "id")
    assert bazaar.rows("projects", "id") == [2, 3]
    assert [row["user_id"] for row in bazaar.rows("data_requests") if row["id"] in (1, 2)] == [None, None]
    assert [row["payload"]["mode"] for row in bazaar.rows("outbox")] == ["anonymise"]


def test_people_who_are_gone_already_have_nothing_to_do(bazaar: Bazaar) -> None:
    bazaar.put(
        users=[user(1, anonymized_at=ago(3), deleted_at=ago(3)), user(2, deleted_at=ago(3))],
        data_requests=[wish(1, 1), wish(2, None), wish(3, 2)],
    )

    assert some(bazaar.run(JOB)) == counts(processed=3, nothing_to_do=2, anonymized=1)
    assert bazaar.rows("data_requests", "status") == ["COMPLETED"] * 3


def test_somebody_from_outside_without_a_password_goes_like_all(bazaar: Bazaar) -> None:
    bazaar.put(users=[user("u7", is_external=True), user(2)], data_requests=[wish("r", "u7")])

    assert bazaar.run(JOB)["counts"]["anonymized"] == 1
    assert bazaar.rows("users", "email") == ["2@x.org", "deleted-u7@deleted.local"]


def test_the_last_admin_is_refused_until_there_is_another(bazaar: Bazaar) -> None:
    bazaar.put(
        users=[user(1, is_admin=True), user(2, is_admin=True, deleted_at=ago(1)), user(3)], data_requests=[wish(1, 1)]
    )

    with captured_events(bazaar.rota, "deletion.refused") as alerts:
        first = bazaar.run(JOB)
    [row] = bazaar.rows("data_requests", "status", "error", "attempts")
    with bazaar.engine.begin() as connection:
        connection.execute(update(users).where(users.c.id == 3).values(is_admin=True))
    second = bazaar.run(JOB)

    assert (some(first), first["warnings"]) == (counts(held=1), ["deletions: request 1 is held: refused_last_admin"])
    assert row == ("PENDING", "refused_last_admin", 0)
    assert len(alerts) == 1
    assert second["counts"]["anonymized"] == 1


def test_of_two_admins_who_go_at_once_one_is_kept(bazaar: Bazaar) -> None:
    bazaar.put(users=[user(1, is_admin=True), user(2, is_admin=True)], data_requests=[wish(1, 1), wish(2, 2)])

    assert some(bazaar.run(JOB)) == counts(processed=1, anonymized=1, held=1)


def test_a_mail_waits_with_the_address_and_takes_it_along_when_it_was_sent(bazaar: Bazaar) -> None:
    put_world(bazaar)

    bazaar.run(JOB)

    [mail] = bazaar.rows("outbox")
    assert (mail["dedupe_key"], mail["kind"], mail["state"]) == ("deletion-done:1", "deletion-done", "queued")
    assert mail["payload"] == {"date": "2026-11-27", "mode": "anonymise",
                               "kept": {"consent_records": "proof of consent"}}  # fmt: skip
    assert address_of(Settings(), mail["to_enc"]) == "Anna@x.org"
    assert bazaar.run(JOB)["counts"]["deleted"] == 0
    with bazaar.engine.begin() as connection:
        connection.execute(update(outbox).values(sent_at=NOW, state="sent"))
    bazaar.run(JOB)
    assert bazaar.rows("outbox") == []


@pytest.mark.parametrize("options", [{}, ALL])
@pytest.mark.defect("MB-B8")
def test_an_error_at_any_statement_leaves_nobody_half_deleted(bazaar: Bazaar, options: Any) -> None:
    """Each statement that writes fails once, in turn, until there is none left."""
    put_world(bazaar, wish(1, 1, **options))
    before = bazaar.everything()
    seen = {"at": 0, "stop": 1}

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen["at"] += statement.startswith(("UPDATE", "DELETE", "INSERT"))
        if seen["at"] == seen["stop"] + 1 and "data_requests SET status" not in statement:  # the first is the claim
            seen["at"] += 1
            raise OSError("the disk is on fire")

    event.listen(bazaar.engine, "before_cursor_execute", fail)
    failures = 0
    while (result := bazaar.run(JOB))["counts"]["failed"]:
        failures += 1
        after = bazaar.everything()
        assert after | {"data_requests": []} == before | {"data_requests": []}
        [row] = after["data_requests"]
        assert (row["status"], row["attempts"]) == ("PENDING", failures)
        seen.update(at=0, stop=seen["stop"] + 1)

    assert failures >= len([step for step in deletions.PLAN if step.holds_in("delete" if options else "anonymise")])
    assert result["counts"]["processed"] == 1


def test_one_that_cannot_be_deleted_leaves_the_others_their_turn(bazaar: Bazaar) -> None:
    bazaar.put(users=[user(1), user(2, email="deleted-1@deleted.local")], data_requests=[wish(1, 1), wish(2, 2)])

    result = bazaar.run(JOB)

    assert (result["status"], some(result)) == ("partial", counts(processed=1, anonymized=1, failed=1))
    assert result["errors"][0]["message"] == "IntegrityError at users"
    assert bazaar.rows("data_requests", "status", "attempts") == [("PENDING", 1), ("COMPLETED", 0)]
    assert some(bazaar.run(JOB)) == counts(processed=1, anonymized=1)


def test_pages_that_name_more_uploads_than_a_statement_can_take_are_all_read(bazaar: Bazaar) -> None:
    put_world(bazaar, wish(1, 1, **ALL))
    names = " ".join(f"/uploads/{number}-of-others.png" for number in range(40_000))
    with writing(bazaar.engine) as connection:
        connection.execute(ideas.insert().values(id=3, user_id=2, description=f"{names} /%75ploads/1.png"))

    result = bazaar.run(JOB)

    assert some(result) == counts(processed=1, deleted=1, files_removed=1)
    assert bazaar.rows("uploads", "id") == [1, 2, 3, 5]


def test_ten_thousand_votes_go_with_their_voter(bazaar: Bazaar) -> None:
    bazaar.put(
        users=[user(1), user(2)],
        projects=[{"id": n, "title": "p"} for n in range(1, 10_001)],
        collaborators=[{"id": 1, "user_id": 2, "project_id": 1, "role": "CREATOR"}],
        upvotes=[{"id": n, "user_id": 1, "project_id": n} for n in range(1, 10_001)],
        data_requests=[wish(1, 1, **ALL)],
    )

    result = bazaar.run(JOB)

    assert result["details"]["deletions"]["rows_by_table"]["erased"]["upvotes"] == 10_000
    assert bazaar.rows("upvotes", "id") == []
    assert bazaar.rows("users", "karma") == [0]


def test_a_file_that_cannot_be_deleted_is_told_and_its_row_stays(bazaar: Bazaar) -> None:
    put_world(bazaar)
    (bazaar.uploads / "1.png").unlink()
    (bazaar.uploads / "1.png").mkdir()

    result = bazaar.run(JOB)

    assert (result["status"], result["counts"]["anonymized"], result["counts"]["failed"]) == ("partial", 1, 1)
    assert bazaar.rows("uploads", "id") == [1, 2, 3, 4, 5]


@pytest.mark.defect("ALL-7")
def test_files_of_a_run_that_died_after_its_commit_go_with_the_next_one(bazaar: Bazaar) -> None:
    put_world(bazaar, wish(1, 1, status="CANCELLED"))
    with bazaar.engine.begin() as connection:
        connection.execute(update(uploads).where(uploads.c.id == 1).values(state="deleting"))

    assert bazaar.run(JOB)["counts"]["files_removed"] == 1
    assert not (bazaar.uploads / "1.png").exists()


@pytest.mark.defect("ALL-7")
def test_a_picture_in_quarantine_goes_from_there(bazaar: Bazaar) -> None:
    put_world(bazaar)
    with bazaar.engine.begin() as connection:
        connection.execute(update(uploads).where(uploads.c.id == 1).values(created_at=NOW - timedelta(days=40)))
        connection.execute(update(users).where(users.c.id == 1).values(avatar_url=None))
    assert bazaar.run("cleanup-orphaned-files")["counts"]["quarantined"] == 1
    with bazaar.engine.begin() as connection:
        connection.execute(update(users).where(users.c.id == 1).values(avatar_url="/uploads/1.png"))

    assert bazaar.run(JOB)["counts"]["files_removed"] == 1
    assert [path for path in (bazaar.uploads / ".trash").rglob("*") if path.is_file()] == []


# --- after a backup


def put_back(bazaar: Bazaar, rows: dict[str, Any]) -> None:
    """The backup; and the newest rows of the ledger, which were kept apart."""
    rows = {name: each for name, each in rows.items() if name != "erasure_ledger"}
    with bazaar.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name in rows:
                connection.execute(delete(table))
    bazaar.put(**rows)


@pytest.mark.parametrize("options", [{}, ALL])
def test_a_backup_brings_nobody_back(bazaar: Bazaar, options: Any) -> None:
    put_world(bazaar, wish(1, 1, **options))
    before = bazaar.everything()
    bazaar.run(JOB)
    after = bazaar.everything()
    put_back(bazaar, before)
    for name in ("1.png", "4.png"):
        (bazaar.uploads / name).write_bytes(b"1234")

    dry = bazaar.run("replay-erasures", dry_run=True)
    assert bazaar.everything() == before | {"erasure_ledger": after["erasure_ledger"]}
    result = bazaar.run("replay-erasures")

    name = "deleted" if options else "anonymized"
    assert (dry["counts"]["processed"], result["counts"]["processed"], result["counts"][name]) == (1, 1, 1)
    untold = {"outbox": [], "data_requests": []}  # whom a mail was sent to is sent none again
    assert bazaar.everything() | untold == after | untold
    assert bazaar.rows("outbox") == []
    assert some(bazaar.run(JOB)) == counts(processed=1, nothing_to_do=1)
    assert bazaar.rows("data_requests", "status") == ["COMPLETED"]


def test_the_ledger_can_be_loaded_from_the_columns_that_a_law_asks_for(bazaar: Bazaar) -> None:
    put_world(bazaar)
    before = bazaar.everything()
    bazaar.run(JOB)
    [row] = bazaar.rows("erasure_ledger")
    with bazaar.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE erasure_ledger")
    put_back(bazaar, before)
    bazaar.put(erasure_ledger=[{name: row[name] for name in ("subject_hash", "user_id", "done_at", "mode")}])

    assert bazaar.run("replay-erasures")["counts"]["anonymized"] == 1


# --- killed


def one_run(url: str, uploads_at: Path) -> None:
    """In a process of its own, which a test kills: each statement takes a little while."""
    settings = Settings(database_url=url, uploads=uploads_at)
    engine = open_database(settings, metadata)
    bind(metadata, engine)
    event.listen(engine, "before_cursor_execute", lambda *_: time.sleep(0.01))
    finalize_deletions(settings)(make_run(as_of=NOW))


@pytest.mark.long
def test_killed_at_any_moment_nobody_is_half_deleted(bazaar: Bazaar, database_url: str) -> None:
    people = range(1, 5)
    bazaar.put(
        users=[user(n) for n in (*people, 9)],
        consent_records=[{"id": n, "user_id": n, "consent_type": "TERMS"} for n in people],
        refresh_tokens=[{"id": n, "user_id": n} for n in people],
        data_requests=[wish(n, n, **(ALL if n % 2 else {})) for n in people],
    )
    start = multiprocessing.get_context("spawn")

    for attempt in range(3):
        process = start.Process(target=one_run, args=(database_url, bazaar.uploads))
        process.start()
        until(lambda done=attempt: completed(bazaar) > done)  # and is about to do the next one
        process.kill()
        process.join()
        check_whole(bazaar)
        with bazaar.engine.begin() as connection:
            connection.execute(update(data_requests).where(data_requests.c.status == "PROCESSING").values(
                claimed_at=NOW - timedelta(days=400)))  # fmt: skip

    bazaar.run(JOB)
    check_whole(bazaar)
    assert bazaar.rows("data_requests", "status") == ["COMPLETED"] * 4
    assert len(bazaar.rows("erasure_ledger")) == len(bazaar.rows("outbox")) == 4


def completed(bazaar: Bazaar) -> int:
    return bazaar.rows("data_requests", "status").count("COMPLETED")


def check_whole(bazaar: Bazaar) -> None:
    """Each of them is as before, or gone with all that goes."""
    there = {row["id"] for row in bazaar.rows("users") if row["anonymized_at"] is None} - {9}
    assert set(bazaar.rows("refresh_tokens", "user_id")) == there
    assert {each for each in bazaar.rows("consent_records", "user_id") if each} == there
    assert {row["user_id"] for row in bazaar.rows("data_requests") if row["status"] != "COMPLETED"} == there
    assert len(bazaar.rows("erasure_ledger")) == 4 - len(there)


@pytest.mark.defect("MB-B7")
def test_what_a_deletion_leaves_of_karma_the_weekly_job_finds_right(bazaar: Bazaar) -> None:
    bazaar.put(
        users=[user(1), user(2), user(3)],
        projects=[{"id": 1, "title": "of Ben", "is_featured": True}],
        collaborators=[{"id": 1, "user_id": 2, "project_id": 1, "role": "CREATOR"}],
        upvotes=[{"id": n, "user_id": n, "project_id": 1} for n in (1, 3)],
        data_requests=[wish(1, 1, **ALL)],
    )
    bazaar.run(JOB)

    assert bazaar.rows("users", "id", "karma")[0] == (2, 11)  # the vote that is left, and ten for being featured
    bazaar.run("recalculate-karma")
    assert bazaar.rows("users", "id", "karma") == [(2, 11), (3, 0)]
