"""FF-1, FF-1b and FF-2: the invitations of a month are planned and sent, tried again, and people reminded of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Select, String, case, cast, func, null, or_, select, update

from apps.faf import french, unsubscribing
from apps.faf.eligible import asks, is_asked, why_not
from apps.faf.health import MEGABYTE, peak_bytes
from apps.faf.links import token
from apps.faf.planning import NAMES, PER_USER, month_of, months_of, plan_month
from apps.faf.settings import Settings
from apps.faf.tables import campaign_runs, contacts, invitation_reminders, invitations, users
from rota.messages import Campaign, Content, Mailing, Reminders, Step, Templates
from rota.recipes import Recipe, engine_of, insert, writing
from rota.recipes.recipe import without_plan

if TYPE_CHECKING:
    from rota import JobResult, Run
    from rota.messages.account import Ended

INVITATION, REMINDER = "faf.invitation", "faf.reminder"
STYLES = {"friendly", "professional", "fun"}
UNANSWERED = ("sent", "opened", "started")
_invitation, _owner, _contact = invitations.c, users.c, contacts.c
_of_paris = {"jour": french.day, "mois": french.month, "de": lambda text: french.of(french.month(text))}
_letters = Templates(Path(__file__).parent / "templates", filters=_of_paris)


@dataclass(frozen=True, eq=False)
class MonthlyInvitations(Recipe):
    """Invite the friends of all owners, once a month.

    The month is planned and sent, and what came of it written down.
    """

    settings: Settings
    channels: Mapping[str, Any]
    sends = True

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        without_plan(plan)
        began = time.monotonic()
        planned = plan_month(self.settings)(run)
        result = sending(self.settings, self.channels)(run)
        result.counts |= {name: planned.counts[name] for name in NAMES}
        result.counts["owners_total"] = planned.counts["owners_processed"]
        seconds = time.monotonic() - began
        result.details |= {
            "duration_s": round(seconds, 3),
            "rate_per_s": round(result.counts["sent"] / seconds, 1),
            "peak_rss_mb": round(peak_bytes() / MEGABYTE),
        }
        if not run.muted and self.settings.mode != PER_USER:
            self._note(run, result)
        return result

    def _note(self, run: Run, result: JobResult) -> None:
        month = month_of(run.due_at, self.settings.timezone)
        row = {
            "owner_id": "",
            "month": month,
            "scheduled_at": run.due_at,
            "status": result.status,
            "counts": result.counts,
        }
        with writing(engine_of(invitations)) as connection:
            statement = insert(connection, campaign_runs).values(row)
            others = {name: statement.excluded[name] for name in ("scheduled_at", "status", "counts")}
            connection.execute(statement.on_conflict_do_update(index_elements=["owner_id", "month"], set_=others))


def sending(settings: Settings, channels: Mapping[str, Any]) -> Campaign:
    """Of the month that the run stands for."""

    def plan(run: Run) -> Select[Any]:
        return _queued(_invitation.month.in_(months_of(run.due_at, settings)))

    given = _invitation_mail(settings, channels, plan)
    limit = timedelta(hours=settings.max_job_hours)
    return Campaign(**given, lateness="48h", time_limit=limit, goes_on=False)  # invitation-retry does


def trying_again(settings: Settings, channels: Mapping[str, Any]) -> Mailing:
    """Of the newest campaign, whatever month it was of, until its invitations expire; of all, where each owner has a
    day of his own."""

    def plan(run: Run) -> Select[Any]:
        newest = _invitation.month == select(func.max(_invitation.month)).scalar_subquery()
        return _queued(_invitation.expires_at > run.as_of, *([] if settings.mode == PER_USER else [newest]))

    return Mailing(**_invitation_mail(settings, channels, plan), goes_on=False)  # the next one is ten minutes away


def reminders(settings: Settings, channels: Mapping[str, Any]) -> Reminders:
    def plan(run: Run) -> Select[Any]:
        return (
            select(_invitation.id.label("recipient"))
            .join(users, _owner.id == _invitation.from_user_id)
            .join(contacts, _contact.id == _invitation.contact_id)
            .where(_invitation.status.in_(UNANSWERED), _invitation.expires_at > run.as_of, asks(), is_asked(run.as_of))
        )

    first, second = settings.first_reminder_days, settings.second_reminder_days
    return Reminders(
        kind=REMINDER,
        plan=plan,
        anchor=_invitation.sent_at,
        steps=(
            Step("first", after=timedelta(days=first), where=_owner.first_reminder),
            Step("second", after=timedelta(days=second), where=_owner.second_reminder),
        ),
        to=_invitation.id,
        look=partial(_look, waiting=UNANSWERED),
        render=partial(_reminder, settings),
        channels=channels,
        unsubscribe=unsubscribing.links(settings),
        key=lambda row: f"faf:inv:{row.recipient}:{row.version}",
        settled=_note_reminders,
        goes_on=False,
        time_limit="50min",
    )


def _queued(*such: Any) -> Select[Any]:
    urgent = case((_invitation.priority == "high", 0), else_=1)
    columns = (
        _invitation.id.label("recipient"),
        _invitation.expires_at.label("useful_until"),
        urgent.label("priority"),
    )
    return select(*columns).where(_invitation.status == "queued", *such)


def _invitation_mail(settings: Settings, channels: Mapping[str, Any], plan: Callable[[Run], Any]) -> dict[str, Any]:
    return {
        "kind": INVITATION,
        "plan": plan,
        "to": _invitation.id,
        "look": partial(_look, waiting=("queued",)),
        "render": partial(_invite, settings),
        "channels": channels,
        "unsubscribe": unsubscribing.links(settings),
        "key": lambda row: f"faf:inv:{row.recipient}:invite",
        "settled": _note_invitations,
    }


def _look(now: datetime, waiting: Sequence[str]) -> Select[Any]:
    """Right before it leaves: is it still wanted, and by whom is it?"""
    answered = (_invitation.status == "submitted", "submitted")
    over = (or_(_invitation.expires_at <= now, _invitation.status == "expired"), "expired")
    cancel = case(answered, over, *why_not(), (_invitation.status.not_in(waiting), _invitation.status), else_=null())
    return (
        select(
            _invitation.id,
            _invitation.to_email.label("address"),
            _invitation.month,
            _invitation.expires_at,
            _owner.username.label("owner"),
            _owner.email.label("owner_email"),
            _owner.email_template,
            _owner.custom_message,
            _owner.timezone,
            _contact.first_name,
            cast(_contact.id, String).label("topic"),
            cancel.label("cancel"),
        )
        .join(users, _owner.id == _invitation.from_user_id)
        .join(contacts, _contact.id == _invitation.contact_id)
    )


def _invite(settings: Settings, facts: Mapping[str, Any]) -> Content:
    style = facts["email_template"] if facts["email_template"] in STYLES else "friendly"
    return _letter(settings, style, facts)


def _reminder(settings: Settings, facts: Mapping[str, Any]) -> Content:
    left = french.days_left(facts["expires_at"], facts["now"])
    name = f"reminder_{facts['message'].version}"
    letter = _letter(settings, name, {**facts, "days_left": left})
    return replace(letter, headers={"In-Reply-To": f"<{facts['id']}@form-a-friend.example>"})


def _letter(settings: Settings, name: str, facts: Mapping[str, Any]) -> Content:
    link = f"{settings.public_url}/form/{token(settings.link_key, facts['id'])}"
    content = _letters[name]({**facts, "link": link})
    return replace(content, from_name=f"{facts['owner']} via Form-a-Friend", reply_to=facts["owner_email"])


def _note_invitations(connection: Connection, ended: Sequence[Ended]) -> None:
    """A status never goes back: what a friend has opened meanwhile stays so."""
    for each in ended:
        now, values = each.at, _values(each)
        mine = update(invitations).where(
            _invitation.id == _key(each), _invitation.status.in_(("queued", "sending", "unknown"))
        )
        connection.execute(mine.values(attempts=each.row.attempts, **values))
        about = select(_invitation.contact_id).where(_invitation.id == _key(each)).scalar_subquery()
        if each.status == "sent":
            told = {"invitations_sent": _contact.invitations_sent + 1, "last_sent_at": now}
            connection.execute(update(contacts).where(_contact.id == about).values(told))
        elif each.bounce:
            gone = {"status": "bounced", "email_status": "bounced_permanent", "bounce_reason": each.verdict.reason}
            connection.execute(update(contacts).where(_contact.id == about).values(last_bounce_at=now, **gone))


def _values(each: Ended) -> dict[str, Any]:
    reason = each.verdict.reason
    match each.status:
        case "sent":
            return {"status": "sent", "sent_at": each.at, "provider_message_id": each.provider_id}
        case "failed":
            return {"status": "bounced" if each.bounce else "failed", "last_error": reason}
        case "queued":
            return {"last_error": reason, "next_attempt_at": each.verdict.next_try_at}
    return {"status": each.status, "status_reason": reason}


def _note_reminders(connection: Connection, ended: Sequence[Ended]) -> None:
    for each in ended:
        if each.status == "queued":
            continue
        status = each.status if each.status in {"sent", "failed"} else "skipped"
        row = {
            "invitation_id": _key(each),
            "kind": each.row.version,
            "status": status,
            "reason": each.verdict.reason,
            "claimed_at": each.at,
            "sent_at": each.at if status == "sent" else None,
        }
        statement = insert(connection, invitation_reminders).values(row)
        changed = {name: statement.excluded[name] for name in ("status", "reason", "sent_at")}
        connection.execute(statement.on_conflict_do_update(index_elements=["invitation_id", "kind"], set_=changed))


def _key(each: Ended) -> Any:
    """A key of ours, as the database has it."""
    return each.row.recipient
