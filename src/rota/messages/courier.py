"""Takes claimed messages to their senders, many at a time, and writes down what became of each.

The body's own thread speaks to the database: it claims pages, looks at each message once more in the same transaction,
and settles outcomes in sets as they come in. The threads of a channel make messages and hand them over. A page is what
can be sent in half a second, so that a crash leaves little that nobody can know.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from rota.messages import ledger, pace
from rota.messages.account import Account, Tried
from rota.messages.brief import Brief
from rota.messages.lane import Lane
from rota.messages.look import look
from rota.messages.pace import Open
from rota.recipes.approval import check
from rota.recipes.database import reading, writing

if TYPE_CHECKING:
    from rota import Run

SETTLE_AFTER, SETTLE_SECONDS = 250, 0.2
TURN_SECONDS = 0.1
SETTLE_TRIES = 6


class Courier:
    """Delivers what is due of a kind. ``stopped``: why channels were given up, by channel; ``shut_until``: until when,
    where the senders said so."""

    def __init__(self, engine: Engine, run: Run, brief: Brief, account: Account) -> None:
        self.stopped: dict[str, str] = {}
        self.shut_until: dict[str, datetime] = {}
        self._engine, self._run, self._brief, self._account = engine, run, brief, account
        self._lanes = [Lane(channel, senders) for channel, senders in brief.senders.items()]
        self._under_way: dict[Future[list[Tried]], Lane] = {}
        self._tried: list[Tried] = []
        self._settled_at = time.monotonic()
        self._due = 0
        self._left = brief.at_most

    def deliver(self, due: int, until: float | None = None) -> None:
        """Until nothing is due, or the monotonic clock says ``until``. ``due``: how many there are, for progress."""
        self._due = due
        try:
            while self._turn(until):
                check(self._run)
        finally:
            self._wind_up()

    def _turn(self, until: float | None) -> bool:
        """Begin what there is room for, take in what is done; whether there is more to do."""
        if until is not None and time.monotonic() > until:
            self._give_up([lane for lane in self._lanes if not lane.is_over], "time_limit")
        for lane in self._lanes:
            if lane.is_held and not lane.in_flight:
                self._settle()
                lane.is_settled()
            while lane.has_room() and self._begin(lane):
                pass
        if self._under_way:
            self._take_in()
            return True
        self._settle()
        pauses = [lane.pause for lane in self._lanes if not lane.is_over]
        if pauses and min(pauses) > 0:
            self._run.sleep(min(pauses))
        return bool(pauses)

    def _give_up(self, lanes: Iterable[Lane], why: str) -> None:
        for lane in lanes:
            lane.is_over = True
            self.stopped[lane.channel] = why

    def _wind_up(self) -> None:
        """What is under way ends after the message that it is at; whatever is known is written down."""
        for lane in self._lanes:
            lane.stop()
        try:
            while self._under_way:
                self._take_in()
            self._settle()
        finally:
            for lane in self._lanes:
                lane.close()

    @property
    def has_done_its_share(self) -> bool:
        """Whether it stopped for a limit of its own, and leaves the rest to the next run on purpose."""
        return "time_limit" in self.stopped.values() or (self._left is not None and self._left <= 0)

    # --- beginning

    def _begin(self, lane: Lane) -> bool:
        """Whether a page was begun."""
        now = self._brief.now()
        if self._left is not None and self._left <= 0:
            lane.is_over = True
            return False
        if lane.admitted is None and not self._ask(lane, now):
            return False
        assert lane.admitted is not None and lane.sender is not None  # noqa: PT018, S101 - it has just been asked
        if lane.pause > 0:
            return False
        admitted, lane.admitted = lane.admitted, None
        with writing(self._engine) as connection:
            most = admitted.most if self._left is None else min(admitted.most, self._left)
            claimed, parcels = look(connection, self._account, self._brief, lane, most, now)
        if self._left is not None:
            self._left -= claimed
        for future in lane.submit(parcels, self._brief.message):
            self._under_way[future] = lane
        return True

    def _ask(self, lane: Lane, now: datetime) -> bool:
        """Whether any of the channel's senders may send, and which."""
        owner, channel = self._account.owner, lane.channel
        with reading(self._engine) as connection:
            wants = [
                (sender, ledger.waiting(connection, owner, channel, sender.name, now, lane.page))
                for sender in lane.senders
            ]
            soon = None if any(want for _, want in wants) else ledger.next_due(connection, owner, channel, now)
        refused = []
        for sender, want in wants:
            if not want:
                continue
            with writing(self._engine) as connection:
                answer = pace.ask(connection, sender, want)
            if isinstance(answer, Open):
                lane.admit(sender, answer)
                return True
            refused.append(answer)
        if refused:
            self._give_up([lane], refused[0].why)
            self.shut_until[channel] = min(each.until for each in refused) + self._brief.ahead
        elif soon is None or not lane.waits_for(soon, now):
            lane.is_over = not (lane.in_flight or self._tried)
        return False

    # --- taking in

    def _take_in(self) -> None:
        done, _ = wait(self._under_way, TURN_SECONDS, FIRST_COMPLETED)
        for future in done:
            lane = self._under_way.pop(future)
            tried = future.result()
            lane.ended(len(tried))
            self._tried += tried
        late = time.monotonic() - self._settled_at > SETTLE_SECONDS
        if len(self._tried) >= SETTLE_AFTER or late:
            self._settle()

    def _settle(self) -> None:
        """The database may be away, or locked: what is known is worth some patience."""
        tried, self._tried = self._tried, []
        self._settled_at = time.monotonic()
        for attempt in range(SETTLE_TRIES if tried else 0):
            try:
                with writing(self._engine) as connection:
                    changes = self._account.settle(connection, tried, self._brief.now())
                break
            except DBAPIError:
                if attempt == SETTLE_TRIES - 1:
                    raise
                time.sleep(0.25 * 2**attempt)
        else:
            return
        self._tell(changes)

    def _tell(self, changes: Mapping[str, str]) -> None:
        counts = self._account.counts
        done = sum(counts[name] for name in ("sent", "failed", "unknown", "cancelled"))
        self._run.progress(done, max(done, self._due))
        for name, change in changes.items():
            self._run.log.warning("the breaker of a sender changed", sender=name, change=change)
            self._run.emit(f"sender.{change}", sender=name)
