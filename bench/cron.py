"""The next fire, beside cronsim, croniter and APScheduler 3: CPU time per fire, as ratios.

Each row walks one expression from fire to fire with aware datetimes, as a scheduler does that asks "what comes after
this one?". Contenders take turns inside a round, and the best of three rounds counts, so that other work on the
machine harms all of them alike. Run it with ``python -m bench.cron``; it needs the extra ``bench``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time
from zoneinfo import ZoneInfo

from rota.calendar import Cron
from rota.clock import to_us

START = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 3
ROWS = [
    ("*/5 * * * *", "UTC", 4000),
    ("0 */6 * * *", "UTC", 4000),
    ("0 18 5 * *", "UTC", 1000),
    ("0 0 29 2 1", "UTC", 300),
    ("30 2 * * *", "Europe/Paris", 2000),
    ("*/5 * * * *", "Europe/Paris", 4000),
    ("*/10 * * * * *", "UTC", 4000),
    ("*/10 * * * * *", "Europe/Paris", 4000),
]
"""Expression, zone and how many fires a round walks."""

Walk = Callable[[int], object]
Contender = Callable[[str, datetime], Walk | None]


def rota(expression: str, start: datetime) -> Walk:
    cron = Cron(expression, _name(start))

    def walk(count: int) -> datetime | None:
        moment: datetime | None = start
        for _ in range(count):
            moment = cron.next_after(moment)
        return moment

    return walk


def rota_microseconds(expression: str, start: datetime) -> Walk:
    cron, begin = Cron(expression, _name(start)), to_us(start)

    def walk(count: int) -> int | None:
        moment: int | None = begin
        for _ in range(count):
            moment = cron.next_after_us(moment)
        return moment

    return walk


def cronsim(expression: str, start: datetime) -> Walk:
    from cronsim import CronSim

    def walk(count: int) -> datetime:
        fires = CronSim(expression, start)
        for _ in range(count):
            moment = next(fires)
        return moment

    return walk


def croniter(expression: str, start: datetime) -> Walk:
    from croniter import croniter as Croniter  # noqa: N812 - the class has a function's name

    def walk(count: int) -> datetime:
        fires = Croniter(expression, start, ret_type=datetime, second_at_beginning=True)
        for _ in range(count):
            moment = fires.get_next()
        return moment

    return walk


def apscheduler(expression: str, start: datetime) -> Walk | None:
    from apscheduler.triggers.cron import CronTrigger

    *second, minute, hour, day, month, weekday = expression.split()
    if weekday != "*":
        return None  # it needs both day fields to match, so that it would walk other fires
    trigger = CronTrigger(
        second=second[0] if second else 0, minute=minute, hour=hour, day=day, month=month, timezone=start.tzinfo
    )

    def walk(count: int) -> datetime | None:
        moment: datetime | None = start
        for _ in range(count):
            moment = trigger.get_next_fire_time(moment, moment)
        return moment

    return walk


CONTENDERS: dict[str, Contender] = {
    "Rota": rota,
    "Rota, µs": rota_microseconds,
    "cronsim": cronsim,
    "croniter": croniter,
    "APScheduler 3": apscheduler,
}


def measure(expression: str, zone: str, count: int) -> dict[str, float | None]:
    """Seconds of CPU per fire, by contender; ``None`` for one that cannot tell these fires."""
    start = START.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))
    walks = {name: make(expression, start) for name, make in CONTENDERS.items()}
    best: dict[str, float | None] = dict.fromkeys(walks)
    for _ in range(ROUNDS):
        for name, walk in walks.items():
            if walk is not None:
                spent = _cpu_time(walk, count) / count
                best[name] = min(spent, best[name] or spent)
    return best


def main() -> None:
    """Print how many times longer than Rota each contender takes, row by row."""
    print(f"{'':32}{'Rota':>9}" + "".join(f"{name:>15}" for name in CONTENDERS if name != "Rota"))
    for expression, zone, count in ROWS:
        spent = measure(expression, zone, count)
        base = spent.pop("Rota")
        assert base is not None
        ratios = "".join(f"{'-' if time is None else f'{time / base:.2f} x':>15}" for time in spent.values())
        print(f"{expression:<17}{zone:<15}{base * 1e6:>6.2f} µs{ratios}")


def _cpu_time(walk: Walk, count: int) -> float:
    begin = process_time()
    walk(count)
    return process_time() - begin


def _name(start: datetime) -> str:
    return "UTC" if start.tzinfo is UTC else str(start.tzinfo)


if __name__ == "__main__":
    main()
