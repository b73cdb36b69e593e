"""What the applications' pages show of their jobs, in the shapes that were promised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import apps.bazaar
import apps.codenotify
import apps.faf
import apps.learn
import apps.savings
from apps.bazaar import status as bazaar
from apps.bazaar.blueprint import make_blueprint as bazaar_jobs
from apps.bazaar.settings import Settings as BazaarSettings
from apps.bazaar.tables import metadata
from apps.codenotify import status as codenotify
from apps.codenotify.blueprint import make_blueprint as codenotify_jobs
from apps.codenotify.services import Services
from apps.codenotify.settings import ENDPOINTS
from apps.codenotify.settings import Settings as CodeNotifySettings
from apps.demo.contest_server import ContestServer
from apps.faf import status as faf
from apps.faf.blueprint import make_blueprint as faf_jobs
from apps.faf.settings import Settings as FafSettings
from apps.learn import status as learn
from apps.learn.blueprint import make_blueprint as learn_jobs
from apps.learn.settings import Settings as LearnSettings
from apps.own_tables import open_database
from apps.standing import camel
from rota import Blueprint, Rota
from rota.errors import ConfigError, ConflictError, NotFoundError
from rota.recipes import bind, engine_of, writing
from rota.testing import ManualClock, run_due

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
Open = Callable[[Blueprint], Rota]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def opened(tmp_path: Path, clock: ManualClock) -> Iterator[Open]:
    apps: list[Rota] = []

    def open_(blueprint: Blueprint) -> Rota:
        apps.append(Rota(f"sqlite:///{tmp_path}/ledger.db", clock=clock))
        apps[-1].include(blueprint)
        apps[-1].prepare()
        return apps[-1]

    yield open_
    for app in apps:
        app.close()


@pytest.fixture
def bazaar_rota(opened: Open, tmp_path: Path) -> Iterator[Rota]:
    settings = BazaarSettings(database_url=f"sqlite:///{tmp_path}/bazaar.db")
    rota = opened(bazaar_jobs(settings))
    engine = open_database(settings, metadata)
    bind(metadata, engine)
    yield rota
    engine.dispose()


@pytest.mark.defect("MB-B1", "MB-B11", "LP-B8")
def test_a_job_says_when_it_ran_and_will_run_and_what_came_of_it(bazaar_rota: Rota) -> None:
    before = bazaar.job_status(bazaar_rota, "cleanup-invitations")
    assert before is not None
    assert (before["last_run"], before["last_result"], before["is_running"]) == (None, None, False)
    assert before["schedule"] == "0 2 * * *"
    assert before["next_run"] == "2026-11-28T02:00:00+00:00"

    run_id = bazaar.run_now(bazaar_rota, "cleanup-invitations", "anna")
    run_due(bazaar_rota)
    after = bazaar.job_status(bazaar_rota, "cleanup-invitations")

    assert bazaar_rota.runs.get(run_id).asked_by == "anna"
    assert after is not None
    assert (after["last_run"], after["last_result"]["success"]) == ("2026-11-27T12:00:00+00:00", True)
    assert after["last_result"]["details"]["counts"]["deleted_count"] == 0
    assert set(camel(after)) == {
        "name", "description", "enabled", "isRunning", "schedule", "lastRun", "nextRun", "lastResult",
    }  # fmt: skip


@pytest.mark.defect("LP-B13")
def test_a_job_that_is_not_there_has_no_status_and_cannot_be_run(bazaar_rota: Rota) -> None:
    assert bazaar.job_status(bazaar_rota, "nothing") is None
    with pytest.raises(NotFoundError) as caught:
        bazaar.run_now(bazaar_rota, "nothing", "anna")

    assert "bazaar/cleanup-invitations" in caught.value.hint
    statistics = bazaar.job_statistics(bazaar_rota)
    assert statistics["total_jobs"] == statistics["enabled_jobs"] == len(statistics["jobs"])


@pytest.mark.defect("LP-B11", "LP-B12", "LP-B4")
def test_a_job_that_is_off_has_not_failed(opened: Open, tmp_path: Path) -> None:
    rota = opened(learn_jobs(LearnSettings(database_url=f"sqlite:///{tmp_path}/learn.db")))

    found = learn.status(rota)

    assert (found["total_jobs"] - found["active_jobs"], found["failed_jobs"]) == (1, 0)
    assert found["services"]["analytics_scheduler"] is True
    assert found["services"]["cron_job_service"] is False
    assert set(learn.detailed_status(rota)) >= {
        "scheduler",
        "analytics",
        "session_cleanup",
        "log_pruning",
        "secret_rotation",
    }
    assert found["services"]["secret_rotation"] is True


@pytest.mark.defect("LP-B1")
@pytest.mark.parametrize("environment", ["production", "staging"])
def test_after_the_start_every_job_of_the_environment_has_a_next_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setenv("LEARN_LOG_DIR", str(tmp_path))
    rota = Rota(f"sqlite:///{tmp_path}/ledger.db", clock=ManualClock(NOW), environment=environment)
    for each in (apps.bazaar, apps.codenotify, apps.faf, apps.learn, apps.savings):
        rota.include(each.jobs())
    rota.prepare()

    waiting = {name for name in rota.declared_schedules if rota.schedules.next_fires(name, 1)}

    assert waiting == {name for name in rota.declared_schedules if rota.jobs[name].enabled_in(environment)}
    assert {name.partition("/")[0] for name in waiting} == {"bazaar", "codenotify", "faf", "learn", "savings"}
    assert learn.status(rota)["active_jobs"] == sum(name.startswith("learn/") for name in waiting)
    rota.close()


@pytest.mark.defect("LP-B13", "FF-B13", "LP-B8")
def test_a_trigger_gives_a_run_at_once_that_says_who_asked_and_a_wrong_name_is_told_those_there_are(
    opened: Open, tmp_path: Path
) -> None:
    rota = opened(learn_jobs(LearnSettings(database_url=f"sqlite:///{tmp_path}/learn.db")))

    run = rota.runs.get(learn.trigger(rota, "daily-analytics-updates", "anna"))

    assert (run.state, run.started_at, run.asked_by) == ("available", None, "anna")
    with pytest.raises(NotFoundError) as caught:
        learn.trigger(rota, "nothing", "anna")
    assert "learn/daily-analytics-updates" in caught.value.hint


@pytest.mark.defect("MB-B10")
def test_a_job_that_was_stopped_is_no_success_though_its_run_is_over(bazaar_rota: Rota) -> None:
    with writing(engine_of(metadata.tables["users"])) as connection:
        users = [{"id": 1, "email": "a@x.org", "created_at": NOW - timedelta(days=900)}]
        connection.execute(metadata.tables["users"].insert(), users)
        old = [{"id": n, "user_id": 1, "token": f"t{n}", "created_at": NOW - timedelta(days=100)} for n in range(1_001)]
        connection.execute(metadata.tables["push_tokens"].insert(), old)

    bazaar.run_now(bazaar_rota, "cleanup-push-tokens", "anna")
    run_due(bazaar_rota)

    found = bazaar.job_status(bazaar_rota, "cleanup-push-tokens")
    assert found is not None
    assert found["last_result"]["success"] is False


@pytest.mark.defect("FF-B13", "ALL-3")
def test_the_history_is_told_newest_first_and_filtered(opened: Open, tmp_path: Path) -> None:
    settings = FafSettings(database_url=f"sqlite:///{tmp_path}/faf.db")
    rota = opened(faf_jobs(settings, lambda: rota))
    first = rota.trigger("faf/health-check").id
    second = rota.trigger("faf/cleanup").id
    run_due(rota)

    assert [run["job_id"] for run in faf.history(rota)] == [second, first]
    assert [run["type"] for run in faf.history(rota, job_type="cleanup", status="succeeded")] == ["cleanup"]
    assert faf.history(rota, status="failed") == []
    metrics = faf.metrics(rota)
    assert (metrics["total_jobs_run"], metrics["total_jobs_failed"], metrics["last_job_status"]) == (2, 0, "succeeded")
    assert faf.detailed_metrics(rota, settings)["config"]["timezone"] == "Europe/Paris"
    assert {job["name"] for job in faf.status(rota)["cron_jobs"]} >= {"cleanup", "health-check"}
    for limit in (0, -1, 501):
        with pytest.raises(ConfigError, match="limit"):
            faf.history(rota, limit=limit)


@pytest.fixture
def contests(opened: Open, tmp_path: Path) -> Iterator[tuple[Rota, ContestServer]]:
    """CodeNotify, and the four platforms that it asks."""
    with ContestServer(lambda _: [], lambda: NOW) as server:
        endpoints = {name: replace(each, url=server.url(name), min_interval_s=0.0) for name, each in ENDPOINTS.items()}
        url = f"sqlite:///{tmp_path}/codenotify.db"
        settings = CodeNotifySettings(database_url=url, endpoints=endpoints, retry_delays_s=())
        services = Services.of(settings, now=lambda: NOW)
        yield opened(codenotify_jobs(settings, lambda: services)), server
        services.close()


@pytest.mark.parametrize(
    ("down", "health", "said"),
    [
        ([], "HEALTHY", "success"),
        (["codechef"], "DEGRADED", "partial"),
        (["codeforces", "leetcode", "codechef", "atcoder", "kenkoooo"], "UNHEALTHY", "failed"),
    ],
)
def test_codenotify_is_as_well_as_its_last_sync(
    contests: tuple[Rota, ContestServer], clock: ManualClock, down: list[str], health: str, said: str
) -> None:
    rota, server = contests
    assert codenotify.status(rota)["health"] == "HEALTHY"
    for name in down:
        server.scenario(name, "unavailable")

    run_id = codenotify.sync_all(rota, "anna", force=True)
    for _ in range(3):  # one that failed is tried three times
        run_due(rota)
        clock.advance(seconds=10)

    found = codenotify.status(rota)
    assert rota.runs.get(run_id).asked_by == "anna"
    assert found["health"] == health
    assert codenotify.log(rota, "sync-contests")[0]["status"] == said
    alerts = {each["alert"] for each in found["alerts"] if each["job"] == "sync-contests"}
    assert ("failure" in alerts) == bool(down)
    assert set(codenotify.metrics(rota)["sync-contests"]) == {"runs", "duration", "success_rate", "errors", "items"}


def test_a_job_of_codenotify_is_stopped_and_started(contests: tuple[Rota, ContestServer]) -> None:
    rota, _ = contests
    codenotify.stop(rota, "cleanup-old-data", "anna")
    with pytest.raises(ConflictError):
        codenotify.stop(rota, "cleanup-old-data", "anna")
    stopped = {job["name"]: job for job in codenotify.status(rota)["jobs"]}
    codenotify.start(rota, "cleanup-old-data", "anna")
    started = {job["name"]: job for job in codenotify.status(rota)["jobs"]}

    assert stopped["cleanup-old-data"]["next_run"] is None
    assert started["cleanup-old-data"]["next_run"] == "2026-11-28T02:00:00+00:00"
    for act in (codenotify.stop, codenotify.start):
        with pytest.raises(NotFoundError):
            act(rota, "nothing", "anna")
