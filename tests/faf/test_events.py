"""What other programs hear of the jobs, in their words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.faf.events import follow
from tests.faf.conftest import Faf

Heard = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def heard(faf: Faf) -> Heard:
    found: Heard = []
    follow(faf.rota, lambda name, payload: found.append((name, dict(payload))))
    return found


def names(heard: Heard) -> list[str]:
    return [name for name, _ in heard]


def test_a_run_is_told_of_when_it_begins_and_once_when_it_ends(faf: Faf, heard: Heard) -> None:
    faf.run("cleanup")

    assert names(heard) == ["job-started", "job-completed", "cleanup-job-completed"]
    (_, started), (_, completed), (_, of_cleanup) = heard
    assert started["type"] == "cleanup"
    assert started["job_id"] == completed["job_id"] == of_cleanup["job_id"]
    assert (completed["status"], completed["stats"]) == ("success", of_cleanup["stats"])
    assert "expired" in completed["stats"]
    assert completed["duration"] >= 0


def test_one_that_fails_is_told_of_after_its_last_try(faf: Faf, heard: Heard) -> None:
    with faf.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE health_samples")

    faf.run_any("health-check")

    assert names(heard) == ["job-failed", "health-check-failed"]
    assert heard[0][1]["job_type"] == "health-check"
    assert "health_samples" in heard[0][1]["error"]


def test_what_is_newly_wrong_is_told(open_faf: Callable[..., Faf]) -> None:
    faf = open_faf(smtp_port=1)  # nobody listens there
    found: Heard = []
    follow(faf.rota, lambda name, payload: found.append((name, dict(payload))))

    faf.run("health-check")

    assert names(found) == ["alerts-triggered", "health-check-completed", "job-completed"]
    assert [each["check"] for each in found[0][1]["alerts"]] == ["mail"]


@pytest.mark.defect("FF-B8")
def test_much_memory_is_told(open_faf: Callable[..., Faf]) -> None:
    faf = open_faf(max_memory_mb=64)  # less than a Python with this suite takes
    found: Heard = []
    follow(faf.rota, lambda name, payload: found.append((name, dict(payload))))

    faf.run("cleanup")

    assert names(found)[:2] == ["job-started", "high-memory-usage"]
    assert found[1][1]["usage_percent"] > 80


def test_a_listener_that_raises_harms_no_job(faf: Faf) -> None:
    def fail(name: str, payload: Any) -> None:
        raise RuntimeError(name)

    follow(faf.rota, fail)

    assert faf.run("cleanup")["status"] == "success"
