"""The migrated databases of ``tests.ledgers``, for this folder."""

from tests.ledgers import ledger_url, migrated_file, postgres_ledger, shared_postgres, sqlite_ledger

__all__ = ["ledger_url", "migrated_file", "postgres_ledger", "shared_postgres", "sqlite_ledger"]
