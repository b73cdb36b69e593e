"""``python -m apps.codenotify.dump [TABLE …]``: print what is in the database."""

from __future__ import annotations

import json
import sys

from apps.codenotify import exchange
from apps.codenotify.settings import Settings
from apps.codenotify.tables import metadata, open_database
from apps.loading import dump
from rota.errors import ConfigError


def main(names: list[str]) -> None:
    settings = Settings.from_env()
    engine = open_database(settings.database_url, settings.own_tables)
    ours = [name for name in names if name != exchange.NAME]
    try:
        found = dump(engine, metadata, ours) if ours or not names else {}
    except ConfigError as error:
        raise SystemExit(f"Error: {error}\nHint: {error.hint}") from None
    if not names or exchange.NAME in names:
        found[exchange.NAME] = exchange.give(engine)
    json.dump(found, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main(sys.argv[1:])
