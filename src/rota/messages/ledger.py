"""The ledger of messages: who may send one, and what became of it.

queued ──► claimed ──► sent | failed | unknown | cancelled          queued ──► expired, once it is of no use
   ▲          │
   └──────────┘  surely not taken: another try later; or its owner is gone, and a repeat does no harm

A message's row is unique, so planning it twice makes one. Claiming it is the mark of a try: what its owner leaves
behind claimed may have been handed over. An outcome is written only while the row is still the owner's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
    update,
)

from rota.errors import ConfigError
from rota.messages.parcel import Verdict
from rota.messages.tables import KEY, as_instant, deliveries, inserted
from rota.recipes.database import insert
from rota.recipes.tables import Instant

LEASE = timedelta(minutes=5)
PLAN_PAGE = 10_000
CLOSE_PAGE = 1_000
_row = deliveries.c
_QUEUED, _CLAIMED = (_row.status == literal_column(f"'{each}'") for each in ("queued", "claimed"))
"""As literals: a partial index is not found by a parameter."""
_OPTIONAL = {"subject", "version", "channel", "useful_until", "priority", "reason"}


@dataclass(frozen=True, slots=True)
class Owner:
    """One attempt of one run, at work on the messages of a kind."""

    run: str
    attempt: int
    kind: str
    ahead: timedelta = timedelta(0)
    """How far the run's clock is ahead of the one that leases go by."""

    def holds(self, ids: Collection[int]) -> ColumnElement[bool]:
        mine = (_row.claimed_by == self.run, _row.claimed_as == self.attempt)
        return and_(_row.id.in_(ids), _CLAIMED, *mine)

    def of(self, channel: str) -> ColumnElement[bool]:
        return and_(_row.kind == self.kind, _row.channel == channel)


# --- planning


class Plan:
    """A SELECT of whom to tell what, made into rows of the ledger: ``recipient``, and where it has them ``subject``,
    ``version``, ``channel``, ``useful_until``, ``priority``, and ``reason`` for one that is cancelled at once."""

    def __init__(self, query: Select[Any], kind: str, channels: Sequence[str], until: datetime | None) -> None:
        self._plan = plan = query.order_by(None).subquery("plan")
        names = set(plan.c.keys())
        if "recipient" not in names or names - _OPTIONAL - {"recipient"}:
            raise ConfigError(
                f"a plan of {kind} has the columns {', '.join(sorted(names))}",
                hint=f"Label them recipient, and if you like {', '.join(sorted(_OPTIONAL))}.",
            )
        source: Any = plan
        channel: Any = plan.c.get("channel")
        if channel is None:
            every = union_all(*(select(literal(name, Text).label("name")) for name in channels)).subquery("channel")
            source, channel = plan.join(every, true()), every.c.name
        self._has_reasons = "reason" in names
        reason: Any = plan.c.get("reason", literal(None, Text))
        self._rows = (
            select(
                cast(plan.c.recipient, Text).label("recipient"),
                func.coalesce(cast(plan.c.get("subject", literal("")), Text), "").label("subject"),
                literal(kind, Text).label("kind"),
                func.coalesce(cast(plan.c.get("version", literal("")), Text), "").label("version"),
                channel.label("channel"),
                case((reason.is_(None), "queued"), else_="cancelled").label("status"),
                reason.label("reason"),
                func.coalesce(plan.c.get("priority", literal(0)), 0).label("priority"),
                as_instant(plan.c.get("useful_until", literal(until, Instant()))).label("useful_until"),
            )
            .select_from(source)
            .where(plan.c.recipient.is_not(None))
        )

    def total(self, connection: Connection) -> int:
        return connection.scalar(select(func.count()).select_from(self._rows.subquery())) or 0

    def count(self, connection: Connection, now: datetime, *, known: bool) -> tuple[int, int]:
        """How many it has, and how many of them would be sent that the ledger has not; ``known``: there is a ledger."""
        rows = self._rows.subquery("row")
        useful = or_(rows.c.useful_until.is_(None), rows.c.useful_until > literal(now, Instant()))
        new = select(func.count()).select_from(rows).where(rows.c.reason.is_(None), useful)
        if known:
            new = new.where(~select(1).where(*(_row[name] == rows.c[name] for name in KEY)).exists())
        return self.total(connection), connection.scalar(new) or 0

    def page(self, connection: Connection, after: Any) -> Any:
        """Where the page of recipients after ``after`` ends; None: it is the last one."""
        recipient = self._plan.c.recipient
        rest = select(recipient).order_by(recipient).offset(PLAN_PAGE).limit(1)
        return connection.scalar(rest if after is None else rest.where(recipient > after))

    def enter(self, connection: Connection, after: Any, end: Any, now: datetime) -> tuple[int, Sequence[Row[Any]]]:
        """Those of recipients after one, to another; returns how many are new, and those that are over at once."""
        recipient, moment = self._plan.c.recipient, literal(now, Instant())
        reason = self._rows.selected_columns.reason
        page = self._rows.add_columns(literal(0), moment, moment, case((reason.is_not(None), moment)))
        page = page if after is None else page.where(recipient > after)
        page = page if end is None else page.where(recipient <= end)
        over: Sequence[Row[Any]] = ()
        if self._has_reasons:
            returned = (_row.id, _row.reason, *(_row[name] for name in KEY))
            over = connection.execute(
                self._into(connection, page.where(reason.is_not(None))).returning(*returned)
            ).all()
            page = page.where(reason.is_(None))
        return inserted(connection, self._into(connection, page)), over

    def _into(self, connection: Connection, page: Select[Any]) -> Any:
        columns = [*self._rows.selected_columns.keys(), "attempts", "created_at", "next_try_at", "ended_at"]
        return insert(connection, deliveries).from_select(columns, page).on_conflict_do_nothing()


def moment(given: datetime) -> ColumnElement[Any]:
    """A moment as a column of a plan: ``moment(run.due_at + timedelta(days=60)).label("useful_until")``."""
    return literal(given, Instant())


# --- claiming


def waiting(connection: Connection, owner: Owner, channel: str, provider: str, now: datetime, limit: int) -> int:
    """How many could be claimed for this provider, up to ``limit``."""
    page = select(_row.id).where(owner.of(channel), _due(now), _free_for(provider)).limit(limit).subquery()
    return connection.scalar(select(func.count()).select_from(page)) or 0


def next_due(connection: Connection, owner: Owner, channel: str, now: datetime) -> datetime | None:
    """When the first that waits may have its next try."""
    later = select(func.min(_row.next_try_at)).where(owner.of(channel), _QUEUED, _row.next_try_at > now)
    moment: datetime | None = connection.scalar(later)
    return moment


def next_of_use(connection: Connection, owner: Owner, channel: str, not_before: datetime) -> datetime | None:
    """When the first that waits may have its next try, from a moment on; of those that will be of use by then."""
    at = case((_row.next_try_at > not_before, _row.next_try_at), else_=literal(not_before, Instant()))
    of_use = or_(_row.useful_until.is_(None), _row.useful_until > at)
    moment: datetime | None = connection.scalar(select(func.min(at)).where(owner.of(channel), _QUEUED, of_use))
    return moment


def claim(
    connection: Connection, owner: Owner, channel: str, provider: str, now: datetime, limit: int
) -> Sequence[Row[Any]]:
    """Takes up to ``limit`` rows that are due, for this provider; one request that was tried before, as a whole."""
    mine = and_(owner.of(channel), _due(now), _free_for(provider))
    again = connection.scalar(select(_row.request).where(mine, _row.request.is_not(None)).limit(1))
    if again is not None:
        return _take(connection, owner, and_(mine, _row.request == again), provider, now)
    page = select(_row.id).where(mine).order_by(_row.priority, _row.id).limit(limit).with_for_update(skip_locked=True)
    chosen = select(page.cte("page").c.id)  # a CTE that locks is done once, whatever the planner thinks
    return _take(connection, owner, and_(_row.id.in_(chosen), mine), provider, now)


def claim_others(
    connection: Connection, owner: Owner, channel: str, provider: str, now: datetime, recipients: Collection[str]
) -> Sequence[Row[Any]]:
    """What else is due for these recipients, who are to get one message instead of several."""
    mine = and_(owner.of(channel), _due(now), _free_for(provider), _row.unsure == 0, _row.recipient.in_(recipients))
    return _take(connection, owner, mine, provider, now)


def _free_for(provider: str) -> ColumnElement[bool]:
    return or_(_row.provider.is_(None), _row.provider == provider)


def _due(now: datetime) -> ColumnElement[bool]:
    of_use = or_(_row.useful_until.is_(None), _row.useful_until > now)
    return and_(_QUEUED, _row.next_try_at <= now, of_use)


def _take(connection: Connection, owner: Owner, which: Any, provider: str, now: datetime) -> Sequence[Row[Any]]:
    values = {
        "status": "claimed",
        "claimed_by": owner.run,
        "claimed_as": owner.attempt,
        "lease_until": now - owner.ahead + LEASE,
    }
    taken = update(deliveries).where(which).values(values | {"provider": provider, "attempts": _row.attempts + 1})
    return connection.execute(
        taken.returning(*(_row[name] for name in ("id", *KEY, "attempts", "request", "unsure")))
    ).all()


def mark_request(connection: Connection, ids: Collection[int], request: str) -> None:
    connection.execute(update(deliveries).where(_row.id.in_(ids)).values(request=request))


def take_over(
    connection: Connection, owner: Owner, channels: Collection[str], repeatable: Collection[str], now: datetime
) -> int:
    """What vanished owners have left is queued again where the provider takes a repeated key for the same message."""
    values = {"status": "queued", "next_try_at": now, "unsure": 1}
    left = and_(_vanished(owner, channels, now), _row.provider.in_(repeatable))
    return connection.execute(update(deliveries).where(left).values(values)).rowcount


def lost(owner: Owner, channels: Collection[str], repeatable: Collection[str], now: datetime) -> ColumnElement[bool]:
    """Where the provider does not, or is there no more, nobody can know of these."""
    bound = and_(_QUEUED, _row.provider.is_not(None), _row.provider.not_in(repeatable))
    return or_(_vanished(owner, channels, now), and_(_row.kind == owner.kind, _row.channel.in_(channels), bound))


def _vanished(owner: Owner, channels: Collection[str], now: datetime) -> ColumnElement[bool]:
    """An earlier attempt of the same run need not be waited for: its outcomes are no longer taken."""
    gone = or_(
        _row.lease_until < now - owner.ahead, and_(_row.claimed_by == owner.run, _row.claimed_as < owner.attempt)
    )
    return and_(_row.kind == owner.kind, _row.channel.in_(channels), _CLAIMED, gone)


def overdue(kind: str, now: datetime) -> ColumnElement[bool]:
    """What waits and is of no use any more."""
    return and_(_row.kind == kind, _QUEUED, _row.useful_until <= now)


def close(connection: Connection, which: ColumnElement[bool], verdict: Verdict, now: datetime) -> Sequence[Row[Any]]:
    """Writes it down for a page of rows that nobody is at, and returns them."""
    page = select(_row.id).where(which).limit(CLOSE_PAGE).with_for_update(skip_locked=True).cte("page")
    values = {"status": verdict.status, "reason": verdict.reason, "ended_at": now}
    done = update(deliveries).where(_row.id.in_(select(page.c.id)), which).values(values)
    return connection.execute(done.returning(_row.id, *(_row[name] for name in KEY))).all()


# --- settling


def settle(connection: Connection, owner: Owner, verdict: Verdict, ids: Collection[int], now: datetime) -> list[int]:
    """Writes it down for those that are still the owner's, and returns them."""
    values: dict[str, Any] = {"status": verdict.status, "reason": verdict.reason}
    if verdict.status == "queued":
        values["next_try_at"] = verdict.next_try_at or now
        values |= {"attempts": _row.attempts - 1} if verdict.free or not verdict.tried else {}
        # Whoever may have it once, keeps it: a later "no" says nothing of the first time.
        kept = {name: case((_row.unsure == 1, _row[name])) for name in ("provider", "request")}
        values |= {"unsure": 1} if verdict.unsure else kept
    else:
        values["ended_at"] = now
    done = update(deliveries).where(owner.holds(ids)).values(values).returning(_row.id)
    return [row.id for row in connection.execute(done).all()]


def name_by_provider(connection: Connection, names: dict[int, str]) -> None:
    """What providers call messages: what they tell of them later comes under these names."""
    if names:
        statement = update(deliveries).where(_row.id == bindparam("row")).values(provider_id=bindparam("name"))
        connection.execute(statement, [{"row": row, "name": name} for row, name in names.items()])
