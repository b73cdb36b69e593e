"""One channel's way out: its threads, what is under way on them, and how much of it at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from jinja2 import UndefinedError

from rota.messages.account import Tried
from rota.messages.ledger import LEASE
from rota.messages.message import Message
from rota.messages.outcome import Held, Later, Outcome, Unsure
from rota.messages.pace import OPENS_AFTER, Open
from rota.messages.parcel import Parcel
from rota.messages.senders.sender import Sender

AHEAD_SECONDS = 0.5
MOST = 300
CHUNK = 50
PATIENCE = timedelta(seconds=10)
"""A message whose next try is so near is waited for; for others the run is snoozed, or ends."""
CLOCK_SLACK = 0.02
STALE_SECONDS = LEASE.total_seconds() / 2
"""A message that was looked at so long ago does not leave: its process was frozen, or its provider is slow."""
Make = Callable[[Sender, Parcel], Message]


class Lane:
    """``senders``: the first that may send does; ``page``: how many messages are claimed at a time."""

    def __init__(self, channel: str, senders: Sequence[Sender]) -> None:
        self.channel, self.senders = channel, senders
        self.sender: Sender | None = None
        self.admitted: Open | None = None
        self.is_over = False
        self.in_flight = 0
        self._not_before = 0.0
        self._waited_for: datetime | None = None
        self._probes = self._holds = False
        self._downs = 0
        """Failures of the sender in a row; a few threads may lose a count."""
        self._stop = threading.Event()
        self._threads = max(sender.connections for sender in senders)
        self._least = self._threads * max(2, *(sender.per_request for sender in senders))
        self.page = self._least
        self._pool = ThreadPoolExecutor(self._threads, f"rota-{channel}")
        self._counted, self._counted_from = 0, time.monotonic()

    @property
    def pause(self) -> float:
        """Seconds until it may go on."""
        return max(0.0, self._not_before - time.monotonic())

    def has_room(self) -> bool:
        return not (self.is_over or self.is_held) and self.in_flight <= self.page

    def admit(self, sender: Sender, admitted: Open) -> None:
        """What a probe becomes is to be known before anything else is begun."""
        self.sender, self.admitted, self._probes = sender, admitted, admitted.probe
        self.wait(admitted.wait)

    def wait(self, seconds: float) -> None:
        self._not_before = time.monotonic() + seconds

    def waits_for(self, moment: datetime, now: datetime) -> bool:
        """Whether it will be there for a next try: a moment that has not come after the wait for it is not waited for
        again, as the clock may stand still, or was set back."""
        if moment - now > PATIENCE or moment == self._waited_for:
            return False
        self._waited_for = moment
        self.wait((moment - now).total_seconds() + CLOCK_SLACK)
        return True

    @property
    def is_held(self) -> bool:
        """It waits for what is under way: a probe, or too many failures."""
        return self._holds or self._downs >= OPENS_AFTER

    def is_settled(self) -> None:
        """Nothing is under way, and what became of it is known to all nodes."""
        self._holds, self._downs = False, 0

    def submit(self, parcels: Sequence[Parcel], make: Make) -> Iterator[Future[list[Tried]]]:
        sender = self.sender
        assert sender is not None  # noqa: S101 - parcels were claimed for it
        self._holds = self._probes
        share = -(-len(parcels) // (2 * self._threads))
        size = sender.per_request if sender.per_request > 1 else max(1, min(CHUNK, share))
        self.in_flight += sum(len(parcel.rows) for parcel in parcels)
        looked_at = time.monotonic()
        for at in range(0, len(parcels), size):
            yield self._pool.submit(self._work, sender, parcels[at : at + size], make, looked_at)

    def ended(self, count: int) -> None:
        """So many messages are through: a page is what takes half a second at this pace."""
        self.in_flight -= count
        self._counted += count
        if (seconds := time.monotonic() - self._counted_from) < AHEAD_SECONDS:
            return
        per_page = int(self._counted / seconds * AHEAD_SECONDS)
        self.page = max(self._least, min(MOST, per_page, 4 * self.page))
        self._counted, self._counted_from = 0, time.monotonic()

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._pool.shutdown()
        for sender in self.senders:
            sender.rest()

    def _work(self, sender: Sender, parcels: Sequence[Parcel], make: Make, looked_at: float) -> list[Tried]:
        """On a thread of the channel: whatever goes wrong with a message stays with it."""
        outcomes: dict[int, Outcome] = {}
        made: list[tuple[int, Message]] = []
        for at, parcel in enumerate(parcels):
            try:
                made.append((at, make(sender, parcel)))
            except Exception as error:  # noqa: BLE001 - a message that cannot be made must not stop the others
                outcomes[at] = Later(f"render:{_told(error)}")
        outcomes |= self._hand_over(sender, made, looked_at)
        return [Tried(sender, row, outcomes[at]) for at, parcel in enumerate(parcels) for row in parcel.rows]

    def _is_to_stop(self, looked_at: float) -> bool:
        is_stale = time.monotonic() - looked_at > STALE_SECONDS
        return is_stale or self._stop.is_set() or self._downs >= OPENS_AFTER

    def _hand_over(self, sender: Sender, made: Sequence[tuple[int, Message]], looked_at: float) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        if self._is_to_stop(looked_at) or not made:
            return {at: Held() for at, _ in made}
        answers = iter(sender.send([message for _, message in made]))
        rest: Outcome = Held()
        try:
            for at, _ in made:
                outcome = outcomes[at] = next(answers)
                failed = isinstance(outcome, Unsure) or (isinstance(outcome, Later) and outcome.down)
                self._downs = self._downs + 1 if failed else 0
                if sender.per_request == 1 and self._is_to_stop(looked_at):
                    break
        except StopIteration:
            rest = Unsure("no_answer")
        except Exception as error:  # noqa: BLE001 - a sender's own mistake: it may have handed some over
            rest = Unsure(type(error).__name__)
        if close := getattr(answers, "close", None):
            close()
        return {at: rest for at, _ in made} | outcomes


def _told(error: Exception) -> str:
    """The name that a template lacks is the template's; any other error may tell of the person."""
    return str(error) if isinstance(error, UndefinedError) else type(error).__name__
