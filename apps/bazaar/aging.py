"""Made-up rows of the bazaar that grow old: invitations, push tokens and audit logs, with what becomes of them.

Every age has rows planted on its end, a microsecond and a second to either side, and at the ends of time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from apps.bazaar import tables as t
from apps.made_up import FOREVER, MICROSECOND, MadeUp, boundary, years_before

INVITATIONS, TOKENS = "bazaar/cleanup-invitations", "bazaar/cleanup-push-tokens"
ANONYMIZE, DELETE = "bazaar/anonymize-audit-logs", "bazaar/delete-audit-logs"
ACTIONS = ("AUTH_LOGIN_SUCCESS", "AUTH_LOGOUT", "PROJECT_UPDATED", "IDEA_CREATED", "COLLABORATOR_ADDED", "USER_UPDATED")


def invitations(made: MadeUp, count: int, users: int) -> None:
    for _ in range(count):
        answer = made.chance.choices(("accepted_at", "declined_at", None), (50, 10, 40))[0]
        is_old = made.chance.random() < 0.3
        created = made.between(200, 31) if is_old else made.between(29, 0)
        lives_long = made.chance.random() < 0.1
        _invite(made, users, created, FOREVER if lives_long else created + timedelta(days=30), answer)
        if is_old and answer is None:
            made.count(INVITATIONS, deleted_count=not lives_long, kept_not_expired=lives_long)
    for created, goes in boundary(made.ago(30)).items():
        _invite(made, users, created, None)
        made.count(INVITATIONS, deleted_count=goes)
    for expires, goes in ((made.as_of, True), (made.as_of + MICROSECOND, False)):
        _invite(made, users, made.ago(31), expires)
        made.count(INVITATIONS, deleted_count=goes, kept_not_expired=not goes)


def _invite(made: MadeUp, users: int, created: datetime, expires: datetime | None, answer: str | None = None) -> None:
    number = made.chance.randrange(1, 10**9)
    made.put(
        t.pending_invitations,
        email=f"guest.{number}@example.test",
        invited_by=made.chance.randrange(1, users + 1),
        token=f"{number:x}",
        expires_at=expires,
        created_at=created,
        accepted_at=created + timedelta(hours=3) if answer == "accepted_at" else None,
        declined_at=created + timedelta(hours=3) if answer == "declined_at" else None,
    )


def push_tokens(made: MadeUp, users: int) -> None:
    """Three in five people have one; one in seven has not been used for long."""
    for user in range(1, int(users * 0.6)):
        is_old = made.chance.random() < 0.15
        used = made.between(400, 91) if is_old else made.between(89, 0)
        _token(made, user, used - timedelta(days=30), used)
        made.count(TOKENS, deleted_count=is_old)
    for moment, goes in boundary(made.ago(90)).items():
        _token(made, 1, made.ago(800), moment)
        _token(made, 1, moment, None)
        made.count(TOKENS, deleted_count=2 * goes)


def _token(made: MadeUp, user: int, created: datetime, used: datetime | None) -> None:
    token = f"{made.chance.getrandbits(128):032x}"
    made.put(t.push_tokens, user_id=user, token=token, platform="android", created_at=created, last_used_at=used)


def audit_logs(made: MadeUp, count: int, users: int) -> None:
    """Four years: what is older than a year and a half is clean already; what is of more than three goes."""
    for _ in range(count):
        kind = made.chance.random()
        if kind < 0.35:
            _log(made, users, made.between(364, 0))
        elif kind < 0.45:
            _log(made, users, made.between(500, 367))
            made.count(ANONYMIZE, anonymized=1)
        else:
            goes = kind > 0.8
            _log(made, users, made.between(1_460, 1_098) if goes else made.between(1_090, 500), is_clean=True)
            made.count(DELETE, deleted_count=goes)
    year, three = years_before(made.as_of, 1), years_before(made.as_of, 3)
    for moment, goes in boundary(year).items():
        if moment >= three:  # or which of the two jobs comes first would make a difference
            _log(made, users, moment)
            made.count(ANONYMIZE, anonymized=goes)
    for moment, goes in boundary(three).items():
        _log(made, users, moment, is_clean=True)
        made.count(DELETE, deleted_count=goes)
    _log(made, users, made.ago(400), metadata="no JSON")
    made.count(ANONYMIZE, anonymized=1, unparsable=1)


def _log(made: MadeUp, users: int, created: datetime, *, is_clean: bool = False, metadata: Any = ...) -> None:
    """Seven in ten name a user, and half of the others an address alone: a login that failed."""
    who = made.chance.random()
    made.put(
        t.audit_logs,
        user_id=None if is_clean or who > 0.7 else int(who * users) + 1,
        action=ACTIONS[int(who * 600) % 6] if who < 0.7 else "AUTH_LOGIN_FAILURE",
        resource_type="PROJECT",
        resource_id=str(int(who * 1_000)),
        ip_address=None if is_clean or who > 0.85 else f"192.0.2.{int(who * 250)}",
        user_agent=None if is_clean or who > 0.7 else "Mozilla/5.0",
        metadata=_metadata(made.chance.random(), is_clean=is_clean) if metadata is ... else metadata,
        created_at=created,
        anonymized_at=created + timedelta(days=366) if is_clean else None,
    )


def _metadata(kind: float, *, is_clean: bool) -> dict[str, Any] | None:
    if kind > 0.5:
        return None
    if is_clean or kind < 0.27:
        return {"field": "title"}
    return {"phoneNumber": "+447700900123"} if kind < 0.3 else {"before": {"email": "old@example.test"}, "n": 1}
