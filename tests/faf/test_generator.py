"""The made-up data: the same every time, and every job counts about it what was planted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps.demo.mail_catcher import MailCatcher
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


SENDERS = {generator.CAMPAIGN, generator.RETRY, generator.REMINDERS}
"""They need a mail server."""


def left(faf: Faf) -> dict[str, Any]:
    """All but what was measured: that is another sample each time."""
    return {name: rows for name, rows in faf.everything().items() if name != "health_samples"}


@pytest.mark.parametrize("as_of", MOMENTS)
def test_every_job_counts_what_was_planted_and_then_has_no_more_to_do(faf: Faf, as_of: datetime) -> None:
    expected = generator.fill(faf.engine, faf.settings, as_of=as_of)

    found = counted(faf, expected, as_of=as_of, without=SENDERS)
    assert found == {job: counts for job, counts in expected.items() if job not in SENDERS}
    done = left(faf)
    counted(faf, expected, as_of=as_of, without=SENDERS)
    assert left(faf) == done


@pytest.mark.parametrize("as_of", [None, MOMENTS[2]])
def test_each_letter_is_counted_and_sent_once(
    open_faf: Callable[..., Faf], tmp_path: Path, as_of: datetime | None
) -> None:
    with MailCatcher(tmp_path / "mails") as mails:
        faf = open_faf(smtp_host="127.0.0.1", smtp_port=mails.port)
        now = as_of or datetime.now(UTC)
        expected = generator.fill(faf.engine, faf.settings, as_of=now)

        assert counted(faf, expected, as_of=now, due=now) == expected
        letters = sum(expected[job]["sent"] for job in SENDERS)
        assert mails.count == letters > 20
        counted(faf, expected, as_of=now, due=now)
        assert mails.count == letters


def test_equal_arguments_give_equal_data_and_another_seed_does_not(tmp_path: Path) -> None:
    def make(seed: int) -> str:
        return rows_of(tmp_path, generator, metadata, Settings(), seed=seed, as_of=NOW)

    assert make(42) == make(42) != make(7)
