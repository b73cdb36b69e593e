"""``python -m bench [NAME…] [--runs N] [--json]``: each row is measured beside its peer, in the same run, in turns.

Figures of one machine cannot be compared with those of another, and a busy machine slows everybody; so look at the
ratios. Every contender runs in a process of its own, in each of several rounds, and its best round counts.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from datetime import UTC, datetime

from bench import contest, cron

NAMES = [*contest.CONTESTS, "cron"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--runs", type=int, default=20_000, help="no-op runs in a round (default 20,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the best counts (default 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"there is no {unknown[0]}; choose from {', '.join(NAMES)}")
    names = given.names or NAMES
    results = contest.measure([name for name in names if name != "cron"], given.runs, given.rounds)
    if given.json:
        json.dump({"machine": machine(), "results": [result.as_dict() for result in results]}, sys.stdout, indent=2)
        return
    print(machine())
    for result in results:
        print(result.table())
    if "cron" in names:
        print("\nnext fire of a cron expression, CPU time")
        cron.main()


def machine() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    main()
