"""What cannot be meant is refused where it is written, with what to write instead."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from rota import Retry, Rota, every
from rota.clock import ManualClock
from rota.errors import ConfigError, PayloadError, RotaError
from rota.testing import run_due

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("policies", "hint"),
    [
        ({"priority": "high"}, "whole number"),
        ({"priority": 1.5}, "whole number"),
        ({"priority": True}, "whole number"),
        ({"priority": 10**30}, "1,000,000"),
        ({"queue": ""}, "name of a queue"),
        ({"queue": 3}, "name of a queue"),
        ({"sends": "yes"}, "True or False"),
        ({"concurrency": "4"}, "from 1 to"),
        ({"timeout": 0}, "None is no limit"),
        ({"timeout": "0s"}, "None is no limit"),
        ({"concurrency": 0}, "from 1 to"),
        ({"environments": "prod"}, r'\["production"\]'),
        ({"catch_up": "latst"}, "latest, none, all"),
        ({"overlap": "skp"}, "skip"),
        ({"schedule": "0 9 * * *"}, r"cron\('0 9 \* \* \*'\)"),
        ({"schedule": 10}, "every"),
        ({"concurrency_key": "shop"}, "function"),
        ({"retry": "3"}, "attempts"),
        ({"retrys": 3}, "retry"),
        ({"executor": "process", "memory": "1KB"}, "at least 32 MB"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_with_what_to_write(policies: dict[str, Any], hint: str) -> None:
    rota = Rota("sqlite:///unused.db")

    with pytest.raises(ConfigError) as refused:
        rota.job("work", **policies)

    assert re.search(hint, refused.value.hint), refused.value.hint
    assert rota.jobs == {}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"priority": "high"}, "priority='high' cannot be used"),
        ({"priority": 1.5}, "priority=1.5"),
        ({"queue": 3}, "queue=3"),
        ({"queue": "a\0b"}, "NUL"),
        ({"key": 7}, "key=7"),
        ({"key": "a\0b"}, "NUL"),
        ({"key": "half \ud800"}, "surrogate pair"),
        ({"by": 1}, "by=1"),
        ({"by": "\udfff"}, "surrogate pair"),
        ({"dry_run": "yes"}, "dry_run='yes'"),
        ({"at": "2026-12-01T10:00"}, "at='2026-12-01T10:00'"),
        ({"at": datetime(2026, 1, 1)}, "at=datetime.datetime"),  # noqa: DTZ001 - that is the point
        ({"at": NOON, "delay": 5}, "at= and delay= were both given"),
        ({"delay": -1}, "negative"),
        ({"delay": "soon"}, "not a duration"),
        ({"delay": True}, "delay=True"),
        ({"delay": float("inf")}, "thousand years"),
        ({"debounce": 5}, "debounce= needs a key="),
        ({"debounce": "x", "key": "k"}, "not a duration"),
        ({"debounce": 5, "key": "k", "delay": 5}, "delay= and debounce= were both given"),
        ({"wait": "for ever"}, "not a duration"),
        ({"wait": True, "connection": "mine"}, "connection= and wait= were both given"),
        ({"kee": "k"}, "there is no 'kee' to give"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_meant_is_refused_where_it_is_given(options: dict[str, Any], told: str) -> None:
    rota = Rota("sqlite:///unused.db")
    work = rota.job("work")(lambda: None)

    for give in (work.options, rota.options, work.options(priority=1).options):
        with pytest.raises(ConfigError) as refused:
            give(**options)
        assert told in str(refused.value)
        assert refused.value.hint or "negative" in told or "thousand" in told


def test_options_given_later_stand_over_earlier_ones(sqlite_url: str) -> None:
    rota = Rota(sqlite_url, clock=ManualClock())
    work = rota.job("work")(lambda: None)

    by_anna = work.options(by="anna", priority=3)
    record = by_anna.options(priority=5).enqueue().record()

    assert (record.asked_by, record.priority) == ("anna", 5)
    assert by_anna.enqueue().record().priority == 3
    rota.close()


def test_a_schedule_whose_job_needs_more_than_it_is_given_is_refused_where_it_is_declared() -> None:
    rota = Rota("sqlite:///unused.db")

    with pytest.raises(PayloadError, match="needs the argument shop"):

        @rota.job("sync", schedule=every("1h"))
        def sync(shop: str) -> None: ...


def test_the_first_enqueue_gives_an_empty_database_its_tables(database_url: str) -> None:
    rota = Rota(database_url, clock=ManualClock())
    work = rota.job("work")(lambda: None)

    handle = work.enqueue()

    assert handle.state == "available"
    assert [run.id for run in run_due(rota)] == [handle.id]


def test_settings_hold_for_an_application_that_names_its_own_database(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTA_ENVIRONMENT", "production")
    monkeypatch.setenv("ROTA_WORKER__THREADS", "3")
    monkeypatch.setenv("ROTA_DATABASE", "sqlite:////somewhere/else.db")

    settings = Rota(sqlite_url, schema="jobs").settings

    assert (settings.database.url, settings.database.schema) == (sqlite_url, "jobs")
    assert (settings.environment, settings.node.threads) == ("production", 3)
    assert settings.origins["database.url"] == settings.origins["database.schema"] == "code"
    assert settings.origins["environment"] == "ROTA_ENVIRONMENT"


def test_a_traceback_shows_what_to_do() -> None:
    assert RotaError("it is wrong", hint="Mend it.").__notes__ == ["Hint: Mend it."]


@pytest.mark.parametrize(("policy", "hint"), [("destructive", "run.dry_run"), ("sends", "run.muted")])
def test_a_body_that_cannot_know_of_staging_is_refused_where_that_matters(policy: str, hint: str) -> None:
    rota = Rota("sqlite:///unused.db")

    with pytest.raises(ConfigError, match="takes no run") as refused:
        rota.job("job", **{policy: True})(lambda: None)

    assert hint in refused.value.hint
    rota.job("knows", **{policy: True})(lambda run: None)


@pytest.mark.parametrize("given", [{"attempts": "3"}, {"attempts": 1.5}, {"factor": "2"}, {"jitter": True}])
def test_a_retry_counts_in_numbers(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is no number"):
        Retry(**given)


def test_a_dry_run_of_a_body_that_cannot_know_it_is_refused(database_url: str) -> None:
    rota = Rota(database_url)
    rota.job("job")(lambda: None)

    dry = rota.options(dry_run=True)
    for ask in (dry.enqueue, dry.trigger, lambda job: dry.enqueue_many(job, [{}])):
        with pytest.raises(ConfigError, match="cannot know that this one is dry"):
            ask("job")
    assert rota.runs.page() == []
    rota.close()
