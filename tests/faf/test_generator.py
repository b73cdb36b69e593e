"""The made-up data: the same every time, and every job counts about it what was planted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from apps.faf import generator
from apps.faf.settings import Settings
from apps.faf.tables import metadata
from tests.faf.conftest import NOW, Faf
from tests.generated import counted, rows_of

# A working day, the day of a clock change in Europe, and the day after a leap day of the past.
MOMENTS = [
    NOW,
    datetime.fromisoformat("2026-10-25T01:30:00+00:00"),
    datetime.fromisoformat("2028-02-29T08:00:00+00:00"),
]


@pytest.mark.parametrize("as_of", MOMENTS)
def test_every_job_counts_what_was_planted_and_then_has_no_more_to_do(faf: Faf, as_of: datetime) -> None:
    expected = generator.fill(faf.engine, faf.settings, as_of=as_of)

    assert counted(faf, expected, as_of=as_of) == expected
    done = faf.everything()
    counted(faf, expected, as_of=as_of)
    assert faf.everything() == done


def test_equal_arguments_give_equal_data_and_another_seed_does_not(tmp_path: Path) -> None:
    def make(seed: int) -> str:
        return rows_of(tmp_path, generator, metadata, Settings(), seed=seed, as_of=NOW)

    assert make(42) == make(42) != make(7)
