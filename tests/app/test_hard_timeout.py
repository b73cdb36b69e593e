"""What `hard_timeout` means for a job that does not say when its body is told to stop."""

from __future__ import annotations

import pytest

from rota import Rota
from rota.errors import ConfigError
from rota.model.policy import DEFAULT_TIMEOUT


def nothing() -> None: ...


def timeout_of(**policies: object) -> float | None:
    app = Rota("sqlite:///nowhere.db")
    app.job("apart", executor="process", **policies)(nothing)  # type: ignore[call-overload]
    return app.jobs["apart"].timeout


def test_one_below_the_default_timeout_bounds_it() -> None:
    assert timeout_of(hard_timeout="1m") == 60.0


def test_one_above_the_default_timeout_leaves_it() -> None:
    assert timeout_of(hard_timeout="1h") == DEFAULT_TIMEOUT


def test_a_timeout_that_is_given_stays_as_it_is() -> None:
    assert timeout_of(hard_timeout="1m", timeout="30s") == 30.0
    assert timeout_of(hard_timeout="1m", timeout=None) is None


def test_a_longer_timeout_that_is_given_is_refused() -> None:
    with pytest.raises(ConfigError, match="killed after 60 s, before it is told to stop at 90 s") as refused:
        timeout_of(hard_timeout="1m", timeout="90s")

    assert "or none at all" in refused.value.hint
