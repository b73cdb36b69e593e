"""What people read, and what mail programs go by."""

from __future__ import annotations

import pytest

from apps.codenotify import dispatch
from apps.codenotify.letters import letter
from apps.codenotify.settings import Settings
from rota.testing import make_run
from tests.codenotify.helpers import DAY, HOUR, NOW, add_contest, add_user, announce, change_contest, change_user


def message(kind: str = "reminder", *, zone: str = "UTC", reader: str = "Ada", **contest):
    facts = {
        "name": "Round 1",
        "platform": "codeforces",
        "type": "CF",
        "start_time": NOW + DAY,
        "duration_minutes": 120,
        "website_url": "https://codeforces.com/contest/1",
        "registration_url": None,
    }
    person = {"user_id": 7, "name": reader, "zone": zone, "now": NOW}
    return letter(Settings(), kind)({**person, "contest": facts | contest, "old_start": NOW + HOUR})


def test_a_reminder_says_all_there_is_to_know():
    text = message(zone="Europe/Paris", registration_url="https://codeforces.com/register/1").text

    for part in (
        "Round 1 starts in 1 day",
        "Codeforces, CF",
        "Tue 11 Aug 2026, 14:00 CEST (12:00 UTC)",
        "2 hours",
        "https://codeforces.com/contest/1",
        "https://codeforces.com/register/1",
        "https://codenotify.example/preferences?user=7&token=",
        "https://codenotify.example/unsubscribe?user=7&token=",
    ):
        assert part in text


def test_text_and_html_say_the_same():
    sent = message("rescheduled", zone="Asia/Tokyo")

    for part in ("Round 1", "21:00 JST", "22:00 JST", "https://codeforces.com/contest/1"):
        assert part in sent.text
        assert part in sent.html


def test_names_are_escaped_in_html_and_plain_in_text():
    sent = message(reader="<b>Bobby</b>")

    assert "<b>Bobby" not in sent.html
    assert "&lt;b&gt;Bobby" in sent.html
    assert "Hello <b>Bobby</b>," in sent.text


@pytest.mark.parametrize("kind", ["reminder", "rescheduled", "cancelled", "reinstated"])
@pytest.mark.parametrize("length", [1, 100, 5_000])
def test_the_short_form_has_at_most_240_characters_and_ends_with_the_link(kind, length):
    short = message(kind, website_url="https://codeforces.com/1", name="x" * length)

    assert len(short.short) <= 240
    assert short.short.endswith(" https://codeforces.com/1")


def test_every_mail_has_what_mail_programs_go_by(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    (mail,) = mails.mails
    assert mail["Message-ID"] == "<cn.1@codenotify.example>"
    assert mail["List-Unsubscribe"].startswith("<https://codenotify.example/unsubscribe?user=1&token=")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["To"] == "Ada <ada@example.test>"
    assert mail["Date"].datetime == NOW
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


def test_names_from_outside_cannot_break_a_header_or_a_line(services, mails, wall):
    add_user(services, name="ada")
    contest = add_contest(services, announce(name="Round\r\nBcc: eve@example.test"))
    change_contest(services, contest, name="Round\r\nBcc: eve@example.test\n.\nQUIT")

    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    (mail,) = mails.mails
    assert mail["Bcc"] is None
    assert mails.recipients == ["ada@example.test"]
    assert "QUIT" in mail["Subject"]


def test_a_line_of_one_dot_does_not_end_a_mail(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce())
    change_contest(services, contest, website_url="https://codeforces.com\n.\n..two\nend")

    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    text = mails.mails[0].get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "\n.\n..two\nend" in text
    assert "Unsubscribe:" in text


@pytest.mark.parametrize("name", ["Zoë", "李雷", 'O"Neil, Jr.', "a" * 300, "<script>", "Name (with) brackets"])
def test_any_name_arrives_as_it_was_written(services, mails, wall, name):
    add_user(services, name="ada")
    change_user(services, 1, name=name)
    contest = add_contest(services, announce())
    change_contest(services, contest, name=f"Runde für {name}")
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    (mail,) = mails.mails
    assert mail["To"].addresses[0].display_name == name
    assert mail["To"].addresses[0].addr_spec == "ada@example.test"
    assert mail["Subject"] == f"Runde für {name} starts in 1 day"
    assert f"Hello {name}," in mail.get_body(("plain",)).get_content()


def test_a_line_longer_than_mail_can_carry_arrives_whole(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce())
    change_contest(services, contest, website_url="https://codeforces.com/" + "x" * 5_000)

    dispatch.dispatch_notifications(make_run(as_of=wall()), services)

    (file,) = mails.directory.glob("*.eml")
    assert max(map(len, file.read_bytes().split(b"\r\n"))) < 998
    assert "x" * 5_000 in mails.mails[0].get_body(("plain",)).get_content()
