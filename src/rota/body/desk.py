"""What a body may ask of the ledger while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from rota.model.attempt import Envelope
from rota.model.signal import Signal
from rota.model.step import StepRecord


class Desk(Protocol):
    """Answers a body's requests; the engine's answers from the ledger, a test's from memory."""

    def save_checkpoint(self, envelope: Envelope, text: str, connection: Any) -> bool:
        """False: the run is no longer this attempt's."""

    def find_signal(self, envelope: Envelope, name: str) -> Signal | None:
        """What came for the run under this name."""

    def find_step(self, envelope: Envelope, name: str) -> StepRecord | None:
        """The step of the run under this name, if it was done."""

    def keep_step(self, envelope: Envelope, name: str, result: str | None, error: str | None) -> bool:
        """False: the run is no longer this attempt's."""

    def fan_out(
        self,
        envelope: Envelope,
        job: str,
        items: Sequence[Mapping[str, Any]],
        then: str | None,
        then_arguments: Mapping[str, Any],
    ) -> int | None:
        """The id of the batch; ``None``: the run is no longer this attempt's."""

    def emit(self, envelope: Envelope, kind: str, data: Mapping[str, Any]) -> None: ...

    def lock(self, name: str, ttl: float, wait: float) -> AbstractContextManager[Any]: ...
