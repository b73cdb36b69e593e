"""An application that needs nothing but Rota: what is imported with it was imported by Rota itself."""

from __future__ import annotations

from rota import Rota, cron

rota = Rota()


@rota.job(executor="process", schedule=cron("0 6 * * *"))
def nothing() -> None: ...
