"""What the made-up data of every application must hold to."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from sqlalchemy import MetaData

from apps.database import connect
from apps.loading import dump
from apps.made_up import Expected


def counted(
    application: Any,
    expected: Expected,
    *,
    as_of: datetime,
    without: Collection[str] = (),
    arguments: Mapping[str, Mapping[str, Any]] | None = None,
    **options: Any,
) -> Expected:
    """Every job that the application has, run once: of what it counted, what is expected of it."""
    found = {}
    for job in application.rota.jobs:
        if job in without:
            continue
        given = {"arguments": arguments[job]} if arguments and job in arguments else {}
        result = application.run(job.partition("/")[2], as_of=as_of, **given, **options)
        assert result["status"] == "success", (job, result)
        found[job] = {name: result["counts"].get(name, 0) for name in expected.get(job, ())}
    return found


def rows_of(directory: Path, generator: Any, metadata: MetaData, settings: Any, **options: Any) -> str:
    """All rows of the small data set, and what is expected of them, as text."""
    engine = connect(f"sqlite:///{mkdtemp(dir=directory)}/data.db")
    expected = generator.fill(engine, settings, **options)
    rows = dump(engine, metadata)
    engine.dispose()
    return json.dumps([rows, expected], default=str)
