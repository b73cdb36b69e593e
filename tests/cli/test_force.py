"""`--force`, wherever a person runs a job that is off in this environment."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shop

EVERY_WAY = pytest.mark.parametrize(
    "command",
    [
        ("job", "run", "shop/elsewhere"),
        ("schedule", "run", "shop/elsewhere"),
        ("schedule", "backfill", "shop/elsewhere", "--from", "-3h"),
    ],
    ids=" ".join,
)


@pytest.fixture
def laptop(shop_anywhere: Shop) -> Shop:
    """Where the job is off."""
    object.__setattr__(shop_anywhere.app.settings, "environment", "laptop")
    return shop_anywhere


@EVERY_WAY
def test_what_is_off_here_is_run_with_force_alone(laptop: Shop, command: tuple[str, ...]) -> None:
    refused = laptop.rota(*command)
    forced = laptop.rota(*command, "--force")

    assert (refused.exit_code, forced.exit_code) == (5, 0)
    assert "off in the environment 'laptop'\nHint: To run it all the same, give --force" in refused.stderr
    assert "run.forced" in laptop.rota("run", "show", "1").stdout


def test_a_backfill_that_is_only_told_needs_no_force(laptop: Shop) -> None:
    command = ("schedule", "backfill", "shop/elsewhere", "--from", "-3h", "--dry-run")

    assert laptop.rota(*command).exit_code == 0
