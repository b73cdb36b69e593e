"""Who competes in what, and how a result is told."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import fresh_database, postgres


@dataclass(frozen=True)
class Contest:
    """``unit`` tells what is measured; ``more_is_better`` which way; the first contender is ours."""

    title: str
    unit: str
    contenders: list[str]
    more_is_better: bool = True
    needs_postgres: bool = False
    times: int = 1
    """So many times as much work as is asked for."""


CONTESTS = {
    "runs-sqlite": Contest("no-op runs, SQLite, one process", "runs/s", ["rota", "huey"]),
    "runs-postgres": Contest(
        "no-op runs, PostgreSQL (fsync on), one process",
        "runs/s",
        ["rota", "pgqueuer", "pgqueuer-500", "procrastinate"],
        needs_postgres=True,
    ),
    "effects-sqlite": Contest("runs that append 16 bytes to a file, SQLite, one `rota up`", "runs/s", ["rota", "huey"]),
    "effects-postgres": Contest(
        "runs that append 16 bytes to a file, PostgreSQL (fsync on), one `rota up`",
        "runs/s",
        ["rota", "pgqueuer-100", "pgqueuer-500", "pgqueuer-1000"],
        needs_postgres=True,
    ),
    "slots-sqlite": Contest("no-op runs, SQLite, in two processes of their own (slots)", "runs/s", ["rota"]),
    "enqueue-postgres": Contest(
        "enqueued in bulk, PostgreSQL (fsync on)", "runs/s", ["rota", "pgqueuer", "procrastinate"], needs_postgres=True
    ),
    "latency-sqlite": Contest("idle: enqueue to body, SQLite, median", "ms", ["rota", "huey"], more_is_better=False),
    "latency-postgres": Contest(
        "idle: enqueue to body, PostgreSQL (fsync on), median",
        "ms",
        ["rota", "pgqueuer", "procrastinate"],
        more_is_better=False,
        needs_postgres=True,
    ),
    "schedules": Contest(
        "10,000 schedules due in one second: lateness of the last body",
        "s",
        ["rota-sqlite", "rota-postgres", "apscheduler"],
        more_is_better=False,
        needs_postgres=True,
    ),
}
CONTESTS["campaign"] = Contest(
    "personal mails over SMTP; Rota with a ledger row each, killed twice on the way, every mail once",
    "mails/s",
    ["rota_mails-sqlite", "rota_mails-postgres", "smtplib", "aiosmtplib"],
    needs_postgres=True,
    times=5,
)
SLOW = {"procrastinate": 10, "huey": 4, "smtplib": 20, "aiosmtplib": 20}
"""By how much less work a slow contender is given, so that a round stays short: the rate is what counts."""
OWN_FILE = {"rota-sqlite", "rota_mails-sqlite", "apscheduler", "smtplib", "aiosmtplib"}
"""Those that need no server, in a contest in which others do."""


@dataclass
class Result:
    contest: Contest
    figures: dict[str, list[float]] = field(default_factory=dict)

    def best(self, contender: str) -> float:
        return (max if self.contest.more_is_better else min)(self.figures[contender])

    def as_dict(self) -> dict[str, Any]:
        return {"title": self.contest.title, "unit": self.contest.unit, "rounds": self.figures, "ratios": self.ratios()}

    def ratios(self) -> dict[str, float]:
        """How many times better ours is than each."""
        ours = self.best(self.contest.contenders[0])
        return {
            peer: round(ours / self.best(peer) if self.contest.more_is_better else self.best(peer) / ours, 2)
            for peer in self.contest.contenders[1:]
        }

    def table(self) -> str:
        lines = [f"\n{self.contest.title}"]
        ratios = self.ratios()
        for contender in self.contest.contenders:
            rounds = ", ".join(f"{figure:,.5g}" for figure in self.figures[contender])
            ratio = f"{ratios[contender]:6.2f} x" if contender in ratios else "        "
            lines.append(f"  {contender:14} {self.best(contender):>12,.5g} {self.contest.unit:7} {ratio}   ({rounds})")
        return "\n".join(lines)


def measure(names: list[str], runs: int, rounds: int) -> list[Result]:
    results = [Result(CONTESTS[name], {each: [] for each in CONTESTS[name].contenders}) for name in names]
    with _server(any(result.contest.needs_postgres for result in results)) as server:
        for name, result in zip(names, results, strict=True):
            for _ in range(rounds):
                for contender in result.contest.contenders:
                    result.figures[contender].append(_round(name, contender, runs, server))
                    print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return results


@contextmanager
def _server(needed: bool) -> Iterator[str | None]:
    if not needed:
        yield None
        return
    with postgres(fsync=True) as url:
        yield url


def _round(name: str, contender: str, runs: int, server: str | None) -> float:
    count = max(500, runs * CONTESTS[name].times // SLOW.get(contender, 1))
    with tempfile.TemporaryDirectory(prefix="rota-bench-") as folder:
        if server is not None and CONTESTS[name].needs_postgres and contender not in OWN_FILE:
            with fresh_database(server) as url:
                return _run(name, contender, count, url)
        return _run(name, contender, count, f"sqlite:///{Path(folder) / 'bench.db'}")


def _run(name: str, contender: str, count: int, url: str) -> float:
    """One contender, in a process of its own: it prints its figure last. A number after its name is its batch size."""
    module, _, batch = contender.partition("-")
    more = [batch] if batch.isdigit() else []
    done = subprocess.run(
        [sys.executable, "-m", f"bench.contenders.{module}", name.partition("-")[0], str(count), url, *more],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module} could not be measured:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])
