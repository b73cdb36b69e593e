from __future__ import annotations

from pathlib import Path

import pytest

from rota.cli.application import load_attribute
from rota.errors import ConfigError, DuplicateJobError


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")  # puts sys.path back afterwards
    return tmp_path


def test_the_working_directory_is_searched(place: Path) -> None:
    (place / "shop_here.py").write_text("class jobs:\n    rota = 7")

    assert load_attribute("shop_here:jobs.rota") == 7


@pytest.mark.parametrize("spec", ["shop", "shop:", ":rota", "", ":"])
def test_what_is_not_module_and_attribute_is_refused_with_the_form(spec: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_attribute(spec)

    assert "module:attribute" in caught.value.hint


@pytest.mark.parametrize("spec", ["shop_none:rota", "shop_none.jobs:rota"])
def test_a_missing_module_is_named(spec: str) -> None:
    with pytest.raises(ConfigError, match="there is no module 'shop_none'"):
        load_attribute(spec)


def test_a_missing_attribute_is_named_with_what_is_there(place: Path) -> None:
    (place / "shop_attr.py").write_text("class Rota: ...\nschedule, other = Rota(), 5")

    with pytest.raises(ConfigError, match="shop_attr has no attribute 'rota'; it has schedule"):
        load_attribute("shop_attr:rota")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("x = 1\n1 / 0", r"ZeroDivisionError: division by zero \(.*shop_bad.py, line 2\)"),
        ("import shop_missing", r"No module named 'shop_missing' \(.*shop_bad.py, line 1\)"),
        ("def broken(:", r"SyntaxError: .*shop_bad.py, line 1"),
    ],
)
def test_a_mistake_inside_the_module_is_told_with_its_place(
    place: Path, monkeypatch: pytest.MonkeyPatch, source: str, told: str
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    (place / "shop_bad.py").write_text(source)

    with pytest.raises(ConfigError, match=told) as caught:
        load_attribute("shop_bad:rota")

    assert "--debug" in caught.value.hint
    assert "\n" not in str(caught.value)


def test_a_mistake_that_we_find_in_a_job_is_told_as_it_is(place: Path) -> None:
    (place / "shop_twice.py").write_text(
        "from rota.errors import DuplicateJobError\nraise DuplicateJobError('two jobs are called sync')"
    )

    with pytest.raises(DuplicateJobError, match=r"^two jobs are called sync\nWhere: .*shop_twice.py, line 2$"):
        load_attribute("shop_twice:rota")
