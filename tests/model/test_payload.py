from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import PayloadError
from rota.model import payload

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(value=JSON)
def test_what_json_can_hold_comes_back_as_it_was(value: Any) -> None:
    text = payload.dump(value, "args")

    assert payload.load(text) == value
    assert payload.storable(text) == text  # and both databases can hold it


@pytest.mark.parametrize(
    ("value", "path", "hint"),
    [
        ({"user": {"born": date(2000, 1, 1)}}, "args.user.born", "isoformat"),
        ({"at": [1, datetime.now(UTC)]}, "args.at[1]", "isoformat"),
        ({"ids": {1, 2}}, "args.ids", "sorted"),
        ({"id": uuid4()}, "args.id", "str(uuid)"),
        ({"sum": Decimal(1)}, "args.sum", "str(amount)"),
        ({"file": Path("x")}, "args.file", "str(path)"),
        ({"raw": b"x"}, "args.raw", "base64"),
        ({"x": math.nan}, "args.x", "None"),
        ({"x": [[-math.inf]]}, "args.x[0][0]", "None"),
        ({(1, 2): 3}, "args.(1, 2) (the key)", "str(key)"),
        ({1: "a"}, "args.1 (the key)", "str(key)"),
        ({1: "a", "1": "b"}, "args.1 (the key)", "str(key)"),
        ({"1": "b", None: "a"}, "args.None (the key)", "str(key)"),
        ({"flags": [{"deep": ({True: 1},)}]}, "args.flags[0].deep[0].True (the key)", "str(key)"),
        ([[], {"{": {1.5: 1}}], "args[1].{.1.5 (the key)", "str(key)"),
        ([1, (2, object())], "args[1][1]", "Pass text"),
        ({"big": [10**5_000]}, "args.big[0]", "hex(number)"),
    ],
)
def test_what_json_cannot_hold_is_named_by_its_place_with_a_way_out(value: Any, path: str, hint: str) -> None:
    with pytest.raises(PayloadError) as caught:
        payload.dump(value, "args")

    assert caught.value.path == path
    assert hint in caught.value.hint


def test_keys_that_are_a_kind_of_text_are_kept_as_their_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert payload.load(payload.dump({Colour.RED: {Colour.RED: 1}, "a": 2}, "args")) == {"red": {"red": 1}, "a": 2}


def test_what_holds_itself_or_is_too_deep_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]

    rather_deep: Any = {}
    for _ in range(payload.DEEPEST):
        rather_deep = {"a": [rather_deep]}["a"]
    assert payload.load(payload.dump(rather_deep[0], "args")) == rather_deep[0]

    for value in (loop, {"a": loop}, deep, rather_deep):
        with pytest.raises(PayloadError):
            payload.dump(value, "args")


def test_what_is_too_deep_is_told_so() -> None:
    deep: Any = "[" * 500
    for _ in range(payload.DEEPEST + 1):
        deep = (deep,)

    with pytest.raises(PayloadError, match="nested more than 100 deep"):
        payload.dump({"a": deep}, "args")


def test_more_than_the_limit_is_refused_by_its_size() -> None:
    assert len(payload.dump("x" * 98, "args", limit=100)) == 100

    with pytest.raises(PayloadError, match="101 bytes long, more than the 100 allowed"):
        payload.dump("x" * 99, "args", limit=100)
    with pytest.raises(PayloadError):
        payload.dump("é" * 20, "args", limit=100)  # six bytes each, as it is stored


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(text=st.text(st.characters(codec=None) | st.sampled_from("\0\ud800\udfff\\")))
def test_any_text_can_be_made_storable(text: str) -> None:
    stored = payload.storable(text)

    assert "\0" not in stored
    assert stored.encode().decode() == stored
    assert json.loads(json.dumps(stored)) == stored
    assert payload.storable(stored) == stored
