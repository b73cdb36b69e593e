"""Finds the ledger that a command reads: the application's own, or one that is named by its URL."""

from __future__ import annotations

from shlex import quote

from rota.app import Rota
from rota.cli.application import load_application, named_application
from rota.errors import ConfigError, StoreError
from rota.store import Store, migrate

DEFAULT_FOLDER = ".rota"


def open_ledger(place: str | None, url: str | None) -> Rota:
    """`--store`, else the application, else a database that the settings name: each with tables of this version.

    Raises:
        ConfigError: none of them is given.
        StoreError: the database is away, has no tables, or tables of another version.
    """
    app = find_ledger(place, url)
    check_tables(app.store)
    return app


def find_ledger(place: str | None, url: str | None) -> Rota:
    """As ``open_ledger``, whatever state the database is in."""
    if url is not None:
        return Rota(url)
    place = place or named_application()
    return load_application(place) if place else _from_settings()


def _from_settings() -> Rota:
    """Without an application, only a database that somebody wrote down is meant: not the default."""
    from rota.config import load_settings

    settings = load_settings()
    if "database.url" not in settings.origins:
        raise ConfigError(
            "no application is named, and no database",
            hint="Give --app module:attribute or --store URL, or set ROTA_APP or ROTA_DATABASE.",
        )
    return Rota.from_settings(settings)


def check_folder(store: Store) -> None:
    """Raises ``StoreError`` where the database's file would lie in no directory: a slip in its path makes none.

    The default ``.rota/`` is made with its file, if there is a directory to make it in.
    """
    path = getattr(store.database, "path", None)
    if path is None:
        return
    folder = path.parent.parent if path.parent.name == DEFAULT_FOLDER else path.parent
    if not folder.is_dir():
        raise StoreError(f"there is no directory {folder}", hint=f"Make it: mkdir -p {quote(str(folder))}")


def check_tables(store: Store) -> None:
    """Raises ``StoreError`` unless the tables are there and of this version."""
    path = getattr(store.database, "path", None)
    if path is not None and not path.exists():
        raise StoreError(f"there is no database {path} yet", hint="Make it: rota db init (rota up does so, too).")
    migrate.demand(migrate.peek(store.database))
