"""What a group did in a week, and what each member did: the numbers of SG-2, worked out a page of groups at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, and_, or_, select

from apps.numbers import EXACT, percent, rounded
from apps.savings.tables import contributions, groups, memberships
from rota.recipes import Period, Periods

PLACES = 7
_group, _member, _paid = groups.c, memberships.c, contributions.c


@dataclass(frozen=True, slots=True)
class Week:
    """Monday to Monday on a zone's clock; ``key`` is the ISO week that it begins in, as ``2026-W47``."""

    period: Period
    zone: str

    @classmethod
    def before(cls, moment: datetime, zone: str = "UTC") -> Week:
        return cls(Periods("week", zone).before(moment), zone)

    @property
    def key(self) -> str:
        year, week, _ = self.period.start.astimezone(ZoneInfo(self.zone)).isocalendar()
        return f"{year}-W{week:02}"


@dataclass(slots=True)
class Summary:
    """``outstanding`` are the active members who have not paid the current round; amounts are exact, by asset."""

    group_id: Any
    name: str
    week: str
    current_round: int
    total_rounds: int
    members: list[Any] = field(default_factory=list)
    """The active ones, by user."""
    contributors: int = 0
    outstanding: list[Any] = field(default_factory=list)
    count: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)
    expected: dict[str, Decimal] = field(default_factory=dict)
    all_time: dict[str, Decimal] = field(default_factory=dict)
    next_payout: Any = None
    own: dict[Any, dict[str, Decimal]] = field(default_factory=dict)
    """By user, what he paid in the week."""
    own_count: Counter[Any] = field(default_factory=Counter)
    unreadable: int = 0

    @property
    def rate(self) -> Decimal:
        """Of the active members, those who have paid the current round."""
        return percent(self.contributors, len(self.members))

    def as_dict(self) -> dict[str, Any]:
        return {
            "week": self.week,
            "round": self.current_round,
            "total_rounds": self.total_rounds,
            "members_total": len(self.members),
            "contributors": self.contributors,
            "missing_member_ids": self.outstanding,
            "contributions_count": self.count,
            "total": _shown(self.totals),
            "expected": _shown(self.expected),
            "rate": str(self.rate),
            "next_payout": self.next_payout,
            "all_time_total": _shown(self.all_time),
        }


def due(week: Week) -> ColumnElement[bool]:
    """Groups that are under way, or were completed in the week."""
    ended = and_(
        _group.status == "COMPLETED", _group.completed_at >= week.period.start, _group.completed_at < week.period.end
    )
    return and_(_group.deleted_at.is_(None), or_(_group.status == "ACTIVE", ended))


def summarise(connection: Connection, ids: Sequence[Any], week: Week) -> Mapping[Any, Summary]:
    rows = connection.execute(select(groups).where(_group.id.in_(ids))).all()
    found = {row.id: Summary(row.id, row.name, week.key, row.current_round, row.total_rounds) for row in rows}
    payouts: dict[Any, list[tuple[int, Any]]] = defaultdict(list)
    for member in connection.execute(
        select(memberships).where(_member.group_id.in_(ids), _member.status == "ACTIVE").order_by(_member.user_id)
    ):
        found[member.group_id].members.append(member.user_id)
        if not member.has_received_payout and member.payout_order is not None:
            payouts[member.group_id].append((member.payout_order, member.user_id))
    for row in rows:
        summary = found[row.id]
        amount = _amount(row.contribution_amount) or Decimal(0)
        summary.expected = {row.asset_code: amount * len(summary.members)}
        summary.next_payout = min(payouts[row.id], key=lambda each: each[0])[1] if payouts[row.id] else None
    _add_contributions(connection, ids, week.period, found)
    return found


def _add_contributions(
    connection: Connection, ids: Sequence[Any], period: Period, found: Mapping[Any, Summary]
) -> None:
    """Those that are confirmed, by the moment at which the chain has them."""
    confirmed = and_(_paid.group_id.in_(ids), _paid.status == "CONFIRMED", _paid.timestamp < period.end)
    paid_round: dict[Any, set[Any]] = defaultdict(set)
    for row in connection.execute(select(contributions).where(confirmed)):
        summary, amount = found[row.group_id], _amount(row.amount)
        if amount is None:
            summary.unreadable += 1
            continue
        _add(summary.all_time, row.asset_code, amount)
        if row.round_number == summary.current_round:
            paid_round[row.group_id].add(row.user_id)
        if row.timestamp >= period.start:
            summary.count += 1
            summary.own_count[row.user_id] += 1
            _add(summary.totals, row.asset_code, amount)
            _add(summary.own.setdefault(row.user_id, {}), row.asset_code, amount)
    for group, summary in found.items():
        summary.outstanding = [user for user in summary.members if user not in paid_round[group]]
        summary.contributors = len(summary.members) - len(summary.outstanding)


def _add(sums: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    sums[asset] = EXACT.add(sums.get(asset, Decimal(0)), amount)


def _amount(text: str) -> Decimal | None:
    """Exact; what is no number is nobody's amount."""
    try:
        amount = Decimal(text)
    except (InvalidOperation, TypeError):
        return None
    return amount if amount.is_finite() else None


def _shown(sums: Mapping[str, Decimal]) -> dict[str, str]:
    return {asset: str(rounded(amount, PLACES)) for asset, amount in sorted(sums.items())}
