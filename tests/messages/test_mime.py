"""Whatever is put into a mail is read back as it was, and nothing else is in its headers."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.messages import Content, Message
from rota.messages.message import one_line
from rota.messages.mime import BadMailError, compose

ANY = st.text(st.characters(codec="utf-8"), max_size=300)
ODD = st.text(max_size=80)  # with halves of surrogate pairs


def read(message: Message, name: str = "Shop", address: str = "news@shop.example") -> EmailMessage:
    return message_from_bytes(compose(message, name, address), policy=default)  # type: ignore[return-value]


def mail(**content: object) -> Message:
    given: dict[str, object] = {"subject": "s", "text": "t"}
    return Message(key="k-1", address="a@example.org", content=Content(**(given | content)))  # type: ignore[arg-type]


def unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


@given(ANY, ANY)
def test_texts_come_back_as_they_were(text: str, html: str) -> None:
    found = read(mail(text=text, html=html))

    parts = [part.get_payload(decode=True).decode() for part in found.iter_parts()]  # type: ignore[union-attr]
    assert [unix(part) for part in parts] == [unix(text), unix(html)]


@given(ODD, ODD, ODD)
def test_headers_hold_what_was_given_in_one_line_and_no_more_of_them(subject: str, name: str, odd: str) -> None:
    message = Message(
        key="k-1",
        address="a@example.org",
        name=name,
        content=Content(subject=subject, text="t", headers={"X-Odd": odd}),
    )
    plain, found = read(mail()), read(message, name=name)

    assert set(found.keys()) == {*plain.keys(), "X-Odd"}
    assert all(len(line) <= 998 for line in compose(message, name, "n@s.example").split(b"\r\n"))
    wanted = one_line(subject).encode("utf-8", "replace").decode()
    assert " ".join(str(found["Subject"]).split()) == wanted


@given(st.text(st.sampled_from("ab.\n\r="), max_size=60))
def test_every_line_ends_in_both_characters_and_holds_no_other_end(text: str) -> None:
    composed = compose(mail(text=text, html=text), "Shop", "n@s.example")

    assert composed.replace(b"\r\n", b"").count(b"\n") == composed.replace(b"\r\n", b"").count(b"\r") == 0


@pytest.mark.parametrize("address", ["", "a", "a@b@c", "a@b\r\nBcc: x@y.z", "ä@b.c", "a b@c.d", "a@" + "b" * 300])
def test_an_impossible_address_is_refused(address: str) -> None:
    with pytest.raises(BadMailError, match="bad_address"):
        compose(Message(key="k", address=address, content=Content(subject="s", text="t")), "Shop", "n@s.example")


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nBcc", "Ü"])
def test_a_header_with_an_odd_name_is_refused(name: str) -> None:
    with pytest.raises(BadMailError, match="bad_header"):
        compose(mail(headers={name: "x"}), "Shop", "n@s.example")


def test_who_it_is_from_may_be_told_by_the_content() -> None:
    found = read(mail(from_name="Zoë, by way of Shop", reply_to="zoe@example.org"))

    assert found["From"] == '"Zoë, by way of Shop" <news@shop.example>'
    assert found["Reply-To"] == "zoe@example.org"
    with pytest.raises(BadMailError, match="bad_reply_to"):
        compose(mail(reply_to="zoe\n@x"), "Shop", "n@s.example")


def test_plain_text_stays_readable_in_a_file() -> None:
    assert b"\r\n\r\nHello you,\r\n\r\nbye.\r\n" in compose(mail(text="Hello you,\n\nbye.\n"), "Shop", "n@s.example")
