from __future__ import annotations

from typing import Any

import pytest

from rota.errors import ConfigError
from rota.model.retry import Retry


@pytest.mark.defect("ALL-2")
def test_the_wait_grows_by_its_factor_up_to_its_cap() -> None:
    retry = Retry(attempts=10, base=5, factor=2, cap=60, jitter=0)

    assert [retry.delay(failures) for failures in range(1, 7)] == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize("jitter", [0.0, 0.2, 1.0])
def test_jitter_stays_inside_its_share(jitter: float) -> None:
    retry = Retry(base=100, factor=1, jitter=jitter)
    delays = [retry.delay(1) for _ in range(300)]

    assert min(delays) >= 100 * (1 - jitter)
    assert max(delays) <= 100 * (1 + jitter)
    assert jitter == 0 or max(delays) - min(delays) > 100 * jitter


@pytest.mark.defect("ALL-2")
def test_delays_are_taken_one_by_one_and_the_last_one_repeats() -> None:
    retry = Retry(delays=["1s", 10, "1m"], base=999)

    assert [retry.delay(failures) for failures in range(1, 6)] == [1, 10, 60, 60, 60]


@pytest.mark.parametrize("factor", [1.5, 10.0, 1e6, 1e100])
def test_a_wait_is_finite_after_any_number_of_failures(factor: float) -> None:
    retry = Retry(attempts=10**6, factor=factor, cap="1h", jitter=0)

    assert retry.delay(10**6) == 3_600


@pytest.mark.parametrize(
    ("policies", "error", "allowed"),
    [
        ({}, ValueError(), True),
        ({}, SystemExit(), False),
        ({"on": (OSError,)}, ConnectionError(), True),
        ({"on": (OSError,)}, ValueError(), False),
        ({"never": (ValueError,)}, UnicodeError(), False),
        ({"never": (ValueError,)}, OSError(), True),
        ({"on": (Exception,), "never": (OSError,)}, ConnectionError(), False),
        ({"on": OSError}, ConnectionError(), True),
        ({"on": [OSError, KeyError], "never": [ConnectionError]}, KeyError(), True),
        ({"on": [OSError, KeyError], "never": [ConnectionError]}, ConnectionError(), False),
    ],
)
def test_which_errors_are_tried_again(policies: dict[str, Any], error: BaseException, allowed: bool) -> None:
    assert Retry(**policies).allows(error) is allowed


@pytest.mark.parametrize(
    "policies",
    [
        {"attempts": 0}, {"attempts": -1}, {"jitter": -0.1}, {"jitter": 1.1}, {"base": -1}, {"cap": "soon"},
        {"delays": [1, -1]}, {"factor": 0.5}, {"factor": float("nan")}, {"on": ("ValueError",)},
        {"never": (ValueError(),)},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_where_it_is_written(policies: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Retry(**policies)
