"""Settings, read from the environment once; whatever is wrong with them is told together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.environment import FromEnvironment, boolean, directory, file, number, one_of, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(FromEnvironment):
    """Everything that can be set; ``README.md`` has the table."""

    environment: str = setting("APP_ENV", "development", one_of("production", "staging", "development", "test"))
    database_url: str = setting("LEARN_DATABASE_URL", "sqlite:///.rota/learn.db", secret=True)
    own_tables: Path | None = setting("LEARN_TABLES", None, file)  # noqa: RUF009 - it is a field
    redis_url: str = setting("LEARN_REDIS_URL", "redis://localhost:6379", secret=True)
    delete_unparsable: bool = setting("LEARN_DELETE_UNPARSABLE", False, boolean)
    """Whether keys without an end whose value says none are removed."""
    logs: Path | None = setting("LEARN_LOG_DIR", None, directory)  # noqa: RUF009 - it is a field
    store: str = setting("LEARN_SECRET_STORE", "file", one_of("file", "column", "aws"))
    secrets_file: Path = setting("LEARN_SECRETS_FILE", Path(".rota/learn-secrets.env"), Path)  # noqa: RUF009 - as below
    secrets_key: str = setting("LEARN_SECRETS_KEY", "", secret=True)
    """Keys of Fernet for ``column``, the newest first, with commas between them."""
    secrets_prefix: str = setting("LEARN_SECRETS_PREFIX", "learn/")
    """What the names in AWS Secrets Manager begin with."""
    redis_user: str = setting("LEARN_REDIS_USER", "")
    """The user of Redis whose password is the secret ``redis_password``."""
    hourly_metrics: bool = setting("LEARN_HOURLY_METRICS", False, boolean)
    log_retention_days: int = setting("LEARN_LOG_RETENTION_DAYS", 30, number(1))
    log_max_file_mb: float = setting("LEARN_LOG_MAX_FILE_MB", 100.0, number(0.001, kind=float))
    log_max_files: int = setting("LEARN_LOG_MAX_FILES", 10, number(1))

    def contradictions(self) -> Iterator[str]:
        if self.store == "column" and not self.secrets_key:
            yield "LEARN_SECRETS_KEY: the store column needs a key; cryptography.fernet makes one"
