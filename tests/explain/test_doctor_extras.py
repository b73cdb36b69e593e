"""What the doctor says of the extras: one is there if all that it installs is."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from rota import Rota, __version__
from rota.explain import doctor
from rota.explain.doctor import examine
from rota.explain.finding import Finding, Severity


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (set(), "postgres installed"),
        ({"psycopg_pool"}, "postgres without psycopg_pool"),
        ({"psycopg"}, "postgres without psycopg"),
        ({"psycopg", "psycopg_pool"}, "postgres not installed"),
    ],
)
def test_an_extra_is_installed_if_all_of_it_is(
    rota: Rota, monkeypatch: pytest.MonkeyPatch, missing: set[str], said: str
) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in missing else find_spec(name))

    def told(url: str) -> Finding:
        return next(each for each in examine(rota.store, url, __version__) if each.kind == "extras")

    assert told("sqlite:///x").text.startswith(said)
    assert told("sqlite:///x").severity is Severity.INFO
    assert told("postgresql://x").severity is (Severity.PROBLEM if missing else Severity.INFO)
