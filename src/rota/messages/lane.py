"""One channel's way out: its threads, what is under way on them, and how much of it at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rota.messages.account import Tried
from rota.messages.gate import Open
from rota.messages.look import Parcel
from rota.messages.message import Message
from rota.messages.outcome import Held, Outcome, Refused, Unsure
from rota.messages.senders.sender import Sender

AHEAD_SECONDS = 0.5
MOST, FIRST = 500, 50
CHUNK = 50
Make = Callable[[Sender, Parcel], Message]


class Lane:
    """``senders``: the first that may send does; ``page``: how many messages are claimed at a time."""

    def __init__(self, channel: str, senders: Sequence[Sender]) -> None:
        self.channel, self.senders = channel, senders
        self.sender: Sender | None = None
        self.admitted: Open | None = None
        self.is_over = False
        self.in_flight = 0
        self.page = FIRST
        self._not_before = 0.0
        self._stop = threading.Event()
        self._threads = max(sender.connections for sender in senders)
        self._pool = ThreadPoolExecutor(self._threads, f"rota-{channel}")
        self._counted, self._counted_from = 0, time.monotonic()

    @property
    def pause(self) -> float:
        """Seconds until it may go on."""
        return max(0.0, self._not_before - time.monotonic())

    def has_room(self) -> bool:
        return not self.is_over and self.in_flight <= self.page

    def admit(self, sender: Sender, admitted: Open) -> None:
        self.sender, self.admitted = sender, admitted
        self._not_before = time.monotonic() + admitted.wait

    def submit(self, parcels: Sequence[Parcel], make: Make) -> Iterator[Future[list[Tried]]]:
        sender = self.sender
        assert sender is not None  # noqa: S101 - parcels were claimed for it
        share = -(-len(parcels) // (2 * self._threads))
        size = sender.per_request if sender.per_request > 1 else max(1, min(CHUNK, share))
        self.in_flight += sum(len(parcel.rows) for parcel in parcels)
        for at in range(0, len(parcels), size):
            yield self._pool.submit(self._work, sender, parcels[at : at + size], make)

    def ended(self, count: int) -> None:
        """So many messages are through: a page is what takes half a second at this pace."""
        self.in_flight -= count
        self._counted += count
        if (seconds := time.monotonic() - self._counted_from) < AHEAD_SECONDS:
            return
        per_page = int(self._counted / seconds * AHEAD_SECONDS)
        self.page = max(2 * self._threads, min(MOST, per_page, 2 * self.page))
        self._counted, self._counted_from = 0, time.monotonic()

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._pool.shutdown()
        for sender in self.senders:
            sender.rest()

    def _work(self, sender: Sender, parcels: Sequence[Parcel], make: Make) -> list[Tried]:
        """On a thread of the channel: whatever goes wrong with a message stays with it."""
        outcomes: dict[int, Outcome] = {}
        made: list[tuple[int, Message]] = []
        for at, parcel in enumerate(parcels):
            try:
                made.append((at, make(sender, parcel)))
            except Exception as error:  # noqa: BLE001 - a message that cannot be made must not stop the others
                outcomes[at] = Refused(f"render:{type(error).__name__}")
        outcomes |= self._hand_over(sender, made)
        return [Tried(sender, row, outcomes[at]) for at, parcel in enumerate(parcels) for row in parcel.rows]

    def _hand_over(self, sender: Sender, made: Sequence[tuple[int, Message]]) -> dict[int, Outcome]:
        outcomes: dict[int, Outcome] = {}
        if self._stop.is_set() or not made:
            return {at: Held() for at, _ in made}
        answers = iter(sender.send([message for _, message in made]))
        rest: Outcome = Held()
        try:
            for at, _ in made:
                outcomes[at] = next(answers)
                if self._stop.is_set() and sender.per_request == 1:
                    break
        except StopIteration:
            rest = Unsure("no_answer")
        except Exception as error:  # noqa: BLE001 - a sender's own mistake: it may have handed some over
            rest = Unsure(type(error).__name__)
        if close := getattr(answers, "close", None):
            close()
        return {at: rest for at, _ in made} | outcomes
