"""``python -m apps.codenotify.dump [TABLE …]``: print what is in the database."""

from __future__ import annotations

from functools import partial

from apps.codenotify import exchange
from apps.codenotify.settings import Settings
from apps.codenotify.tables import metadata, open_database
from apps.loading import dump_main

if __name__ == "__main__":
    engine = open_database(Settings.from_env())
    dump_main(engine, metadata, {exchange.NAME: partial(exchange.give, engine)})
