"""Takes claimed messages to their channels, several at a time, and writes down what became of each."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Row

from apps.codenotify import ledger
from apps.codenotify.channels import Message, Sender
from apps.codenotify.errors import AmbiguousError, OutsideError, PermanentError
from apps.codenotify.ledger import Outcome, Owner
from apps.codenotify.messages import render
from apps.codenotify.pace import Pace
from apps.codenotify.people import INACTIVE_AFTER
from apps.codenotify.recheck import WARNING, Checked, recheck
from apps.codenotify.services import Services
from apps.database import writing
from rota import JobResult
from rota.errors import Interrupted

if TYPE_CHECKING:
    from rota import Run

# Messages between two commits: what a crash may leave unknown, on a channel whose provider honours no keys.
AT_ONCE = 50
SECONDS_AT_MOST = 60
DOWN_AFTER = 10
ERRORS_SAVED = 20
Parcel = Sequence[Checked]
"""Rows that leave as one message: one, or a person's reminders put together."""


class Courier:
    """Sends for one run. ``counts`` and ``by_channel`` are the tally; ``down`` are channels given up for this run:
    after 10 failures in a row it is the provider that has a problem, not the messages."""

    def __init__(self, run: Run, services: Services) -> None:
        self.owner = Owner()
        self.counts: Counter[str] = Counter()
        self.by_channel: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.errors: list[tuple[str, str, str]] = []
        self.down: set[str] = set()
        self._run, self._services = run, services
        self._in_a_row: Counter[str] = Counter()
        self._paces = {name: Pace(sender.rate_per_s) for name, sender in services.senders.items()}
        self._at_once = at_once([sender.rate_per_s for sender in services.senders.values()])
        workers = services.settings.channel_concurrency
        self._pools = {name: ThreadPoolExecutor(workers, name) for name in services.senders}

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *_: object) -> None:
        for pool in self._pools.values():
            pool.shutdown()
        for sender in self._services.senders.values():
            sender.rest()

    @property
    def open_channels(self) -> list[str]:
        return [name for name in self._services.senders if name not in self.down]

    @property
    def tally(self) -> dict[str, Any]:
        """What was done so far, as plain data for a checkpoint."""
        by_channel = {name: dict(counts) for name, counts in self.by_channel.items()}
        return {"counts": dict(self.counts), "by_channel": by_channel, "errors": self.errors[:ERRORS_SAVED]}

    def go_on_from(self, tally: Mapping[str, Any]) -> None:
        """Count on from what an earlier attempt of the run had done."""
        self.counts.update(tally["counts"])
        for name, counts in tally["by_channel"].items():
            self.by_channel[name].update(counts)
        self.errors += [(item, kind, message) for item, kind, message in tally["errors"]]

    def report(self, counted: Iterable[str], **facts: Any) -> JobResult:
        """The run's result: its counts by the names in ``counted``, its errors, and the channels given up."""
        result = JobResult(status=self._status, counts={name: self.counts[name] for name in counted}, **facts)
        result.details["by_channel"] = {name: dict(counts) for name, counts in self.by_channel.items()}
        if self.down:
            result.details |= {"stopped": "dependency_down", "channels": sorted(self.down)}
        for item, kind, message in self.errors:
            result.add_error(item, kind, message)
        return result

    @property
    def _status(self) -> Literal["success", "partial", "failed"]:
        counts = self.counts
        if not counts["failed"] + counts["unknown"]:
            return "success"
        return "failed" if counts["claimed"] and not counts["sent"] and not self.down else "partial"

    def deliver(self, rows: Sequence[Row[Any]]) -> None:
        """Sends the messages of ``rows``, which this courier's owner has claimed; what it does not come to, it
        gives back."""
        waiting = sorted(rows, key=lambda row: (row.user_id, row.id))
        try:
            while waiting:
                self._run.check()
                some, rest = _cut(waiting, self._at_once)
                self._deliver_some([row.id for row in some])
                waiting = rest
        finally:
            if waiting:
                with writing(self._services.engine) as connection:
                    ledger.release(connection, self.owner, [row.id for row in waiting], self._services.now())

    def _deliver_some(self, ids: Sequence[int]) -> None:
        parcels = self._begin(ids)
        futures = [self._pools[parcel[0].row.channel].submit(self._try, parcel) for parcel in parcels]
        outcomes = [future.result() for future in futures]
        settings = self._services.settings
        with writing(self._services.engine) as connection:
            ledger.settle(connection, self.owner, _flat(outcomes), self._services.now(), settings.max_attempts)
        for parcel, outcome in zip(parcels, outcomes, strict=True):
            self._count(parcel, outcome)

    def _begin(self, ids: Sequence[int]) -> list[Parcel]:
        """The last look, and the mark of a try, in one transaction; what is no longer wanted is cancelled in it."""
        now = self._services.now()
        with writing(self._services.engine) as connection:
            checked = recheck(connection, ids, now)
            unreachable = [item.row.id for item in checked if item.row.channel in self.down]
            ledger.release(connection, self.owner, unreachable, now)
            for reason in ("opted_out", "stale"):
                dropped = [item.row.id for item in checked if item.reason == reason]
                ledger.cancel(connection, self.owner, dropped, reason)
                self.counts[f"cancelled_{reason}"] += len(dropped)
            live = [item for item in checked if item.reason is None and item.row.channel not in self.down]
            mine = ledger.begin(connection, self.owner, [item.row.id for item in live], now)
        return list(self._parcels(item for item in live if item.row.id in mine))

    def _parcels(self, items: Iterable[Checked]) -> Iterable[Parcel]:
        least = self._services.settings.coalesce_min

        def person(item: Checked) -> tuple[str, int]:
            return item.row.channel, item.row.user_id

        for _, group in groupby(sorted(items, key=person), key=person):
            mine = list(group)
            reminders = [item for item in mine if item.row.kind == "reminder"]
            together = reminders if least is not None and len(reminders) >= least else []
            if together:
                yield sorted(together, key=lambda item: item.contests[0].start_time)
            yield from ([item] for item in mine if item not in together)

    def _try(self, parcel: Parcel) -> list[Outcome]:
        """One message to its provider. Whatever goes wrong with it stays with it."""
        sender = self._services.senders[parcel[0].row.channel]
        try:
            self._paces[sender.name].wait(self._run.sleep)
            provider_id = sender.send(self._message(parcel))
        except OutsideError as error:
            return [_failed(item, error, sender) for item in parcel]
        except Interrupted:
            return [Outcome(id=item.row.id, status="failed", error="stopped") for item in parcel]
        except Exception as error:  # noqa: BLE001 - a message that cannot be made must not stop the others
            return [Outcome(id=item.row.id, status="failed", error=type(error).__name__, final=True) for item in parcel]
        return [Outcome(id=item.row.id, status="sent", provider_message_id=provider_id) for item in parcel]

    def _message(self, parcel: Parcel) -> Message:
        first = parcel[0]
        kind, facts = _kind_and_facts(parcel)
        return render(
            self._services.settings,
            kind,
            key=f"cn:{min(item.row.id for item in parcel)}",
            user=first.row,
            address=first.address,
            now=self._services.now(),
            **facts,
        )

    def _count(self, parcel: Parcel, outcomes: Sequence[Outcome]) -> None:
        channel, outcome = parcel[0].row.channel, outcomes[0]
        self.counts[outcome.status] += len(parcel)
        self.by_channel[channel][outcome.status] += len(parcel)
        self._note_failure(parcel, outcome)
        if outcome.status == "sent" or outcome.final:
            self._in_a_row[channel] = 0
            return
        self._in_a_row[channel] += 1
        if self._in_a_row[channel] >= DOWN_AFTER and channel not in self.down:
            self.down.add(channel)
            self._run.log.warning("channel given up for this run", channel=channel, failures_in_a_row=DOWN_AFTER)

    def _note_failure(self, parcel: Parcel, outcome: Outcome) -> None:
        if outcome.status != "sent":
            row = parcel[0].row
            self.errors.append((f"delivery {row.id}", str(outcome.error), f"{row.channel}, user {row.user_id}"))


def at_once(rates: Iterable[float]) -> int:
    """How many messages between two commits: on a slow channel fewer, so that their lease outlasts the wait."""
    return max(1, min([AT_ONCE, *(int(rate * SECONDS_AT_MOST) for rate in rates if rate)]))


def _cut(rows: list[Row[Any]], end: int) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """The first rows, and the others; never between two of one person, which may leave as one message."""
    while end < len(rows) and rows[end].user_id == rows[end - 1].user_id:
        end += 1
    return rows[:end], rows[end:]


def _flat(outcomes: Iterable[Sequence[Outcome]]) -> list[Outcome]:
    return [outcome for group in outcomes for outcome in group]


def _failed(item: Checked, error: OutsideError, sender: Sender) -> Outcome:
    unknown = isinstance(error, AmbiguousError) and not sender.honours_keys
    status = "unknown" if unknown else "failed"
    return Outcome(id=item.row.id, status=status, error=error.kind, final=isinstance(error, PermanentError))


def _kind_and_facts(parcel: Parcel) -> tuple[str, dict[str, Any]]:
    row, contests = parcel[0].row, [contest for item in parcel for contest in item.contests]
    if row.kind.startswith("digest"):
        return "digest", {"contests": contests, "length": row.payload["length"]}
    if row.kind.startswith(WARNING):
        return WARNING, {"quiet_from": row.useful_until, "last_seen": row.useful_until - INACTIVE_AFTER}
    if len(parcel) > 1:
        return "reminders", {"contests": contests}
    old_start = datetime.fromisoformat(row.payload["old_start"])
    return row.kind, {"contest": contests[0], "old_start": old_start}
