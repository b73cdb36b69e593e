"""What every recipe of messages is: who is told what, by which way, and what must still hold when it leaves."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, Select, func, select

from rota.errors import ConfigError
from rota.messages import ledger, tables, tally
from rota.messages.account import Account, Ended
from rota.messages.courier import Courier
from rota.messages.look import Facts, Parcel
from rota.messages.message import Content, Message
from rota.messages.senders.sender import Sender
from rota.messages.unsubscribe import Unsubscribe
from rota.recipes import Recipe
from rota.recipes.age import Age
from rota.recipes.database import engine_of, reading, writing
from rota.recipes.tables import ready

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from rota import JobResult, Run

Plan = Callable[["Run"], "Select[Any] | Iterable[Select[Any]]"]
RETRY = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60))
COUNTED = ("planned", "sent", "failed", "unknown", "cancelled", "expired", "bounced", "taken_over")


@dataclass(frozen=True, eq=False)
class Mailing(Recipe):
    """Messages of a ``kind``, each once for a recipient, subject, version and channel.

    ``plan``: a SELECT of those to be told, with ``recipient`` and, where it has them, ``subject``, ``version``,
    ``channel``, ``useful_until``, ``priority``. ``to``: the column whose values the recipients are; ``about``: that of
    the subjects. ``look``: a SELECT from the tables of these columns, done again right before each message leaves: its
    columns are what the message is made of, ``address`` (or one named like the channel) is where it goes, and where
    ``cancel`` is not empty, it is the reason why it does not. A message whose row it does not find is ``gone``.
    """

    kind: str
    plan: Plan
    _: KW_ONLY
    to: Any
    look: Select[Any] | Callable[[datetime], Select[Any]]
    render: Callable[[Facts], Content]
    channels: Mapping[str, Sender | Sequence[Sender]]
    about: Any = None
    useful_for: Age | timedelta | str | None = None
    retry: Sequence[timedelta] = RETRY
    """Pauses between tries; after the last there is none."""
    unsubscribe: Unsubscribe | None = None
    topic: str = ""
    """What people unsubscribe from; the kind, unless said otherwise."""
    coalesce: int | None = None
    """From so many for one person on, they leave as one message; ``render`` finds all of them in ``items``."""
    complete: Callable[[Connection, Sequence[Facts]], None] | None = None
    """Adds to what the look found, for a page of messages at a time."""
    settled: Callable[[Connection, Sequence[Ended]], None] | None = None
    """Hears what became of messages, in the transaction that writes it down."""
    time_limit: timedelta | str | None = None
    key: Callable[[Any], str] | None = None
    """The idempotency key of a row, where it must have a form of your own."""

    sends = True

    def __post_init__(self) -> None:
        if not self.channels:
            raise ConfigError(f"{self.kind} has no channel", hint='channels={"email": Smtp(…)}')
        column = getattr(self.to, "expression", self.to)
        if not isinstance(column, Column):
            raise ConfigError(f"to={self.to!r} is no column", hint="Give the column that the recipients are values of.")
        object.__setattr__(self, "to", column)

    @property
    def description(self) -> str:
        """``Send invitation by email.``"""
        return f"Send {self.kind} by {', '.join(self.channels)}."

    @property
    def senders(self) -> dict[str, Sequence[Sender]]:
        """Of each channel, in the order in which they are tried."""
        return {name: given if isinstance(given, (list, tuple)) else (given,) for name, given in self.channels.items()}

    @property
    def topic_or_kind(self) -> str:
        return self.topic or self.kind

    def looks_at(self, now: datetime) -> Select[Any]:
        return self.look(now) if callable(self.look) else self.look

    def message(self, sender: Sender, parcel: Parcel) -> Message:
        """Made on a thread of the channel, right before it is handed over."""
        del sender
        facts, row = dict(parcel.facts[0]), parcel.rows[0]
        if len(parcel.facts) > 1:
            facts["items"] = list(parcel.facts)
        headers: Mapping[str, str] = {}
        if self.unsubscribe is not None:
            facts["unsubscribe_url"] = self.unsubscribe.link(facts["address"], self.topic_or_kind)
            headers = self.unsubscribe.headers(facts["unsubscribe_url"])
        return Message(
            key=(self.key or natural_key)(row),
            address=facts["address"],
            name=str(facts.get("name") or ""),
            content=self.render(facts),
            at=facts["now"],
            headers=headers,
            request=parcel.request,
        )

    # --- a run

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        del plan
        return self.of(run).deliver(run)

    def deliver(self, run: Run) -> JobResult:
        engine = engine_of(self.to.table)
        if run.muted:
            return self._tell(engine, run)
        ready(engine, tables.metadata)
        account = Account(run, self)
        with writing(engine) as connection:
            account.begin(connection)
            repeatable = [each.name for some in self.senders.values() for each in some if each.honours_keys]
            taken = ledger.take_over(connection, account.owner, self.senders, repeatable, datetime.now(UTC))
            account.count(connection, **taken)
        self._expire(engine, account)
        total = sum(self._enter(engine, run, account, each) for each in self._plans(run))
        courier = Courier(engine, run, self, account)
        until = None
        if self.time_limit is not None:
            until = time.monotonic() + Age.of(self.time_limit).length.total_seconds()
        courier.deliver(self._queued(engine), until)
        self._expire(engine, account)
        return self._result(engine, account, courier, total)

    def of(self, run: Run) -> Mailing:
        """What it is in this run; a mailing of a period is another one in each."""
        del run
        return self

    def queries(self, run: Run) -> list[Select[Any]]:
        given = self.plan(run)
        return [given] if isinstance(given, Select) else list(given)

    def _plans(self, run: Run) -> list[ledger.Plan]:
        until = None
        if self.useful_for is not None:
            age = Age.of(self.useful_for)
            until = run.as_of + age.length + timedelta(days=30) * age.months
        return [ledger.Plan(query, self.kind, list(self.channels), until) for query in self.queries(run)]

    def _enter(self, engine: Engine, run: Run, account: Account, plan: ledger.Plan) -> int:
        """A page of recipients in a transaction; returns how many messages the plan has, known or not."""
        with reading(engine) as connection:
            total = plan.total(connection)
        after, more = None, True
        while more:
            run.check()
            with writing(engine) as connection:
                end = plan.page(connection, after)
                account.count(connection, planned=plan.enter(connection, after, end, datetime.now(UTC)))
            after, more = end, end is not None
        return total

    def _expire(self, engine: Engine, account: Account) -> None:
        with writing(engine) as connection:
            if over := ledger.expire(connection, self.kind, datetime.now(UTC)):
                account.count(connection, expired=over)

    def _queued(self, engine: Engine) -> int:
        row = tables.deliveries.c
        waiting = select(func.count()).where(row.kind == self.kind, row.status == "queued")
        with reading(engine) as connection:
            return connection.scalar(waiting) or 0

    def _tell(self, engine: Engine, run: Run) -> JobResult:
        """What would be sent; nothing is written."""
        from rota import JobResult
        from rota.recipes.tables import present

        known = present(engine, tables.metadata)
        with reading(engine) as connection:
            counted = [plan.count(connection, known=known) for plan in self._plans(run)]
        planned = sum(new for _, new in counted)
        waiting = self._queued(engine) if known else 0
        counts = dict.fromkeys(COUNTED, 0) | {
            "planned": planned,
            "already_planned": sum(t for t, _ in counted) - planned,
        }
        result = JobResult(status="dry_run" if run.dry_run else "skipped", counts=counts)
        result.details = {"would_send": planned + waiting, "muted": run.muted}
        result.message = f"{planned + waiting:,} messages would be sent; nothing was, because this run is " + (
            "a dry run" if run.dry_run else "muted"
        )
        return result

    def _result(self, engine: Engine, account: Account, courier: Courier, total: int) -> JobResult:
        from rota import JobResult

        left = self._queued(engine)
        with reading(engine) as connection:
            found = tally.errors(connection, account.owner.run)
        counts = account.counts
        named = {name: counts[name] for name in COUNTED}
        named |= {"already_planned": max(0, total - counts["planned"]), "left": left}
        result = JobResult(counts=named)
        result.details["cancelled"] = {
            name.removeprefix("cancelled_"): count for name, count in counts.items() if name.startswith("cancelled_")
        }
        for item, kind, text in found:
            result.add_error(item, kind, text)
        if why := set(courier.stopped.values()):
            stopped = "time_limit" if why == {"time_limit"} else "dependency_down"
            result.details |= {"stopped": stopped, "channels": courier.stopped}
        amiss = counts["failed"] + counts["unknown"] + left
        if amiss:
            result.status = "partial" if counts["sent"] or courier.stopped else "failed"
        result.message = ", ".join(f"{count:,} {name}" for name, count in named.items() if count) or "nothing to send"
        return result


def natural_key(row: Any) -> str:
    """What the message is, hashed, and its number in the ledger: no other message has ever had it."""
    text = "\0".join((row.recipient, row.subject, row.kind, row.version, row.channel))
    return f"{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:20]}-{row.id}"
