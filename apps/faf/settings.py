"""Settings, read from the environment once; whatever is wrong with them is told together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.environment import FromEnvironment, file, number, one_of, setting, url, zone

_DEVELOPMENT_KEY = "faf-development"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(FromEnvironment):
    """Everything that can be set; ``README.md`` has the table."""

    environment: str = setting("APP_ENV", "development", one_of("production", "staging", "development", "test"))
    database_url: str = setting("FAF_DATABASE_URL", "sqlite:///.rota/faf.db", secret=True)
    own_tables: Path | None = setting("FAF_TABLES", None, file)  # noqa: RUF009 - it is a field
    monthly_day: int = setting("SCHEDULER_MONTHLY_JOB_DAY", 5, number(1, 28), formerly="MONTHLY_JOB_DAY")
    monthly_hour: int = setting("SCHEDULER_MONTHLY_JOB_HOUR", 18, number(0, 23))
    timezone: str = setting("SCHEDULER_TIMEZONE", "Europe/Paris", zone)
    mode: str = setting("FAF_CAMPAIGN_MODE", "global", one_of("global", "per_user"))
    owners_at_once: int = setting("SCHEDULER_BATCH_SIZE", 50, number(1, 1_000))
    invitations_at_once: int = setting("SCHEDULER_INVITATION_BATCH_SIZE", 100, number(1, 1_000))
    max_workers: int = setting("SCHEDULER_MAX_WORKERS", 4, number(1, 64))
    worker_timeout_ms: int = setting("SCHEDULER_WORKER_TIMEOUT", 300_000, number(1))
    max_memory_mb: int = setting("SCHEDULER_MAX_MEMORY_MB", 512, number(64))
    max_job_hours: float = setting("SCHEDULER_MAX_JOB_DURATION_HOURS", 1.0, number(0.01, kind=float))
    first_reminder_days: int = setting("SCHEDULER_FIRST_REMINDER_DAYS", 3, number(1))
    second_reminder_days: int = setting("SCHEDULER_SECOND_REMINDER_DAYS", 7, number(1))
    token_retention_days: int = setting("SCHEDULER_EXPIRED_TOKEN_RETENTION_DAYS", 90, number(2))
    metrics_retention_hours: int = setting("SCHEDULER_METRICS_RETENTION_HOURS", 72, number(25))
    error_rate_threshold: float = setting("SCHEDULER_ERROR_RATE_THRESHOLD", 0.05, number(0, 1, float))
    memory_alert_threshold: float = setting("SCHEDULER_MEMORY_ALERT_THRESHOLD", 0.8, number(0, 1, float))
    smtp_host: str = setting("FAF_SMTP_HOST", "localhost")
    smtp_port: int = setting("FAF_SMTP_PORT", 25, number(1, 65_535))
    smtp_username: str = setting("FAF_SMTP_USERNAME", "")
    smtp_password: str = setting("FAF_SMTP_PASSWORD", "", secret=True)
    smtp_tls: str = setting("FAF_SMTP_TLS", "none", one_of("none", "starttls", "implicit"))
    mails_per_second: float = setting("FAF_MAILS_PER_SECOND", 0.0, number(0, kind=float))
    provider_url: str = setting("FAF_PROVIDER_URL", "", url)
    provider_token: str = setting("FAF_PROVIDER_TOKEN", "", secret=True)
    provider_requests: float = setting("FAF_PROVIDER_REQUESTS_PER_SECOND", 2.0, number(0.01, kind=float))
    feedback_secret: str = setting("FAF_FEEDBACK_SECRET", "", secret=True)
    mail_from: str = setting("FAF_MAIL_FROM", "Form-a-Friend <bonjour@form-a-friend.example>")
    public_url: str = setting("FAF_PUBLIC_URL", "https://form-a-friend.example", url)
    link_key: str = setting("FAF_LINK_KEY", _DEVELOPMENT_KEY, secret=True)

    def contradictions(self) -> Iterator[str]:
        if self.second_reminder_days <= self.first_reminder_days:
            yield "SCHEDULER_SECOND_REMINDER_DAYS: must be more than SCHEDULER_FIRST_REMINDER_DAYS"
        if self.batch_seconds * 1_000 >= self.worker_timeout_ms:
            took = f"{self.invitations_at_once} mails take {self.batch_seconds:g} s at FAF_MAILS_PER_SECOND"
            yield f"SCHEDULER_WORKER_TIMEOUT: give more, as {took}"
        if self.environment == "production" and self.link_key == _DEVELOPMENT_KEY:
            yield "FAF_LINK_KEY: production needs one, or anybody could make a link of anybody's"

    @property
    def batch_seconds(self) -> float:
        """How long the mails of a batch take at their rate."""
        return self.invitations_at_once / self.mails_per_second if self.mails_per_second else 0.0
