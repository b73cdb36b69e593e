"""What the package gives out, and what it costs to import."""

from __future__ import annotations

import subprocess
import sys

import rota.calendar


def test_the_public_names_are_sorted_and_there():
    assert rota.calendar.__all__ == sorted(rota.calendar.__all__, key=lambda name: (not name[0].isupper(), name))
    assert all(getattr(rota.calendar, name) for name in rota.calendar.__all__)


def test_importing_loads_neither_zones_nor_holidays():
    code = "import sys, rota.calendar; rota.calendar.Cron('0 0 * * *'); print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"zoneinfo", "holidays", "difflib", "rich", "pydantic", "rota.calendar.text.explanation"} & set(loaded)
