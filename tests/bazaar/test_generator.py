"""The made-up data: the same every time, and every job counts about it what was planted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from apps.bazaar import generator
from apps.bazaar.settings import Settings
from apps.bazaar.tables import metadata
from tests.bazaar.conftest import NOW, Bazaar
from tests.generated import counted, rows_of

# A working day, the day of a clock change in Europe, and the day after a leap day of the past.
MOMENTS = [
    NOW,
    datetime.fromisoformat("2026-10-25T01:30:00+00:00"),
    datetime.fromisoformat("2028-02-29T08:00:00+00:00"),
]


@pytest.mark.parametrize("as_of", MOMENTS)
def test_every_job_counts_what_was_planted_and_then_has_no_more_to_do(bazaar: Bazaar, as_of: datetime) -> None:
    settings = Settings(uploads=bazaar.uploads)
    expected = generator.fill(bazaar.engine, settings, as_of=as_of)

    assert counted(bazaar, expected, as_of=as_of) == expected
    done = bazaar.everything()
    counted(bazaar, expected, as_of=as_of)
    assert bazaar.everything() == done


def test_equal_arguments_give_equal_data_and_another_seed_does_not(tmp_path: Path) -> None:
    def make(seed: int) -> str:
        return rows_of(tmp_path, generator, metadata, Settings(), seed=seed, as_of=NOW)

    assert make(42) == make(42) != make(7)


def test_files_have_rows_but_for_a_few_and_rows_have_files(bazaar: Bazaar) -> None:
    generator.fill(bazaar.engine, Settings(uploads=bazaar.uploads), as_of=NOW)

    told, there = set(bazaar.rows("uploads", "path")), {path.name for path in bazaar.uploads.iterdir()}

    assert there - told == {"untracked-0.png"}
    assert len(told - there) <= 2
