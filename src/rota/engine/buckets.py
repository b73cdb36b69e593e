"""How far rates are used up, while runs are chosen that they allow to start."""

from __future__ import annotations

from collections.abc import Mapping

from rota.model.rate import Rate
from rota.store import Transaction, queues


class Buckets:
    """Of some rates, by the names that they are counted under. To be saved in the transaction that reads them."""

    __slots__ = ("_full_at", "_now", "_rates", "_stored")

    def __init__(self, tx: Transaction, rates: Mapping[str, Rate], now: int) -> None:
        self._rates = rates
        self._now = now
        self._stored = queues.buckets(tx, rates) if rates else {}
        self._full_at = {name: rate.bounded(self._stored.get(name, 0), now) for name, rate in rates.items()}

    def allowed(self, name: str) -> int:
        """How many more may start now."""
        return self._rates[name].allowed(self._full_at[name], self._now)

    def next_at(self, name: str) -> int:
        """The moment from which one more may start, where none may now."""
        return self._rates[name].next_at(self._full_at[name])

    def take(self, name: str, count: int = 1) -> None:
        self._full_at[name] = self._rates[name].taken(self._full_at[name], self._now, count)

    def save(self, tx: Transaction) -> None:
        """Also what was only bounded: else it would be bounded anew at each look."""
        queues.save_buckets(tx, {name: at for name, at in self._full_at.items() if at != self._stored.get(name, 0)})
