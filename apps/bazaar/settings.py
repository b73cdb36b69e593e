"""Settings, read from the environment once; whatever is wrong with them is told together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.environment import FromEnvironment, boolean, directory, file, number, one_of, setting

_DEVELOPMENT_KEY = "bazaar-development"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(FromEnvironment):
    """Everything that can be set; ``README.md`` has the table."""

    environment: str = setting("APP_ENV", "development", one_of("production", "staging", "development", "test"))
    database_url: str = setting("BAZAAR_DATABASE_URL", "sqlite:///.rota/bazaar.db", secret=True)
    own_tables: Path | None = setting("BAZAAR_TABLES", None, file)  # noqa: RUF009 - it is a field
    uploads: Path | None = setting("UPLOADS_PATH", None, directory)  # noqa: RUF009 - it is a field
    orphan_grace_days: int = setting("BAZAAR_ORPHAN_GRACE_DAYS", 0, number(0))
    """So long after a scan first saw that nothing refers to an upload, it goes."""
    quarantine_hours: int = setting("BAZAAR_QUARANTINE_HOURS", 24, number(0))
    remove_untracked: bool = setting("BAZAAR_REMOVE_UNTRACKED", False, boolean)
    featured_bonus: int = setting("BAZAAR_FEATURED_BONUS", 10, number(0))
    push_tokens_most: float = setting("BAZAAR_PUSH_TOKENS_MOST", 0.5, number(0.001, 1, float))
    """Of all push tokens, the part that may go in a run."""
    push_tokens_guard: str = setting("BAZAAR_PUSH_TOKENS_GUARD", "abort", one_of("abort", "park"))
    """What becomes of a run that would remove more: it ends, or waits for a person."""
    deletion_grace_days: int = setting("BAZAAR_DELETION_GRACE_DAYS", 30, number(1))
    subject_key: str = setting("BAZAAR_SUBJECT_KEY", _DEVELOPMENT_KEY, secret=True)
    """Makes the pseudonyms under which an erased person's consents and requests are kept."""

    def contradictions(self) -> Iterator[str]:
        if self.environment == "production" and self.subject_key == _DEVELOPMENT_KEY:
            yield "BAZAAR_SUBJECT_KEY: production needs one, or anybody could find out whom a pseudonym stands for"
        if self.environment == "production" and self.uploads is None:
            yield "UPLOADS_PATH: production needs it; in a wrong folder every file looks as if it were gone"
