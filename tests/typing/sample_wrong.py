"""Mistakes that a type checker finds: on each line that ends with the mark, and on no other. It is never run."""

from __future__ import annotations

from rota import Blueprint, Rota, Run, cron

rota = Rota("sqlite:///unused.db")
shop = Blueprint("shop")


@rota.job("misspelt policy", retrys=3)  # wrong
def one() -> None: ...


@rota.job("policy of the wrong type", retry="3")  # wrong
def two() -> None: ...


@shop.job(overlap="skp")  # wrong
def three() -> None: ...


@shop.job(schedule="0 9 * * *")  # wrong
def four() -> None: ...


@rota.job
def mail(to: str, copies: int = 1) -> str:
    return to * copies


@rota.job("sync", queue="slow")
def sync(run: Run, shops: list[str], key: str = "") -> None: ...


mail.enqueue(too="a")  # wrong
mail.enqueue(to=3)  # wrong
mail.enqueue()  # wrong
mail.enqueue(to="a", delay="5m")  # wrong
mail.options(kee="k").enqueue(to="a")  # wrong
mail.options(key=3).enqueue(to="a")  # wrong
mail.options(delay="5m").enqueue(to=3)  # wrong
mail.options(delay="5m").trigger(copies=2)  # wrong
mail(3)  # wrong
sync.enqueue()  # wrong
sync.enqueue(shops="north")  # wrong
sync.enqueue(shops=[], key=3)  # wrong
sync(shops=[])  # wrong
rota.enqueue(to="a")  # wrong
Run.__new__(Run).step("one", len)  # wrong
Run.__new__(Run).wait_for("approval", timout="2d")  # wrong
rota.options(wayt=True).trigger("sync")  # wrong
rota.schedules.add("nightly", "sync", cron("0 2 * * *"), catch_up="latst")  # wrong
rota.schedules.edit("nightly", by="anna", jiter=3)  # wrong
