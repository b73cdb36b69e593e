"""Made-up rows on the ends of every age, and some beyond them, with what becomes of each.

None of these invitations was ever sent, so that they are in no rate.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from apps.faf import tables as t
from apps.made_up import FOREVER, MICROSECOND, SECOND, MadeUp, boundary

CLEANUP = "faf/cleanup"
GONE = ("expired", "cancelled", "bounced")
FIVE_MINUTES = timedelta(minutes=5)


def invitations(made: MadeUp, retention: timedelta) -> None:
    late = [
        ("sent", made.as_of, True),
        ("queued", made.as_of, True),
        ("failed", made.as_of - SECOND, True),
        ("opened", made.as_of + MICROSECOND, False),
        ("submitted", made.as_of, False),
        ("sent", FOREVER, False),
    ]
    for status, expires, goes in late:
        _invitation(made, status, expires)
        made.count(CLEANUP, expired=goes)
    _invitation(made, "sending", made.as_of, lease_until=made.ago(2_000))
    made.count(CLEANUP, expired=1)
    for expires, goes in boundary(made.as_of - retention).items():
        for status in (*GONE, "submitted"):
            _invitation(made, status, expires)
        made.count(CLEANUP, purged=len(GONE) * goes)


def _invitation(made: MadeUp, status: str, expires: datetime, lease_until: datetime | None = None) -> None:
    number = made.number_of(t.invitations) + 1
    made.put(
        t.invitations,
        from_user_id=1,
        to_email=f"plant.{number}@example.test",
        month="2020-01",
        token_hash=f"plant {number}",
        status=status,
        expires_at=expires,
        lease_until=lease_until,
    )


def contacts(made: MadeUp) -> set[str]:
    """Addresses that bounced, and contacts of owners who are no more. Returns those that may be asked again."""
    asked = set()
    for at, goes in boundary(made.ago(30)).items():
        if at <= made.ago(30):
            asked.add(f"plant.{made.number_of(t.contacts)}@example.test")
        _contact(made, made.ago(500), soft_bounce_count=3, last_bounce_at=at)
        made.count(CLEANUP, soft_bounces_reset=goes)
    for bounces in (5, 9):
        _contact(made, made.ago(500), soft_bounce_count=bounces, last_bounce_at=made.ago(1))
        made.count(CLEANUP, bounce_limit=1)
    for at, goes in boundary(made.ago(90)).items():
        _contact(made, at, owner=10**6)
        made.count(CLEANUP, orphans_deleted=goes)
    return asked


def _contact(
    made: MadeUp,
    created: datetime,
    *,
    owner: int = 1,
    soft_bounce_count: int = 0,
    last_bounce_at: datetime | None = None,
) -> None:
    made.put(
        t.contacts,
        owner_id=owner,
        email=f"plant.{made.number_of(t.contacts)}@example.test",
        email_status="bounced_temporary" if soft_bounce_count else "active",
        soft_bounce_count=soft_bounce_count,
        last_bounce_at=last_bounce_at,
        created_at=created,
    )


def events(made: MadeUp, count: int) -> None:
    for _ in range(count):
        is_old = made.chance.random() < 0.1
        _event(made, made.between(120, 91) if is_old else made.between(89, 0))
        made.count(CLEANUP, events_deleted=is_old)
    for at, goes in boundary(made.ago(90)).items():
        _event(made, at)
        made.count(CLEANUP, events_deleted=goes)


def _event(made: MadeUp, at: datetime) -> None:
    number = made.number_of(t.email_events) + 1
    [kind] = made.chance.choices(("delivered", "bounce", "complaint"), (97, 2.7, 0.3))
    made.put(t.email_events, provider_event_id=f"event-{number}", invitation_id=number, type=kind, at=at)


def samples(made: MadeUp, count: int, age: timedelta) -> None:
    """One each five minutes, ten of them too old, and those on the end of their age."""
    first = made.as_of - age - 10 * FIVE_MINUTES + timedelta(minutes=1)
    for number in range(count):
        _sample(made, first + number * FIVE_MINUTES)
        made.count(CLEANUP, samples_deleted=number < 10)
    for at, goes in boundary(made.as_of - age).items():
        _sample(made, at)
        made.count(CLEANUP, samples_deleted=goes)


def _sample(made: MadeUp, at: datetime) -> None:
    made.put(t.health_samples, at=at, status="healthy", checks={"database": {"status": "healthy", "value": 0.01}})
