"""The application that sends the campaign, under `rota up`."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, literal, select

from bench.mails import HTML, SENDER, TEXT
from rota import Rota
from rota.messages import Campaign, Smtp, Templates, Unsubscribe
from rota.recipes import bind

metadata = MetaData()
people = Table(
    "people",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("zone", Text),
)
URL = os.environ["ROTA_DATABASE"]
engine = create_engine(URL.replace("postgresql:", "postgresql+psycopg:").replace("bench.db", "people.db"))
bind(metadata, engine)
rota = Rota(URL)
templates = Templates({"news.txt": TEXT, "news.html": HTML}, since=datetime(2026, 3, 5, 12, tzinfo=UTC))
campaign = Campaign(
    "news",
    lambda run: select(people.c.id.label("recipient"), literal("2026-03").label("subject")),
    to=people.c.id,
    look=select(people.c.email.label("address"), people.c.name, people.c.zone),
    render=templates["news"],
    channels={
        "email": Smtp("127.0.0.1", int(os.environ["BENCH_SMTP_PORT"]), sender=SENDER, honours_keys=True, connections=4)
    },
    unsubscribe=Unsubscribe("https://shop.example/unsubscribe", secrets=["a secret of this benchmark"]),
    useful_for="2d",
)
send = rota.job("news", timeout="30m")(campaign)
