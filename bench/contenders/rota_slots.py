"""The application whose runs are done in processes of their own: each imports it by name."""

from __future__ import annotations

from rota import Rota

rota = Rota()


@rota.job(executor="process")
def noop(number: int) -> None: ...
