"""What the made-up data of every application must hold to."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import MetaData

from apps.database import connect
from apps.loading import dump
from apps.made_up import Expected


def runs_as_expected(application: Any, name: str, expected: Expected, *, as_of: datetime, **options: Any) -> None:
    """Every job that the application has counts what is expected; run again, it changes no row."""
    jobs = {job.name for job in application.rota.jobs.values()}
    assert set(expected) == jobs
    for job, counts in expected.items():
        result = application.run(job.removeprefix(f"{name}/"), as_of=as_of, **options)
        assert (job, result["status"]) == (job, "success")
        assert (job, {count: result["counts"].get(count, 0) for count in counts}) == (job, counts)
    done = application.everything()
    for job in expected:
        assert application.run(job.removeprefix(f"{name}/"), as_of=as_of, **options)["status"] == "success"
    assert application.everything() == done


def rows_of(directory: Path, generator: Any, metadata: MetaData, settings: Any, **options: Any) -> str:
    """All rows of the small data set, and what is expected of them, as text."""
    engine = connect(f"sqlite:///{mkdtemp(dir=directory)}/data.db")
    expected = generator.fill(engine, settings, **options)
    rows = dump(engine, metadata)
    engine.dispose()
    return json.dumps([rows, expected], default=str)
