"""What is told to whom, by which way, and what must still hold when it leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self

from sqlalchemy import Column, Connection, Select

from rota.errors import ConfigError
from rota.messages.message import Content, Message
from rota.messages.parcel import Ended, Facts, Parcel
from rota.messages.run_clock import ahead
from rota.messages.senders.sender import Sender
from rota.messages.unsubscribe import Unsubscribe
from rota.recipes import Recipe
from rota.recipes.age import Age
from rota.shown import shown

if TYPE_CHECKING:
    from rota import Run

Plan = Callable[["Run"], "Select[Any] | Iterable[Select[Any]]"]


def wall_clock() -> datetime:
    return datetime.now(UTC)


RETRY = tuple(timedelta(minutes=each) for each in (1, 5, 15, 60))


@dataclass(frozen=True, eq=False)
class Brief(Recipe):
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
    """What people unsubscribe from; the kind, unless said otherwise. A column ``topic`` of ``look`` says it of each."""
    coalesce: int | None = None
    """From so many for one person on, they leave as one message; ``render`` finds all of them in ``items``."""
    complete: Callable[[Connection, Sequence[Facts]], None] | None = None
    """Adds to what the look found, for a page of messages at a time."""
    settled: Callable[[Connection, Sequence[Ended]], None] | None = None
    """Hears what became of messages, in the transaction that writes it down."""
    time_limit: timedelta | str | None = None
    at_most: int | None = None
    """About so many a run; the next one goes on."""
    goes_on: bool | None = None
    """Whether a run that leaves messages queued is snoozed until the first of them is due, as long as it is of use.
    Unless said otherwise: where no schedule brings another run, and where a run's messages are of its own period."""
    by_version: ClassVar[bool] = False
    """Whether its versions are counted each by itself."""
    key: Callable[[Any], str] | None = None
    """The idempotency key of a row, where it must have a form of your own."""
    now: Callable[[], datetime] = wall_clock
    """The time by which a message is looked at, leases run out and tries are due; tests have one of their own."""
    ahead = timedelta(0)
    """How far ``now`` is ahead of the clock that leases go by: see ``run_clock``."""

    def __post_init__(self) -> None:
        """What can be seen to be wrong is told where it is written, and not by the first run."""
        if not isinstance(self.channels, Mapping) or not self.channels:
            raise ConfigError(f"{self.kind} has no channel", hint='channels={"email": Smtp(…)}')
        for name, right, hint in self._checks():
            if not right:
                raise ConfigError(f"{self.kind}: {name}={shown(getattr(self, name))} will not do", hint=hint)
        for age in (self.useful_for, self.time_limit):
            if age is not None:
                Age.of(age)
        column = getattr(self.to, "expression", self.to)
        if not isinstance(column, Column):
            raise ConfigError(f"to={self.to!r} is no column", hint="Give the column that the recipients are values of.")
        object.__setattr__(self, "to", column)

    def _checks(self) -> Iterator[tuple[str, bool, str]]:
        """The field, whether it is right, what to write."""
        yield "plan", callable(self.plan), "A plan is asked in each run: plan=lambda run: select(…)."
        yield (
            "look",
            isinstance(self.look, Select) or callable(self.look),
            "Give a SELECT, or a function of the moment.",
        )
        text = 'Give Templates("folder")["name"], or a function that returns a Content.'
        yield "render", callable(self.render), text
        can_send = (bool(some) and all(hasattr(each, "send") for each in some) for some in self.senders.values())
        yield "channels", all(can_send), 'Give a sender for each: channels={"email": Smtp(…)}.'
        pauses: Any = self.retry
        are_pauses = isinstance(pauses, (list, tuple)) and all(isinstance(each, timedelta) for each in pauses)
        yield "retry", are_pauses, "Give the pauses between tries: retry=[timedelta(minutes=1), timedelta(minutes=5)]."

    def at(self, run: Run) -> Self:
        """The same by the run's clock."""
        by = ahead(run, self.now())
        if not by:
            return self
        clock = self.now
        moved = replace(self, now=lambda: clock() + by)
        object.__setattr__(moved, "ahead", by)
        return moved

    @property
    def description(self) -> str:
        """``Send invitation by email.``"""
        return f"Send {self.kind} by {', '.join(self.channels)}."

    @property
    def senders(self) -> dict[str, Sequence[Sender]]:
        """Of each channel, in the order in which they are tried."""
        return {name: given if isinstance(given, (list, tuple)) else (given,) for name, given in self.channels.items()}

    def goes_to(self, facts: Facts) -> tuple[str, str]:
        """The address of a message, and the topic that it is about."""
        return facts["address"], str(facts.get("topic") or self.topic or self.kind)

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
            facts["unsubscribe_url"] = self.unsubscribe.link(*self.goes_to(facts))
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


def natural_key(row: Any) -> str:
    """What the message is, hashed, and its number in the ledger: no other message has ever had it."""
    text = "\0".join((row.recipient, row.subject, row.kind, row.version, row.channel))
    return f"{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:20]}-{row.id}"
