"""SG-3: groups begin when enough have joined, and end when their last round is paid and paid out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, literal, not_, or_, select

from apps.database import Instant
from apps.savings.settings import Settings
from apps.savings.tables import contributions, groups, memberships, outbox
from rota.recipes import Safety, Transition, Transitions, engine_of, insert, reading
from rota.recipes.tables import record

if TYPE_CHECKING:
    from rota import JobResult, Run

REPORTED = 100
INACTIVE = timedelta(days=30)
_group, _member, _paid = groups.c, memberships.c, contributions.c
VALID = and_(
    _group.total_rounds > 0,
    or_(_group.max_members.is_(None), _group.min_members <= _group.max_members),
    _group.current_round >= 0,
)
_MEMBERS = (
    select(func.count())
    .select_from(memberships)
    .where(_member.group_id == _group.id, _member.status == "ACTIVE")
    .correlate(groups)
    .scalar_subquery()
)


def _may_begin() -> ColumnElement[bool]:
    return and_(VALID, _group.min_members <= _MEMBERS, func.trim(func.coalesce(_group.contract_address, "")) != "")


def _all_paid() -> ColumnElement[bool]:
    """Every active member has paid the last round; who is suspended counts neither for nor against."""
    paid = exists().where(
        _paid.group_id == _group.id,
        _paid.user_id == _member.user_id,
        _paid.round_number == _group.total_rounds,
        _paid.status == "CONFIRMED",
    )
    paid = paid.correlate(groups, memberships)  # or a payment to any other group of his would do
    unpaid = exists().where(_member.group_id == _group.id, _member.status == "ACTIVE", not_(paid))
    return and_(_MEMBERS > 0, not_(unpaid))


def _paid_out() -> ColumnElement[bool]:
    """The last in the order of those that are active has had his turn."""
    last = memberships.alias("last")
    highest = (
        select(func.max(last.c.payout_order))
        .where(last.c.group_id == _group.id, last.c.status == "ACTIVE")
        .correlate(groups)
        .scalar_subquery()
    )
    return exists().where(
        _member.group_id == _group.id,
        _member.status == "ACTIVE",
        _member.payout_order == highest,
        _member.has_received_payout.is_(True),
    )


def _may_end() -> ColumnElement[bool]:
    last_round = and_(_group.current_round == _group.total_rounds, _all_paid(), _paid_out())
    return and_(VALID, or_(_group.current_round > _group.total_rounds, last_round))


def _tell(kind: str) -> Any:
    """Members hear of it once, however often this is tried."""

    def tell(connection: Connection, ids: Sequence[Any], run: Run) -> None:
        for group in ids:
            row = {
                "dedupe_key": f"{group}:{kind}",
                "kind": kind,
                "payload": {"group_id": group},
                "created_at": run.as_of,
            }
            connection.execute(insert(connection, outbox).values(row).on_conflict_do_nothing())
            record(connection, run, kind, groups.name, target_id=group)

    return tell


class UpdateStatuses(Transitions):
    """Its result also names what a person should look at: groups that are not valid, or that nobody joins or pays."""

    stale_after: timedelta

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        result = super().__call__(run, plan)
        with reading(engine_of(groups)) as connection:
            result.counts["checked"] = self._count(connection)
            result.counts["invalid"] = self._count(connection, not_(VALID))
            result.details["inactive_ids"] = self._ids(connection, self._inactive(run.as_of))
            result.details["stale_ids"] = self._ids(connection, self._stale(run.as_of))
            invalid = self._ids(connection, not_(VALID))
        result.warnings += [f"invalid_group: {group}" for group in invalid]
        return result

    def _inactive(self, as_of: datetime) -> ColumnElement[bool]:
        return and_(_group.status == "PENDING", _group.created_at < as_of - INACTIVE)

    def _stale(self, as_of: datetime) -> ColumnElement[bool]:
        recent = exists().where(_paid.group_id == _group.id, _paid.timestamp >= as_of - self.stale_after)
        return and_(_group.status == "ACTIVE", not_(recent))

    @staticmethod
    def _count(connection: Connection, *such: ColumnElement[bool]) -> int:
        return int(
            connection.scalar(select(func.count()).select_from(groups).where(_group.deleted_at.is_(None), *such)) or 0
        )

    @staticmethod
    def _ids(connection: Connection, such: ColumnElement[bool]) -> list[Any]:
        found = select(_group.id).where(_group.deleted_at.is_(None), such).order_by(_group.id).limit(REPORTED)
        return list(connection.scalars(found))


def update_group_statuses(settings: Settings) -> Transitions:
    begin = Transition(
        name="activated",
        frm="PENDING",
        to="ACTIVE",
        when=_may_begin(),
        set_values={
            "activated_at": lambda now: now,
            "current_round": case((_group.current_round < 1, 1), else_=_group.current_round),
            "start_date": lambda now: func.coalesce(_group.start_date, literal(now, Instant)),
        },
        also=_tell("group.activated"),
        event="group.activated",
    )
    end = Transition(
        name="completed",
        frm="ACTIVE",
        to="COMPLETED",
        when=_may_end(),
        set_values={"completed_at": lambda now: now, "end_date": lambda now: now},
        also=_tell("group.completed"),
        event="group.completed",
    )
    recipe = UpdateStatuses(
        groups.c.status,
        [begin, end],
        where=_group.deleted_at.is_(None),
        safety=Safety(most_fraction=None, runaway=None, batch=200, pause=0),
    )
    object.__setattr__(recipe, "stale_after", timedelta(days=settings.max_stale_days))
    return recipe
