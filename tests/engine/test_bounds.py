"""The start and the end of a schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota import Rota, cron, every
from rota.app.items import schedule_item
from rota.errors import ConfigError
from rota.model.schedule import Definition
from rota.model.settings import ScheduleSettings, Settings
from rota.testing import ManualClock, run_due
from tests.engine.helpers import verdicts

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
HALF = timedelta(minutes=30)
Open = Callable[..., Rota]


def standing(app: Rota) -> str:
    return str(schedule_item(app.schedules.get("job"))["state"])


def test_no_moment_before_its_start_or_after_its_end_is_due(app: Rota, clock: ManualClock) -> None:
    bounds = {"starts": NOON + timedelta(hours=2), "ends": NOON + timedelta(hours=4)}
    app.job("job", schedule=every("1h"), overlap="allow", catch_up="all", **bounds)(lambda: None)
    run_due(app)
    assert standing(app) == "not_before"
    early = app.why_schedule("job")

    for _ in range(6):
        clock.advance(hours=1)
        run_due(app)

    assert [moment for moment, _ in verdicts(app, "job")] == [
        "14:00:00",
        "15:00:00",
        "16:00:00",
    ]  # both ends belong to it
    assert "not before 2026-03-05 14:00:00" in early.summary
    assert "is over: it ended 2026-03-05 16:00:00" in app.why_schedule("job").summary
    assert standing(app) == "over"
    assert app.schedules.next_fires("job") == []


def test_what_was_missed_within_the_bounds_alone_is_made_up_for(app: Rota, clock: ManualClock) -> None:
    bounds = {"starts": NOON + timedelta(hours=2), "ends": NOON + timedelta(hours=4)}
    app.job("job", schedule=every("1h"), overlap="allow", catch_up="all", **bounds)(lambda: None)
    run_due(app)

    clock.advance(hours=20)
    run_due(app)

    assert [moment for moment, _ in verdicts(app, "job")] == ["14:00:00", "15:00:00", "16:00:00"]


@pytest.mark.parametrize(("at", "kind"), [(NOON + HALF * 2, "not_before"), (NOON + HALF * 10, "over")], ids=str)
def test_why_tells_of_a_moment_that_it_lies_beyond_the_bounds(app: Rota, at: datetime, kind: str) -> None:
    bounds = {"starts": NOON + timedelta(hours=2), "ends": NOON + timedelta(hours=4)}
    app.job("job", schedule=every("1h"), **bounds)(lambda: None)
    app.prepare()

    assert kind in [fact.kind for fact in app.why_schedule("job", at).facts]


def test_a_moved_end_counts_from_then_on_and_can_be_taken_away(app: Rota, clock: ManualClock) -> None:
    app.job("job")(lambda: None)
    run_due(app)
    app.schedules.add("job", "job", every("1h"), ends=NOON + HALF)
    assert standing(app) == "over"

    app.schedules.edit("job", by="anna", ends=NOON + timedelta(hours=1))
    clock.advance(hours=3)
    run_due(app)
    assert [moment for moment, _ in verdicts(app, "job")] == ["13:00:00"]
    app.schedules.edit("job", by="anna", ends=None)
    clock.advance(hours=1)
    run_due(app)

    assert [moment for moment, _ in verdicts(app, "job")] == ["13:00:00", "16:00:00"]


def test_a_backfill_keeps_to_the_bounds(app: Rota, clock: ManualClock) -> None:
    app.job("job", schedule=every("1h"), starts=NOON + timedelta(hours=2), overlap="allow")(lambda: None)
    run_due(app)
    clock.advance(hours=3)

    assert app.schedules.due_moments("job", NOON, NOON + timedelta(hours=3)) == [
        NOON + timedelta(hours=2),
        NOON + timedelta(hours=3),
    ]


def test_an_end_before_the_start_and_a_bound_without_a_zone_are_refused(lite: Rota) -> None:
    with pytest.raises(ConfigError, match="before it starts"):
        lite.job("job", schedule=every("1h"), starts=NOON, ends=NOON - HALF)(lambda: None)
    with pytest.raises(ConfigError, match="starts="):
        lite.job("other", schedule=every("1h"), starts=NOON.replace(tzinfo=None))(lambda: None)


def test_the_settings_may_give_them(open_app: Open, sqlite_ledger: str) -> None:
    settings = Settings(schedules={"job": ScheduleSettings(ends=NOON + HALF)})  # type: ignore[call-arg]
    app = open_app(sqlite_ledger, settings=settings)
    app.job("job", schedule=every("1h"))(lambda: None)
    app.prepare()

    assert Definition.from_json(app.schedules.get("job").definition).ends == NOON + HALF
    assert standing(app) == "over"


@pytest.mark.parametrize(
    "policies", [{"catch_up": "all"}, {"jitter": "5m"}, {"starts": NOON}, {"arguments": {"a": 1}}], ids=str
)
def test_a_policy_of_a_schedule_on_a_job_without_one_is_refused(lite: Rota, policies: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(policies))) as caught:
        lite.job("job", **policies)(lambda a=0: None)

    assert "schedule=" in caught.value.hint
    lite.job("job", schedule=cron("0 6 * * *"), **policies)(lambda a=0: None)
    lite.job("off", schedule=None, **policies)(lambda a=0: None)
