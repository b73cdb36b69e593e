"""SG-3: each condition under which a group begins or ends, or does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.savings.conftest import Savings, ago


def group(**values: Any) -> dict[str, Any]:
    given = {"id": 1, "name": "g", "contract_address": "C1", "total_rounds": 2, "min_members": 2, "created_at": ago(10)}
    return given | values


def people(*members: dict[str, Any], paid: dict[int, str] | None = None, round_: int = 2) -> dict[str, Any]:
    """Members 1, 2, … of group 1; ``paid``: by member, the status of his contribution."""
    return {
        "users": [{"id": n, "name": f"u{n}"} for n in range(1, len(members) + 1)],
        "memberships": [
            {"id": n, "group_id": 1, "user_id": n, "payout_order": n, **member} for n, member in enumerate(members, 1)
        ],
        "contributions": [
            {
                "id": n,
                "group_id": 1,
                "user_id": n,
                "round_number": round_,
                "amount": "10",
                "status": status,
                "timestamp": ago(1),
            }
            for n, status in (paid or {}).items()
        ],
    }


def status_after(savings: Savings, the_group: dict[str, Any], rest: dict[str, Any]) -> str:
    savings.put(groups=[the_group], **rest)
    savings.run("update-group-statuses")
    return str(savings.rows("groups", "status")[0])


@pytest.mark.parametrize(
    ("values", "members", "status"),
    [
        ({}, [{}, {}], "ACTIVE"),
        ({}, [{}], "PENDING"),
        ({}, [{}, {"status": "SUSPENDED"}], "PENDING"),
        ({"contract_address": None}, [{}, {}], "PENDING"),
        ({"contract_address": " "}, [{}, {}], "PENDING"),
        ({"total_rounds": 0}, [{}, {}], "PENDING"),
        ({"min_members": 2, "max_members": 1}, [{}, {}], "PENDING"),
        ({"deleted_at": ago(1)}, [{}, {}], "PENDING"),
    ],
)
def test_a_group_begins_when_enough_have_joined_a_contract(
    savings: Savings, values: dict[str, Any], members: list[dict[str, Any]], status: str
) -> None:
    assert status_after(savings, group(**values), people(*members)) == status


HAD = {"has_received_payout": True}


@pytest.mark.parametrize(
    ("values", "members", "paid", "status"),
    [
        ({"current_round": 2}, [HAD, HAD], {1: "CONFIRMED", 2: "CONFIRMED"}, "COMPLETED"),
        ({"current_round": 2}, [HAD, HAD], {1: "CONFIRMED", 2: "FAILED"}, "ACTIVE"),
        ({"current_round": 2}, [HAD, HAD], {1: "CONFIRMED"}, "ACTIVE"),
        ({"current_round": 2}, [HAD, {}], {1: "CONFIRMED", 2: "CONFIRMED"}, "ACTIVE"),
        ({"current_round": 2}, [HAD, {"status": "SUSPENDED"}], {1: "CONFIRMED"}, "COMPLETED"),
        ({"current_round": 1}, [HAD, HAD], {1: "CONFIRMED", 2: "CONFIRMED"}, "ACTIVE"),
        ({"current_round": 3}, [{}, {}], {}, "COMPLETED"),
        ({"current_round": 2}, [{"status": "REMOVED"}], {}, "ACTIVE"),
    ],
)
@pytest.mark.defect("SG-B6")
def test_a_group_ends_when_its_last_round_is_paid_and_paid_out(
    savings: Savings, values: dict[str, Any], members: list[dict[str, Any]], paid: dict[int, str], status: str
) -> None:
    assert status_after(savings, group(status="ACTIVE", **values), people(*members, paid=paid)) == status


def test_what_a_member_has_paid_to_another_group_does_not_end_this_one(savings: Savings) -> None:
    world = people(HAD, HAD, paid={1: "CONFIRMED"})
    elsewhere = {"id": 9, "group_id": 2, "user_id": 2, "round_number": 2, "amount": "10", "status": "CONFIRMED"}
    world["contributions"].append({**elsewhere, "timestamp": ago(1)})
    savings.put(groups=[group(id=n, status="ACTIVE", current_round=2) for n in (1, 2)], **world)

    savings.run("update-group-statuses")

    assert savings.rows("groups", "status") == ["ACTIVE", "ACTIVE"]


@pytest.mark.defect("SG-B6")
def test_one_step_a_run_and_members_hear_of_each_once(savings: Savings) -> None:
    savings.put(
        groups=[group(total_rounds=1, current_round=0)],
        **people(HAD, HAD, paid={1: "CONFIRMED", 2: "CONFIRMED"}, round_=1),
    )

    first = savings.run("update-group-statuses")
    assert savings.rows("groups", "status", "current_round") == [("ACTIVE", 1)]
    assert savings.rows("groups", "activated_at")[0] == savings.rows("groups", "start_date")[0] is not None
    second = savings.run("update-group-statuses")
    third = savings.run("update-group-statuses")

    assert [(each["counts"]["activated"], each["counts"]["completed"]) for each in (first, second, third)] == [
        (1, 0),
        (0, 1),
        (0, 0),
    ]
    assert sorted(savings.rows("outbox", "dedupe_key")) == ["1:group.activated", "1:group.completed"]


@pytest.mark.defect("SG-B10")
def test_what_a_person_should_look_at_is_named(savings: Savings) -> None:
    savings.put(
        groups=[
            group(id=1, created_at=ago(31), contract_address=""),
            group(id=2, status="ACTIVE", current_round=1),
            group(id=3, total_rounds=-1),
        ],
        users=[{"id": 1}],
        contributions=[
            {
                "id": 1,
                "group_id": 2,
                "user_id": 1,
                "round_number": 1,
                "amount": "1",
                "status": "CONFIRMED",
                "timestamp": ago(8),
            }
        ],
    )

    result = savings.run("update-group-statuses")

    assert (result["details"]["inactive_ids"], result["details"]["stale_ids"]) == ([1], [2])
    assert result["counts"] == {"checked": 3, "activated": 0, "completed": 0, "conflict": 0, "invalid": 1}
    assert result["warnings"] == ["invalid_group: 3"]


def test_a_dry_run_moves_nobody(savings: Savings) -> None:
    savings.put(groups=[group()], **people({}, {}))
    before = savings.everything()

    assert savings.run("update-group-statuses", dry_run=True)["status"] == "dry_run"
    assert savings.everything() == before
