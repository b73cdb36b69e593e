"""The application that `rota up` works for in the contest of effects."""

from __future__ import annotations

from bench.effects import Effects
from rota import Rota

effects = Effects()
rota = Rota()


@rota.job
def append(number: int) -> None:
    effects.append()
