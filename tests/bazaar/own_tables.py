"""Run by its test: the bazaar's jobs once each, on the tables that the environment names; prints what they counted."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

from apps.bazaar.blueprint import make_blueprint
from apps.bazaar.settings import Settings
from rota import Rota
from rota.model import payload
from rota.testing import ManualClock, run_due


def main(folder: Path, now: str, jobs: list[str]) -> None:
    rota = Rota(f"sqlite:///{folder}/ledger.db", clock=ManualClock(datetime.fromisoformat(now)))
    rota.include(make_blueprint(Settings.from_env()))
    found = {}
    for job in jobs:
        handle = rota.trigger(f"bazaar/{job}")
        run_due(rota)
        record = handle.record()
        found[job] = payload.load(record.result) if record.result else {"error": record.error}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
