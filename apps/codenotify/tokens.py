"""Links that go into messages: they work without a login, and for one person and one purpose only."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from apps.codenotify.settings import Settings

Purpose = Literal["keep", "preferences", "unsubscribe"]


def token(settings: Settings, purpose: Purpose, user_id: int) -> str:
    """A link that is passed on can do nothing else."""
    secret, text = settings.unsubscribe_secret.encode(), f"{purpose}:{user_id}".encode()
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:32]


def url(settings: Settings, purpose: Purpose, user_id: int) -> str:
    return f"{settings.public_url}/{purpose}?user={user_id}&token={token(settings, purpose, user_id)}"
