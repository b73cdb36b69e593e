"""LP-6: the platform's secrets, how each gets to those who use it, and where their values are kept.

``python -m apps.learn.rotation`` adds the usual policies that are not there yet.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from redis import Redis
from sqlalchemy import Engine

from apps.learn.settings import Settings
from apps.learn.tables import metadata, secret_policies, secret_values, secret_versions
from apps.own_tables import open_database
from rota.errors import ConfigError
from rota.recipes import AwsStore, ColumnStore, FileStore, RotateSecrets, SecretAdapter, SecretStore, insert, writing
from rota.recipes.secret_policy import Policy
from rota.recipes.secret_value import Value

REFRESH_TOKENS_LIVE = timedelta(days=30)
LEAST_BYTES = 32
"""Of a key for HMAC with SHA-256 (RFC 7518, 3.2)."""
MONTH, QUARTER, YEAR = 30, 90, 365
POLICIES = {
    "jwt_secret": ("generated", QUARTER),
    "session_secret": ("generated", QUARTER),
    "redis_password": ("generated", 180),
    "elasticsearch_password": ("generated", 180),
    "stripe_secret_key": ("manual", 60),
    "sendgrid_api_key": ("manual", 60),
    "aws_access_key": ("manual", MONTH),
    "certificate_key": ("manual", YEAR),
    "firebase_key": ("manual", YEAR),
    "cloudfront_key": ("manual", YEAR),
}
"""Kind and interval in days. Keys that only their provider can make are asked for."""


class Tokens(SecretAdapter):
    """What tokens are signed with: those who sign read it from the store."""

    lifetime = REFRESH_TOKENS_LIVE

    def verify(self, policy: Policy, value: Value) -> None:
        del policy
        if len(value.reveal().encode()) < LEAST_BYTES:
            raise ValueError("it is too short to sign with")


class RedisPassword(SecretAdapter):
    """A user of Redis may have several passwords, so that the earlier one works on for its grace."""

    def __init__(self, url: str, user: str) -> None:
        self.url, self.user = url, user

    def apply(self, policy: Policy, value: Value) -> None:
        del policy
        with Redis.from_url(self.url) as client:
            client.execute_command("ACL", "SETUSER", self.user, "on", f">{value.reveal()}")

    def verify(self, policy: Policy, value: Value) -> None:
        del policy
        with Redis.from_url(self.url) as client:
            client.execute_command("AUTH", self.user, value.reveal())

    def revoke(self, policy: Policy, value: Value) -> None:
        del policy
        with Redis.from_url(self.url) as client:
            client.execute_command("ACL", "SETUSER", self.user, f"<{value.reveal()}")


def secret_rotation(settings: Settings) -> RotateSecrets:
    adapters: dict[str, SecretAdapter] = dict.fromkeys(("jwt", "jwt_secret", "jwt_refresh_secret"), Tokens())
    if settings.redis_user:
        adapters["redis_password"] = RedisPassword(settings.redis_url, settings.redis_user)
    return RotateSecrets(secret_policies, secret_versions, store_of(settings), adapters=adapters)


def store_of(settings: Settings) -> SecretStore:
    if settings.store == "column":
        return ColumnStore(secret_values.c.value, [key.strip() for key in settings.secrets_key.split(",")])
    if settings.store == "aws":
        return AwsStore(_aws, settings.secrets_prefix)
    return FileStore(settings.secrets_file)


def _aws() -> Any:
    """Region and credentials are those of the environment, as boto3 finds them."""
    try:
        import boto3
    except ImportError:
        raise ConfigError("boto3 is missing", hint="pip install boto3") from None
    return boto3.client("secretsmanager")


def put_values(settings: Settings, values: dict[str, str]) -> None:
    """Of ``{ref: value}``, as a file of data has them. Raises ``ConfigError`` for a store that chooses references."""
    store = store_of(settings)
    if isinstance(store, AwsStore):
        raise ConfigError(
            "AWS gives its versions names of its own", hint="Load into LEARN_SECRET_STORE=file or column."
        )
    for ref, value in values.items():
        store.keep(ref, Value(value))  # type: ignore[attr-defined]


def add_policies(engine: Engine) -> int:
    """Those that are not there yet; returns how many."""
    rows = [{"name": name, "kind": kind, "interval_days": days} for name, (kind, days) in POLICIES.items()]
    with writing(engine) as connection:
        new = insert(connection, secret_policies).on_conflict_do_nothing().returning(secret_policies.c.name)
        return sum(connection.execute(new.values(row)).one_or_none() is not None for row in rows)


if __name__ == "__main__":
    print(f"{add_policies(open_database(Settings.from_env(), metadata))} policies added")  # noqa: T201 - a command
