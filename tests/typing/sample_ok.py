"""What a type checker has nothing to say about. It is looked at and never run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import assert_type

from rota import Blueprint, Retry, Rota, Run, Signal, cron, every

rota = Rota("sqlite:///unused.db")
shop = Blueprint("shop", queue="shop")


@rota.job
def mail(to: str, copies: int = 1) -> str:
    return to * copies


@rota.job("sync", schedule=cron("0 9 * * *"), retry=Retry(attempts=5), timeout=None, overlap="queue_one", jitter="5m")
def sync(run: Run, shops: list[str] | None = None) -> int:
    return len(shops or [run.job])


@shop.job(retry=2, rate="100/m", concurrency=4, concurrency_key=lambda key: key, environments=["production"])
async def reserved(key: str, at: int, *, by: str = "") -> None: ...


@shop.job(timeout=timedelta(minutes=1), catch_up="all", catch_up_window="6h", catch_up_cap=5, sends=False)
def late(n: int, *, run: Run | None = None) -> None: ...


@rota.job(schedule=every("1h"), destructive=True, priority=-1, arguments={"days": 3})
def clean(run: Run, days: int) -> None: ...


@rota.job
def anything(**given: int) -> None: ...


@rota.job("untyped")
def untyped(run, word): ...  # type: ignore[no-untyped-def]


@rota.job
def untyped_too(word): ...  # type: ignore[no-untyped-def]


mail.enqueue(to="a")
mail.enqueue("a", copies=2)
mail.options(key="welcome:17", delay="5m", connection=object()).enqueue(to="a")
mail.options(at=datetime.now(UTC), priority=3, by="anna").enqueue_many([{"to": "a"}, {"to": "b"}])
mail.options(wait="5m").trigger("a")
sync.enqueue()
sync.enqueue(shops=["north"])
reserved.options(key="k", debounce=timedelta(seconds=5)).enqueue(key="k", at=1, by="b")
late.enqueue(n=1)
clean.enqueue(3)
anything.enqueue(a=1, b=2)
untyped.enqueue(word=3)
untyped_too.options(key="k").enqueue(word=3)
rota.enqueue("mail", to="a", key=1, at=2, job=3, self=4)
rota.options(wait=True, dry_run=True, by="anna").trigger("sync", shops=["north"])
rota.schedules.add("nightly", "sync", cron("0 2 * * *"), arguments={"shops": []}, catch_up="none", jitter=60)


async def fetch(url: str) -> bytes:
    return url.encode()


@rota.job
async def asks(run: Run) -> bool:
    assert_type(run.step("one", int, "7"), int)
    assert_type(await run.step("two", fetch, "https://example.org"), bytes)
    signal = run.wait_for("approval", timeout="2d", about="deletes 12,000 rows")
    assert_type(signal, Signal)
    return signal.approved and not signal.timed_out


rota.signal(17, "approval", {"approved": True}, by="anna", why="looked at it", connection=object())
rota.runs.approve(17, by="anna", why="looked at it")
assert_type(mail("a", copies=2), str)
assert_type(sync(Run.__new__(Run), ["north"]), int)
assert_type(mail.enqueue("a").new, bool)
