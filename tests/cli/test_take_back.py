"""`none` at the terminal takes a length or a moment of a schedule back, and `--help` says so."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shop

ADD = ("schedule", "add", "nightly", "--job", "shop/sync", "--every", "1h")


@pytest.mark.parametrize(
    ("option", "given", "told", "default"),
    [
        ("jitter", "5m", 300, 0),
        ("catch-up-window", "6h", 21_600, None),
        ("starts", "2026-01-01T00:00Z", "2026-01-01T00:00:00+00:00", None),
        ("ends", "2036-01-01T00:00Z", "2036-01-01T00:00:00+00:00", None),
    ],
)
def test_what_was_given_is_taken_back(
    shop_anywhere: Shop, option: str, given: str, told: object, default: object
) -> None:
    def value() -> object:
        return shop_anywhere.json("schedule", "show", "nightly")["policies"][option.replace("-", "_")]

    assert shop_anywhere.rota(*ADD, f"--{option}", given).exit_code == 0
    assert value() == told
    assert shop_anywhere.rota("schedule", "edit", "nightly", f"--{option}", "none").exit_code == 0
    assert value() == default


def test_one_is_made_with_none(shop_anywhere: Shop) -> None:
    assert shop_anywhere.rota(*ADD, "--jitter", "none").exit_code == 0


@pytest.mark.parametrize("command", ["add", "edit"])
def test_the_help_says_so(shop: Shop, command: str) -> None:
    told = shop.rota("schedule", command, "--help").stdout

    assert "--jitter DURATION|none" in told
    assert "--ends MOMENT|none" in told
