"""``python -m apps.codenotify.load FILE.json``: fill the empty database."""

from __future__ import annotations

from functools import partial

from apps.codenotify import exchange
from apps.codenotify.settings import Settings
from apps.codenotify.tables import metadata, open_database
from apps.loading import load_main

if __name__ == "__main__":
    engine = open_database(Settings.from_env())
    load_main(engine, metadata, {exchange.NAME: partial(exchange.take, engine)})
