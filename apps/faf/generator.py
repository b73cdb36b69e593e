"""Made-up owners, their contacts and invitations, with what each job must count about them.

All addresses are under ``example.test``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from apps.faf import aging
from apps.faf import tables as t
from apps.faf.aging import CLEANUP, GONE
from apps.faf.made_up_people import Contact, Owner, Rate
from apps.faf.settings import Settings
from apps.made_up import DAY, Expected, MadeUp, Progress, Size, fill_with

CAMPAIGN, RETRY, REMINDERS = "faf/monthly-invitations", "faf/invitation-retry", "faf/reminders"
HEALTH = "faf/health-check"
LIVES, RATED_OVER = timedelta(days=60), timedelta(days=180)
REMINDED_FOR = timedelta(days=2)
MONTHS = 8
UNFINISHED = ("sent", "opened", "started")
STATUSES = (("active", 70), ("pending", 18), ("opted_out", 6), ("bounced", 5), ("blocked", 1))


@dataclass(frozen=True, slots=True)
class Scale:
    owners: int
    contacts: int
    """Of each owner."""
    events: int
    samples: int


SCALES: dict[Size, Scale] = {
    "small": Scale(10, 5, 60, 40),
    "medium": Scale(500, 20, 5_000, 900),
    "large": Scale(5_000, 20, 50_000, 900),
}


def fill(
    engine: Engine,
    settings: Settings,
    size: Size = "small",
    *,
    seed: int = 42,
    as_of: datetime,
    progress: Progress | None = None,
) -> Expected:
    """Into an empty database."""

    def make(made: MadeUp) -> None:
        _Friends(made, SCALES[size], settings).make()

    return fill_with(engine, t.metadata, make, seed=f"faf:{seed}:{size}", as_of=as_of, progress=progress)


class _Friends:
    def __init__(self, made: MadeUp, scale: Scale, settings: Settings) -> None:
        self.made, self.scale, self.chance, self.as_of = made, scale, made.chance, made.as_of
        self.retention = timedelta(days=settings.token_retention_days)
        self.sample_age = timedelta(hours=settings.metrics_retention_hours)
        self.steps = (settings.first_reminder_days, settings.second_reminder_days)
        here = self.as_of.astimezone(ZoneInfo(settings.timezone))
        self.month = f"{here:%Y-%m}"
        self.fifths = self._fifths(here)

    def make(self) -> None:
        self.made.count(RETRY, planned=0, sent=0)
        self.made.count(HEALTH)
        owners = [self._owner(number) for number in range(1, self.scale.owners + 1)]
        aging.invitations(self.made, self.retention)
        owners[0].asked |= aging.contacts(self.made)
        for owner in owners:
            self._campaign(owner)
        aging.events(self.made, self.scale.events)
        aging.samples(self.made, self.scale.samples, self.sample_age)

    def _fifths(self, here: datetime) -> list[datetime]:
        """When the campaigns of the last months were sent, the newest first. This month's is still to be sent."""
        month, found = self.as_of.replace(here.year, here.month, 5, 17, 0, 0, 0), []
        while len(found) < MONTHS:
            month = (month.replace(day=1) - DAY).replace(day=5)
            found.append(month)
        return found

    def _campaign(self, owner: Owner) -> None:
        """Each address once, however often it stands there."""
        new, known = len(owner.asked - owner.alone), len(owner.asked & owner.alone)
        counts = {"planned": new, "sent": new, "already_planned": known}
        counts |= {"owners_total": 1, "owners_without_contacts": not owner.asked}
        self.made.count(CAMPAIGN, **(counts if owner.asks else dict.fromkeys(counts, 0)))

    # --- owners and their contacts

    def _owner(self, owner: int) -> Owner:
        chance = self.chance
        is_active, is_verified = chance.random() >= 0.03, chance.random() >= 0.03
        first, second = chance.random() >= 0.1, chance.random() >= 0.1
        steps = tuple(step for step, wanted in zip(self.steps, (first, second), strict=True) if wanted)
        found = Owner(owner, is_active and is_verified, steps)
        self.made.put(
            t.users,
            username=f"owner{owner}",
            email=f"owner.{owner}@example.test",
            is_active=is_active,
            email_verified=is_verified,
            send_day=5 if chance.random() < 0.8 else chance.randint(1, 28),
            timezone="Europe/Paris" if chance.random() < 0.9 else "America/Montreal",
            first_reminder=first,
            second_reminder=second,
            email_template=chance.choice(("friendly", "professional", "fun")),
            custom_message="Comment vas-tu <ce mois-ci> ?" if chance.random() < 0.1 else None,
            created_at=self.made.between(900, 300),
        )
        all_of_them = Rate()
        for contact in self._contacts(owner):
            all_of_them.add(self._contact(found, contact))
        stale = chance.random() < 0.2
        self.made.put(t.owner_stats, owner_id=owner, response_rate="12.34" if stale else all_of_them.percent)
        self.made.count(CLEANUP, owner_rates=stale and all_of_them.percent not in {None, "12.34"})
        return found

    def _contacts(self, owner: int) -> list[Contact]:
        """A few are contacts of somebody else as well, or stand twice with other capitals. One was invited by itself,
        as long ago as is right for one of the reminders, or too long."""
        alone = self.as_of - (timedelta(days=3.5), timedelta(days=8), timedelta(days=20))[owner % 3]
        found = [Contact(f"alone.{owner}@example.test", sent=False, alone=alone)]
        for number in range(1, self.scale.contacts + 1):
            shared = self.chance.random() < 0.08
            email = f"shared.{number}.{owner // 2}@example.test" if shared else f"friend.{owner}.{number}@example.test"
            [status] = self.chance.choices([name for name, _ in STATUSES], [weight for _, weight in STATUSES])
            found.append(Contact(email, status, self._bounces(status)))
            if self.chance.random() < 0.005:
                found.append(Contact(email.capitalize(), "pending", sent=False))
        return found

    def _bounces(self, status: str) -> dict[str, object]:
        if status == "bounced":
            return {"email_status": "bounced_permanent", "soft_bounce_count": 5, "is_active": False}
        if status == "opted_out":
            return {
                "opted_out": True,
                "opted_out_at": self.made.between(300, 1),
                "opt_out_reason": "manual_unsubscribe",
            }
        if status != "active" or self.chance.random() > 0.03:
            return {}
        is_old = self.chance.random() < 0.5
        self.made.count(CLEANUP, soft_bounces_reset=is_old)
        return {
            "email_status": "bounced_temporary",
            "soft_bounce_count": self.chance.randint(1, 4),
            "last_bounce_at": self.made.between(200, 31) if is_old else self.made.between(29, 1),
        }

    def _contact(self, owner: Owner, contact: Contact) -> Rate:
        number = self.made.number_of(t.contacts) + 1
        rate = Rate()
        if contact.is_asked(self.as_of):
            owner.asked.add(contact.email.lower())
        if contact.alone:
            owner.alone.add(contact.email)
            self._invite(owner.number, number, contact.email, "sent", contact.alone, None, self.month)
            self._remind(owner, contact, contact.alone)
            rate = Rate(1)
        for sent_at in self.fifths if contact.sent and contact.status in {"active", "pending"} else ():
            rate.add(self._invitation(owner, number, contact, sent_at))
        stale = self.chance.random() < 0.1 and rate.percent is not None
        self.made.put(
            t.contacts,
            owner_id=owner.number,
            email=contact.email,
            first_name=f"Friend {number}",
            status=contact.status,
            response_rate=None if stale else rate.percent,
            created_at=self.made.between(800, 280),
            **contact.columns,
        )
        self.made.count(CLEANUP, contact_rates=stale)
        return rate

    def _remind(self, owner: Owner, contact: Contact, sent_at: datetime) -> None:
        """Each step in its two days."""
        self.made.count(REMINDERS, sent=0)
        for step in owner.steps if owner.asks and contact.is_asked(self.as_of) else ():
            late = self.as_of - sent_at - step * DAY
            self.made.count(REMINDERS, sent=timedelta(0) <= late < REMINDED_FOR)

    # --- invitations

    def _invitation(self, owner: Owner, number: int, contact: Contact, sent_at: datetime) -> Rate:
        """A third are answered; of the rest, those whose time is over have expired, but for the newest of them."""
        chance, expires = self.chance, sent_at + LIVES
        answered = sent_at + timedelta(
            days=chance.choices((1, 5, 12), (60, 25, 15))[0], seconds=chance.randrange(80_000)
        )
        status = "submitted" if chance.random() < 0.35 and answered < self.as_of else chance.choice(UNFINISHED)
        kind = chance.random()
        if status != "submitted" and kind < 0.04:
            status = "bounced" if kind < 0.02 else "cancelled"
        is_over, is_old = expires <= self.as_of, expires < self.as_of - self.retention
        if status in UNFINISHED and is_over:
            left = not is_old and chance.random() < 0.1
            self.made.count(CLEANUP, expired=left)
            status = status if left else "expired"
        elif status in UNFINISHED:
            self._remind(owner, contact, sent_at)
        goes = is_old and status in GONE
        self.made.count(CLEANUP, purged=goes)
        ended = answered if status == "submitted" else None
        self._invite(owner.number, number, contact.email, status, sent_at, ended, f"{sent_at:%Y-%m}")
        if goes or sent_at < self.as_of - RATED_OVER:
            return Rate()
        return Rate(1, status == "submitted")

    def _invite(
        self,
        owner: int,
        contact: int,
        email: str,
        status: str,
        sent_at: datetime,
        answered: datetime | None,
        month: str,
    ) -> None:
        made = self.made.put(
            t.invitations,
            from_user_id=owner,
            contact_id=contact,
            to_email=email,
            month=month,
            token_hash=hashlib.sha256(f"token {owner} {contact} {sent_at}".encode()).hexdigest(),
            status=status,
            created_at=sent_at,
            sent_at=sent_at,
            submitted_at=answered,
            expires_at=sent_at + LIVES,
            attempts=1,
        )
        if sent_at in self.fifths[::2] and self.chance.random() < 0.2:
            at = sent_at + timedelta(days=3)
            reminder = {"kind": "first", "status": "sent", "claimed_at": at, "sent_at": at}
            self.made.put(t.invitation_reminders, invitation_id=made, **reminder)
