"""``python -m apps.codenotify.load FILE.json``: fill the empty database."""

from __future__ import annotations

from functools import partial

from apps.codenotify import exchange
from apps.codenotify.settings import Settings
from apps.codenotify.tables import metadata, prepare
from apps.database import connect
from apps.loading import load_main

if __name__ == "__main__":
    engine = connect(Settings.from_env().database_url)
    prepare(engine)
    load_main(engine, metadata, {exchange.NAME: partial(exchange.take, engine)})
