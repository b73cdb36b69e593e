"""Signed webhooks, out and in, as https://www.standardwebhooks.com has them (Svix, Resend and others speak it)."""

from __future__ import annotations

import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

from rota.errors import ConfigError

LEAST_SECRET = 16
TOLERANCE = 300
"""Seconds that the sender's clock may be off; what is older may be a repeat by somebody else."""


def check_secrets(what: str, secrets: Sequence[str]) -> None:
    """Raises ``ConfigError`` for none, for one that can be guessed, and for a text where a list is meant."""
    plain = [] if isinstance(secrets, str) else [each.removeprefix("whsec_") for each in secrets]
    if not plain or min(map(len, plain)) < LEAST_SECRET:
        hint = "A list of them; the first signs, and all are good."
        raise ConfigError(f"{what} needs secrets of at least {LEAST_SECRET} characters", hint=hint)


def sign(secret: str, message_id: str, body: bytes, at: float | None = None) -> dict[str, str]:
    """The headers that go with ``body``."""
    moment = str(int(time.time() if at is None else at))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{_signature(secret, message_id, moment, body)}",
    }


def verified(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> str | None:
    """The id of what came, if one of the secrets signed it within the last minutes."""
    found = {name.lower().removeprefix("svix-").removeprefix("webhook-"): value for name, value in headers.items()}
    message_id, moment, given = (found.get(name, "") for name in ("id", "timestamp", "signature"))
    if not message_id or not (moment.isascii() and moment.isdigit()) or len(moment) > 12:
        return None
    if abs(time.time() - int(moment)) > TOLERANCE:
        return None
    signatures = [each[3:].encode("utf-8", "replace") for each in given.split() if each.startswith("v1,")]
    wanted = [_signature(secret, message_id, moment, body).encode() for secret in secrets]
    good = [hmac.compare_digest(one, other) for one in signatures for other in wanted]
    return message_id if any(good) else None


def _signature(secret: str, message_id: str, moment: str, body: bytes) -> str:
    plain = secret.removeprefix("whsec_")
    key = b64decode(plain + "=" * (-len(plain) % 4)) if plain != secret else secret.encode()
    text = f"{message_id}.{moment}.".encode("utf-8", "replace") + body
    return b64encode(hmac.digest(key, text, "sha256")).decode()
