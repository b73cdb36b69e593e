"""How far rates are used up, while runs are chosen that they allow to start."""

from __future__ import annotations

from collections.abc import Mapping

from rota.model.rate import Bucket, Rate
from rota.store import Transaction, queues


class Buckets:
    """Of some rates, by the names that they are counted under. To be saved in the transaction that reads them."""

    __slots__ = ("_buckets", "_stored")

    def __init__(self, tx: Transaction, rates: Mapping[str, Rate], now: int) -> None:
        self._stored = queues.buckets(tx, rates) if rates else {}
        self._buckets = {name: Bucket.read(rate, self._stored.get(name), now) for name, rate in rates.items()}

    def allowed(self, name: str) -> int:
        """How many more may start now."""
        return self._buckets[name].allowed

    def next_at(self, name: str) -> int:
        """The moment from which one more may start, where none may now."""
        return self._buckets[name].next_at

    def take(self, name: str, count: int = 1) -> None:
        self._buckets[name] = self._buckets[name].taken(count)

    def save(self, tx: Transaction) -> None:
        """Also what was only bounded: else it would be bounded anew at each look."""
        full = {name: bucket.full_at for name, bucket in self._buckets.items()}
        queues.save_buckets(tx, {name: at for name, at in full.items() if at != self._stored.get(name, 0)})
