"""The migrated databases of ``tests.ledgers``, for this folder."""

from tests.ledgers import ledger_url, postgres_ledger, shared_postgres, sqlite_ledger

__all__ = ["ledger_url", "postgres_ledger", "shared_postgres", "sqlite_ledger"]
