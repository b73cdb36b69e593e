"""Links that go into messages: they work without a login, and for one person only."""

from __future__ import annotations

import hashlib
import hmac

from apps.codenotify.settings import Settings


def unsubscribe_token(settings: Settings, user_id: int) -> str:
    return _token(settings, "unsubscribe", user_id)


def keep_token(settings: Settings, user_id: int) -> str:
    return _token(settings, "keep", user_id)


def preferences_token(settings: Settings, user_id: int) -> str:
    return _token(settings, "preferences", user_id)


def _token(settings: Settings, purpose: str, user_id: int) -> str:
    """Good for one purpose: a link that is passed on can do nothing else."""
    secret, text = settings.unsubscribe_secret.encode(), f"{purpose}:{user_id}".encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:32]


def unsubscribe_url(settings: Settings, user_id: int) -> str:
    return f"{settings.public_url}/unsubscribe?user={user_id}&token={unsubscribe_token(settings, user_id)}"


def keep_url(settings: Settings, user_id: int) -> str:
    return f"{settings.public_url}/keep?user={user_id}&token={keep_token(settings, user_id)}"


def preferences_url(settings: Settings, user_id: int) -> str:
    return f"{settings.public_url}/preferences?user={user_id}&token={preferences_token(settings, user_id)}"
