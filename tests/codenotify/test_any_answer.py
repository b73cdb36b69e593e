"""Whatever a platform answers, a fetch ends in contests that can be stored or in an error of our own: nothing else."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.codenotify.adapters import FETCH
from apps.codenotify.adapters.http import Http, Spacing
from apps.codenotify.clients import http_client
from apps.codenotify.contest import PLATFORMS
from apps.codenotify.errors import OutsideError
from apps.demo import shapes
from tests.codenotify.helpers import DAY, NOW, announce

IDS = {"codeforces": "1", "leetcode": "weekly-contest-1", "codechef": "START1", "atcoder": "abc1"}
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=20),
    st.just("\0"),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def usual(platform: str) -> Any:
    contest = [
        announce(IDS[platform], NOW + DAY, platform=platform),
        announce(IDS[platform], NOW - DAY, platform=platform),
    ]
    match platform:
        case "codeforces":
            return json.loads(shapes.codeforces_answer(shapes.codeforces_rows(contest, NOW)))
        case "leetcode":
            return json.loads(shapes.leetcode_answer(shapes.leetcode_rows(contest, NOW), "allContests"))
        case "codechef":
            return json.loads(shapes.codechef_answer(shapes.codechef_rows(contest, NOW)))
        case _:
            return shapes.archive_rows(contest, NOW)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything inside a JSON value, and to the value itself."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inside for place in places(each, (*path, key)))]


def with_odd(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = with_odd(value[path[0]], path[1:], new)
    return copy


@pytest.mark.parametrize("platform", PLATFORMS)
def test_any_value_anywhere_in_an_answer_is_read_or_refused(platform, platforms, settings):
    site = "kenkoooo" if platform == "atcoder" else platform
    answer = usual(platform)

    @hypothesis_settings(
        max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
    )
    @given(place=st.sampled_from(places(answer)), new=odd)
    def fetch(place: tuple[Any, ...], new: Any) -> None:
        platforms.instead = {site: json.dumps(with_odd(answer, place, new)).encode()}
        try:
            fetched = FETCH[platform](Http(client, settings, Spacing(), lambda _: None), NOW - 30 * DAY)
        except OutsideError:
            return
        for contest in fetched.contests:
            assert contest.end_time > contest.start_time
            assert contest.start_time.utcoffset() == timedelta(0)
            assert "\0" not in contest.name + contest.platform_id
            assert contest.columns(NOW)["phase"]
            json.dumps(contest.metadata, allow_nan=False)
            assert "\\u0000" not in json.dumps(contest.metadata)

    with http_client() as client:
        fetch()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"null", b"[]", b"{}", b"0", b'"', b"<table>", b"[" * 10_000])
def test_a_body_that_makes_no_sense_is_an_error_of_our_own(platform, body, platforms, settings):
    platforms.instead = {platform: body}
    with http_client() as client, pytest.raises(OutsideError):
        FETCH[platform](Http(client, settings, Spacing(), lambda _: None), NOW - 30 * DAY)
