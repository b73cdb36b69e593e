from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from rota.errors import ConfigError
from rota.messages import Unsubscribe
from rota.messages.suppressions import address_hash
from rota.messages.tables import suppressions

OLD, NEW = "the old secret, long enough", "the new secret, long enough"
ours = Unsubscribe("https://shop.example/stop?lang=fr", secrets=[OLD])


def token(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


@pytest.mark.defect("FF-B16")
def test_a_link_is_for_one_address_and_topic() -> None:
    link = ours.link("Anna@Example.org", "news")

    assert link.startswith("https://shop.example/stop?lang=fr&token=")
    assert "nna" not in link
    assert ours.read(token(link)) == (address_hash("anna@example.org"), "news")


def test_a_secret_can_be_replaced_and_links_of_the_old_one_stay_good() -> None:
    both = Unsubscribe("https://shop.example", secrets=[NEW, OLD])
    alone = Unsubscribe("https://shop.example", secrets=[NEW])

    assert both.read(token(ours.link("a@b.c"))) is not None
    assert alone.read(token(ours.link("a@b.c"))) is None
    assert alone.read(token(both.link("a@b.c"))) is not None


@given(st.text(max_size=200))
def test_whatever_else_is_given_is_no_link_of_ours(text: str) -> None:
    good = token(ours.link("a@b.c", "news"))

    assert ours.read(text) is None
    assert ours.read(f"{text}{good}") is None or not text
    assert ours.read(f"{good}{text}") is None or not text


def test_it_is_written_down_once_for_its_topic_or_for_all(engine: Engine) -> None:
    mine = token(ours.link("a@b.c", "news"))

    assert ours.accept(engine, mine) == ours.accept(engine, mine) == (address_hash("a@b.c"), "news")
    assert ours.accept(engine, mine, everything=True) == (address_hash("a@b.c"), "")
    assert ours.accept(engine, "forged") is None

    with engine.connect() as connection:
        found = connection.execute(select(suppressions.c.topic, suppressions.c.reason)).all()
    assert sorted(found) == [("", "unsubscribed"), ("news", "unsubscribed")]


@pytest.mark.parametrize("secrets", [[], ["short"], [OLD, ""], OLD])
def test_weak_secrets_are_refused(secrets: list[str]) -> None:
    with pytest.raises(ConfigError, match="secrets"):
        Unsubscribe("https://shop.example", secrets=secrets)
