"""Runs the stateful model of ``tests.store.machine``."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.store.machine import Ledger

pytestmark = pytest.mark.long

Ledger.TestCase.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
)
TestEveryOrderOfEventsKeepsTheLedgersPromises = Ledger.TestCase
