"""The local servers, for tests to ask and to break."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.demo.contest_server import ContestServer


@pytest.fixture
def platforms() -> Iterator[ContestServer]:
    """The four platforms, showing nothing."""
    with ContestServer(lambda _: []) as server:
        yield server
