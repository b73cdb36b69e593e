"""Settings, read from the environment once; whatever is wrong with them is told together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from apps.environment import (
    FromEnvironment,
    boolean,
    file,
    number,
    one_of,
    schedule,
    seconds_list,
    setting,
    settings,
    url,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(FromEnvironment):
    """A contest platform's address and manners: seconds between requests, seconds to wait for an answer."""

    url: str = setting("_URL", "", url)
    min_interval_s: float = setting("_MIN_INTERVAL_S", 1.0, number(0, kind=float))
    timeout_s: float = setting("_TIMEOUT_S", 15.0, number(0.01, kind=float))
    quiet_after_429_s: float = setting("_QUIET_AFTER_429_S", 0.0, number(0, kind=float))


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(FromEnvironment):
    """A channel behind a provider's HTTP address; without an address the channel is not there."""

    url: str = setting("_URL", "", url)
    token: str = setting("_TOKEN", "", secret=True)
    honours_keys: bool = setting("_HONOURS_KEYS", True, boolean)
    """Whether the provider takes a message with a key that it has seen as the same message."""
    timeout_s: float = setting("_TIMEOUT_S", 15.0, number(0.01, kind=float))
    rate_per_s: float = setting("_RATE_PER_S", 0.0, number(0, kind=float))


ENDPOINTS = {
    "codeforces": Endpoint(url="https://codeforces.com", min_interval_s=2.0, timeout_s=10.0),
    "leetcode": Endpoint(url="https://leetcode.com"),
    "codechef": Endpoint(url="https://www.codechef.com", min_interval_s=2.0, quiet_after_429_s=60.0),
    "atcoder": Endpoint(url="https://atcoder.jp"),
    "kenkoooo": Endpoint(url="https://kenkoooo.com"),
}
WEBHOOKS = {name: Webhook() for name in ("whatsapp", "push", "discord", "telegram")}
_DEVELOPMENT_SECRET = "codenotify-development"  # noqa: S105 - refused in production


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(FromEnvironment):
    """Everything that can be set; ``README.md`` has the table."""

    environment: str = setting("APP_ENV", "development", one_of("production", "staging", "development", "test"))
    database_url: str = setting("CODENOTIFY_DATABASE_URL", "sqlite:///.rota/codenotify.db", secret=True)
    own_tables: Path | None = setting("CODENOTIFY_TABLES", None, file)  # noqa: RUF009 - it is a field

    sync_enabled: bool = setting("CONTEST_SYNC_ENABLED", True, boolean)
    sync_cron: str = setting("CONTEST_SYNC_INTERVAL", "0 */6 * * *", schedule)
    global_cooldown_ms: int = setting("CONTEST_GLOBAL_SYNC_COOLDOWN_MS", 300_000, number(0))
    platform_cooldown_ms: int = setting("CONTEST_PLATFORM_SYNC_COOLDOWN_MS", 600_000, number(0))
    cleanup_enabled: bool = setting("CONTEST_CLEANUP_ENABLED", True, boolean)
    contest_retention_days: int = setting("CONTEST_CLEANUP_DAYS", 30, number(1))
    notify_inactive: bool = setting("CLEANUP_NOTIFY_INACTIVE", False, boolean)

    retry_delays_s: tuple[float, ...] = setting("CONTEST_HTTP_RETRY_DELAYS", (1.0, 2.0), seconds_list)
    retry_jitter: float = setting("CONTEST_HTTP_RETRY_JITTER", 0.2, number(0, 1, float))
    retry_after_cap_s: float = setting("CONTEST_HTTP_RETRY_AFTER_CAP_S", 60.0, number(0, kind=float))
    breaker_failures: int = setting("CONTEST_BREAKER_FAILURES", 3, number(1))
    breaker_open_s: float = setting("CONTEST_BREAKER_OPEN_S", 900.0, number(1, kind=float))
    breaker_cap_s: float = setting("CONTEST_BREAKER_CAP_S", 21_600.0, number(1, kind=float))
    contact: str = setting("CONTEST_HTTP_CONTACT", "https://codenotify.example/contact")

    notifications_enabled: bool = setting("NOTIFICATIONS_ENABLED", True, boolean)
    max_attempts: int = setting("NOTIFICATION_MAX_RETRIES", 3, number(1, 10))
    retry_delay_minutes: int = setting("NOTIFICATION_RETRY_DELAY_MINUTES", 5, number(1))
    coalesce_min: int | None = setting("NOTIFICATION_COALESCE_MIN", None, number(2))
    unread_retention_days: int | None = setting("NOTIFICATION_UNREAD_RETENTION_DAYS", None, number(91))
    channel_concurrency: int = setting("NOTIFICATION_CHANNEL_CONCURRENCY", 10, number(1, 64))

    smtp_host: str = setting("SMTP_HOST", "localhost")
    smtp_port: int = setting("SMTP_PORT", 25, number(1, 65_535))
    smtp_username: str = setting("SMTP_USERNAME", "")
    smtp_password: str = setting("SMTP_PASSWORD", "", secret=True)
    smtp_starttls: bool = setting("SMTP_STARTTLS", False, boolean)
    smtp_timeout_s: float = setting("SMTP_TIMEOUT_S", 15.0, number(0.01, kind=float))
    mail_rate_per_s: float = setting("MAIL_RATE_PER_S", 0.0, number(0, kind=float))
    mail_from: str = setting("MAIL_FROM", "CodeNotify <reminders@codenotify.example>")
    public_url: str = setting("PUBLIC_URL", "https://codenotify.example", url)
    unsubscribe_secret: str = setting("UNSUBSCRIBE_SECRET", _DEVELOPMENT_SECRET, secret=True)

    endpoints: Mapping[str, Endpoint] = settings(ENDPOINTS)
    webhooks: Mapping[str, Webhook] = settings(WEBHOOKS)

    @property
    def warns_inactive(self) -> bool:
        """Whether clean-up writes mails: whoever has switched notifications off wants none, from no job."""
        return self.notify_inactive and self.notifications_enabled

    def contradictions(self) -> Iterator[str]:
        if self.environment == "production" and self.unsubscribe_secret == _DEVELOPMENT_SECRET:
            yield "UNSUBSCRIBE_SECRET: production needs one, or anybody could unsubscribe anybody"
        if self.breaker_cap_s < self.breaker_open_s:
            yield "CONTEST_BREAKER_CAP_S: must not be below CONTEST_BREAKER_OPEN_S"
        if bool(self.smtp_username) != bool(self.smtp_password):
            yield "SMTP_USERNAME, SMTP_PASSWORD: give both or neither"
