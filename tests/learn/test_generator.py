"""The made-up data: the same every time, and every job counts about it what was planted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from apps.learn import generator
from apps.learn.session_keys import ENDING, LOGGED_IN
from apps.learn.sessions import DB
from apps.learn.settings import Settings
from apps.learn.tables import metadata
from tests.generated import counted, rows_of
from tests.learn.conftest import Learn
from tests.learn.helpers import MIDNIGHT

# A midnight of work, the day of a clock change in Europe, and a leap day.
MOMENTS = [
    MIDNIGHT,
    datetime.fromisoformat("2026-10-25T00:00:00+00:00"),
    datetime.fromisoformat("2028-02-29T00:00:00+00:00"),
]


@pytest.mark.parametrize("as_of", MOMENTS)
def test_every_job_counts_what_was_planted_and_then_has_no_more_to_do(
    learn: Learn, as_of: datetime, valkey_port: int
) -> None:
    redis = Redis(port=valkey_port, db=DB, decode_responses=True)

    def everything() -> dict[str, Any]:
        return {
            **learn.everything(),
            "files": sorted(path.name for path in learn.logs.iterdir()),
            "keys": {key: redis.type(key) for key in sorted(redis.keys())},
        }

    settings = Settings(logs=learn.logs, redis_url=f"redis://localhost:{valkey_port}")
    expected = generator.fill(learn.engine, settings, as_of=as_of, with_redis=True)
    given = {"as_of": as_of, "due": as_of, "arguments": {ENDING: {"user_id": LOGGED_IN}}}

    assert counted(learn, expected, **given) == expected
    done = everything()
    counted(learn, expected, **given)
    assert everything() == done


def test_equal_arguments_give_equal_data_and_another_seed_does_not(tmp_path: Path) -> None:
    def make(seed: int) -> str:
        return rows_of(tmp_path, generator, metadata, Settings(), seed=seed, as_of=MIDNIGHT)

    assert make(42) == make(42) != make(7)


def test_nothing_that_is_made_up_takes_the_room_that_it_claims(learn: Learn) -> None:
    generator.fill(learn.engine, Settings(logs=learn.logs), as_of=MIDNIGHT)

    files = [path.stat() for path in learn.logs.iterdir()]
    assert sum(file.st_size for file in files) > 100_000_000 > 100 * sum(file.st_blocks * 512 for file in files)
