"""An application that runs alone, and all of them, on one ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.application import application
from rota import Blueprint, cron


def blueprint(name: str) -> Blueprint:
    made = Blueprint(name)

    @made.job("nightly", schedule=cron("0 2 * * *", tz="UTC"))
    def nightly() -> None: ...

    return made


def test_one_alone_leaves_the_schedules_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTA_DATABASE", f"sqlite:///{tmp_path}/ledger.db")

    def names(*blueprints: Blueprint) -> list[str]:
        rota = application(*blueprints)
        rota.prepare()
        found = sorted(schedule.name for schedule in rota.schedules.page())
        rota.close()
        return found

    both = names(blueprint("one"), blueprint("two"))

    assert names(blueprint("one")) == both == ["one/nightly", "two/nightly"]
