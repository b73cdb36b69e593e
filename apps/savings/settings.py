"""Settings, read from the environment once; whatever is wrong with them is told together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.environment import FromEnvironment, boolean, file, number, one_of, setting, url

_DEVELOPMENT_KEY = "savings-development"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(FromEnvironment):
    """Everything that can be set; ``README.md`` has the table."""

    environment: str = setting("APP_ENV", "development", one_of("production", "staging", "development", "test"))
    database_url: str = setting("SAVINGS_DATABASE_URL", "sqlite:///.rota/savings.db", secret=True)
    own_tables: Path | None = setting("SAVINGS_TABLES", None, file)  # noqa: RUF009 - it is a field
    archive: Path | None = setting("SAVINGS_ARCHIVE_DIR", Path(".rota/savings-archive"), Path)  # noqa: RUF009 - a field
    archive_mode: str = setting("SAVINGS_ARCHIVE_MODE", "file", one_of("file", "table", "delete_only"))
    audit_retention_days: int = setting("SAVINGS_AUDIT_RETENTION_DAYS", 90, number(2))
    redis_host: str = setting("REDIS_HOST", "localhost")
    redis_port: int = setting("REDIS_PORT", 6379, number(1, 65_535))
    redis_password: str = setting("REDIS_PASSWORD", "", secret=True)
    max_stale_days: int = setting("MAX_STALE_GROUP_DAYS", 7, number(1))
    max_heap_mb: int = setting("SCHEDULER_MAX_HEAP_MB", 512, number(64))
    summary_batch: int = setting("SUMMARY_BATCH_SIZE", 500, number(1))
    smtp_host: str = setting("SAVINGS_SMTP_HOST", "localhost")
    smtp_port: int = setting("SAVINGS_SMTP_PORT", 25, number(1, 65_535))
    mail_from: str = setting("SAVINGS_MAIL_FROM", "Savings groups <weekly@savings.example>")
    public_url: str = setting("SAVINGS_PUBLIC_URL", "https://savings.example", url)
    link_key: str = setting("SAVINGS_LINK_KEY", _DEVELOPMENT_KEY, secret=True)
    per_group_timezone: bool = setting("SAVINGS_PER_GROUP_TIMEZONE", False, boolean)
    skip_empty: bool = setting("SAVINGS_SKIP_EMPTY_SUMMARIES", False, boolean)

    def contradictions(self) -> Iterator[str]:
        if self.environment == "production" and self.link_key == _DEVELOPMENT_KEY:
            yield "SAVINGS_LINK_KEY: production needs one, or anybody could unsubscribe anybody"
