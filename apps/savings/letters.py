"""SG-2: each member hears on Monday what his groups did in the week before, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, not_, null, select, true

from apps.environment import is_zone
from apps.savings.settings import Settings
from apps.savings.summary import Summary, Week, due, summarise
from apps.savings.tables import contribution_summaries, contributions, groups, memberships, users
from rota.messages import Content, Templates, Unsubscribe
from rota.messages import Summary as WeeklySummary
from rota.recipes import Derive, Period, Periods, Recipe, Safety, engine_of, insert, reading
from rota.recipes.recipe import without_plan
from rota.recipes.steps import merge, status_of

if TYPE_CHECKING:
    from rota import JobResult, Run

KIND, ZONE = "savings.summary", "UTC"
FROM_HOUR = 9
WARNED = 100
"""Groups without members, at most."""
_group, _member, _user = groups.c, memberships.c, users.c


def amounts(sums: Mapping[str, Decimal]) -> str:
    """``12.5 XLM, 3 USDC``."""
    shown = (f"{format(amount.normalize(), 'f')} {asset}" for asset, amount in sorted(sums.items()))
    return ", ".join(shown) or "nothing"


def date(moment: datetime, zone: str) -> str:
    return f"{moment.astimezone(ZoneInfo(zone)):%d %b %Y}"


_letters = Templates(Path(__file__).parent / "templates", filters={"amounts": amounts, "date": date})


@dataclass(frozen=True, eq=False)
class ContributionSummaries(Recipe):
    """Tell members what their groups did in the week before.

    First the summaries are kept, one for each group and week; then they are sent.
    """

    settings: Settings
    channels: Mapping[str, Any]
    sends = True

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        from rota import JobResult

        without_plan(plan)
        if not self.settings.per_group_timezone:
            return self._of_week(run, Week.before(run.due_at, ZONE))
        whole, each = JobResult(message="nowhere is it Monday, nine o'clock or later"), []
        for week in _mondays(run.due_at):
            each.append(self._of_week(run, week))
            merge(whole, week.zone, each[-1], prefix=False)
            whole.message = "; ".join(part.message for part in each)
        whole.status = status_of([part.status for part in each])
        return whole

    def _goes_on(self, run: Run) -> bool:
        """A person who asked for it waits for its end; of zones, there are many in one run."""
        return run.actor is None and not self.settings.per_group_timezone

    def _of_week(self, run: Run, week: Week) -> JobResult:
        whose = and_(due(week), _in_zone(week, self.settings))
        keep = partial(_keep, week)
        kept = Derive(groups, keep, counted_as="summaries", where=whose, safety=_pages(self.settings))(run)
        result = _sending(self.settings, self.channels, week, whose, goes_on=self._goes_on(run))(run)
        with reading(engine_of(groups)) as connection:
            result.counts |= _who(connection, whose)
            result.warnings += [f"group {each} has no members" for each in _without_members(connection, whose)]
        result.counts |= {name: kept.counts.get(name, 0) for name in ("groups", "groups_empty")}
        result.counts["duplicate"] = result.counts.get("already_planned", 0)
        result.warnings += kept.warnings
        result.period = (week.period.start, week.period.end)
        return result


def _mondays(moment: datetime) -> list[Week]:
    """The week before, in each zone of a group in which it is Monday, nine o'clock or later."""
    with reading(engine_of(groups)) as connection:
        zones = {zone for zone in connection.scalars(select(_group.timezone).distinct()) if is_zone(zone)}
    clocks = {zone: moment.astimezone(ZoneInfo(zone)) for zone in sorted(zones | {ZONE})}
    return [
        Week.before(moment, zone) for zone, clock in clocks.items() if clock.weekday() == 0 and clock.hour >= FROM_HOUR
    ]


def _in_zone(week: Week, settings: Settings) -> ColumnElement[bool]:
    """Groups whose week it is; one whose zone nobody knows has that of all."""
    if not settings.per_group_timezone:
        return true()
    return _group.timezone.not_in(available_timezones() - {ZONE}) if week.zone == ZONE else _group.timezone == week.zone


def _pages(settings: Settings) -> Safety:
    return Safety(most_fraction=None, runaway=None, batch=settings.summary_batch, pause=0)


def _keep(week: Week, connection: Connection, ids: Sequence[Any], run: Run) -> Mapping[str, int]:
    """A group without members is told to nobody, and counts as none."""
    found = [each for each in summarise(connection, ids, week).values() if each.members]
    rows = [
        {"group_id": each.group_id, "week": week.key, "payload": each.as_dict(), "created_at": run.as_of}
        for each in found
    ]
    if rows:
        connection.execute(insert(connection, contribution_summaries).on_conflict_do_nothing(), rows)
    empty = sum(not each.count for each in found)
    return {"summaries": len(rows), "groups": len(found), "groups_empty": empty}


def _told() -> ColumnElement[bool]:
    """Members who hear of it."""
    return and_(_member.status == "ACTIVE", _user.is_active, not_(_user.summaries_opted_out), _has_address())


def _has_address() -> ColumnElement[bool]:
    return func.trim(func.coalesce(_user.email, "")) != ""


def _members(*such: Any) -> Select[Any]:
    found = select(func.count()).select_from(memberships).join(groups, _group.id == _member.group_id)
    return found.join(users, _user.id == _member.user_id).where(_member.status == "ACTIVE", _user.is_active, *such)


def _who(connection: Connection, whose: ColumnElement[bool]) -> dict[str, int]:
    asked = {
        "recipients": _members(whose, _told()),
        "opted_out": _members(whose, _user.summaries_opted_out),
        "no_address": _members(whose, not_(_user.summaries_opted_out), not_(_has_address())),
    }
    return {name: int(connection.scalar(query) or 0) for name, query in asked.items()}


def _without_members(connection: Connection, whose: ColumnElement[bool]) -> list[Any]:
    there = exists().where(_member.group_id == _group.id, _member.status == "ACTIVE")
    return list(connection.scalars(select(_group.id).where(whose, not_(there)).order_by(_group.id).limit(WARNED)))


def _sending(
    settings: Settings, channels: Mapping[str, Any], week: Week, whose: ColumnElement[bool], *, goes_on: bool
) -> WeeklySummary:
    query = _plan(settings, week, whose)
    return WeeklySummary(
        # What is left over in one zone is not to be sent with the week of another one.
        kind=KIND if week.zone == ZONE else f"{KIND}:{week.zone}",
        plan=lambda _: query,
        to=_user.id,
        about=_group.id,
        look=_look(),
        render=partial(_letter, week.zone),
        channels=channels,
        periods=Periods("week", week.zone),
        build=partial(_build, week.zone),
        complete=_name_people,
        goes_on=goes_on,
        useful_for="6d",
        unsubscribe=Unsubscribe(f"{settings.public_url}/unsubscribe", secrets=[settings.link_key]),
    )


def _plan(settings: Settings, week: Week, whose: ColumnElement[bool]) -> Select[Any]:
    found = select(_user.id.label("recipient"), _group.id.label("subject")).select_from(memberships)
    found = found.join(groups, _group.id == _member.group_id).join(users, _user.id == _member.user_id)
    found = found.where(whose, _told())
    if not settings.skip_empty:
        return found
    row, period = contributions.c, week.period
    paid = and_(
        row.group_id == _group.id, row.status == "CONFIRMED", row.timestamp >= period.start, row.timestamp < period.end
    )
    return found.where(exists().where(paid))


def _look() -> Select[Any]:
    left = (_member.status != "ACTIVE", "not_a_member")
    cancel = case(left, (not_(_user.is_active), "inactive"), (_user.summaries_opted_out, "opted_out"), else_=null())
    return (
        select(
            _user.id.label("user"),
            _user.name,
            _user.email.label("address"),
            _group.name.label("group"),
            _group.show_names,
            cancel.label("cancel"),
        )
        .select_from(memberships)
        .join(groups, _group.id == _member.group_id)
        .join(users, _user.id == _member.user_id)
    )


def _build(zone: str, connection: Connection, group: str, period: Period) -> Summary:
    (summary,) = summarise(connection, [group], Week(period, zone)).values()
    return summary


def _name_people(connection: Connection, facts: Sequence[dict[str, Any]]) -> None:
    """Names for a letter, where the group allows them: who has not paid, and who is paid next."""
    wanted = set()
    for each in facts:
        summary = each.get("summary")
        wanted |= {*summary.outstanding, summary.next_payout} if summary else set()
    found = select(_user.id, _user.name).where(_user.id.in_([each for each in wanted if each is not None]))
    names = {row.id: row.name or f"member {row.id}" for row in connection.execute(found)}
    for each in facts:
        if summary := each.get("summary"):
            each["outstanding"] = [names.get(user, "") for user in summary.outstanding] if each["show_names"] else []
            each["next_name"] = names.get(summary.next_payout) if each["show_names"] else None


def _letter(zone: str, facts: Mapping[str, Any]) -> Content:
    summary: Summary = facts["summary"]
    own = {
        "own": summary.own.get(facts["user"], {}),
        "own_count": summary.own_count[facts["user"]],
        "owes": facts["user"] in summary.outstanding,
        "week": summary.week,
        "zone": zone,
        "last_day": facts["period"].end - timedelta(days=1),
    }
    return _letters["summary"]({**facts, **own})
