"""Kinds of fault that were found by trying, each mended as a kind."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import text

from apps.codenotify import cleanup, dispatch, sync
from apps.codenotify.services import Services
from apps.codenotify.tables import contests
from apps.database import connect
from rota.errors import ConfigError
from rota.messages import deliveries
from rota.recipes import writing
from rota.testing import make_run
from tests.codenotify.helpers import (
    DAY,
    HOUR,
    NOW,
    add_contest,
    add_user,
    announce,
    contest_of,
    count,
    ledger,
    mend,
    move_contest,
    rows,
)

MINUTE = HOUR / 60


def run_dispatch(services, wall, **options):
    return dispatch.dispatch_notifications(make_run(as_of=wall(), **options), services)


def run_sync(services, wall, **options):
    return sync.sync_contests(make_run(as_of=wall(), **options), services, force=True)


def subjects(mails) -> list[str]:
    return [str(mail["Subject"]) for mail in mails.mails]


@pytest.mark.parametrize("title", ["half \ud83d", "\udc00", "nul \0"])
def test_a_title_that_no_database_keeps_leaves_the_others(database_url, services, platforms, wall, title):
    platforms.show(announce("1"), announce("2"), announce("3"))
    answer = json.loads(platforms_answer(platforms))
    answer["result"][0]["name"] = title
    platforms.instead = {"codeforces": json.dumps(answer).encode()}

    result = run_sync(services, wall)

    assert result.details["platforms"]["codeforces"]["invalid"] == 1
    assert (result.status, count(services, contests)) == ("success", 2)


def platforms_answer(platforms) -> bytes:
    import httpx

    return httpx.get(f"{platforms.url('codeforces')}/api/contest.list?gym=false").content


def test_a_table_row_of_two_cells_leaves_the_others(services, platforms, wall):
    rows_ = "".join(
        f"<tr><td><time>2026-08-1{day} 21:00:00+0900</time></td>"
        f'<td><a href="/contests/abc{day}">ABC {day}</a></td>{end}</tr>'
        for day, end in ((2, "<td>01:40</td><td>-</td>"), (3, "<td>01:40</td><td>-</td>"), (4, ""))
    )
    page = f'<div id="contest-table-upcoming"><table><tbody>{rows_}</tbody></table></div>'
    platforms.instead = {"atcoder": page.encode()}

    result = run_sync(services, wall)

    assert result.details["platforms"]["atcoder"]["invalid"] == 1
    assert count(services, contests) == 2


def test_a_site_that_drips_is_given_up_in_time(open_services, settings, wall):
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                while not stop.wait(0.1):
                    try:
                        connection.sendall(b"H")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        endpoints = {
            **settings.endpoints,
            "codeforces": replace(settings.endpoints["codeforces"], url=url, timeout_s=0.5),
        }
        services = open_services(endpoints=endpoints, retry_delays_s=())
        began = time.monotonic()
        result = sync.sync_contests(make_run(as_of=wall()), services, platforms=["codeforces"])
        took = time.monotonic() - began
        stop.set()
        thread.join()

    assert (result.details["platforms"]["codeforces"]["error_kind"], took < 5) == ("timeout", True)


@pytest.mark.parametrize("odd", ["null", "{}", '"CF"', "7", "[[]]", '{"email": "yes"}', '{"email": {}}', "true"])
@pytest.mark.parametrize("column", ["platforms", "contest_types", "channels"])
def test_any_json_in_one_row_leaves_the_others_told(database_url, services, mails, wall, column, odd):
    add_user(services, "odd")
    add_user(services, "ada")
    add_user(services, "daily", alert_frequency="daily")
    add_contest(services, announce())
    with writing(services.engine) as connection:
        kind = "json" if services.engine.dialect.name == "postgresql" else "text"
        statement = f"UPDATE users SET {column} = CAST(:odd AS {kind}) WHERE name = 'Odd'"
        connection.execute(text(statement), {"odd": odd})

    run_dispatch(services, wall)
    dispatch.send_digests(make_run(as_of=NOW, due_at=NOW + HOUR), services, "daily")

    told = column == "contest_types" and odd not in {'{"email": "yes"}', '{"email": {}}'}
    assert mails.recipients == ["ada@example.test", "daily@example.test", *["odd@example.test"] * told]


def test_letters_of_another_case_are_another_name(database_url, services, mails, wall):
    add_user(services, contest_types=["cf"])
    add_contest(services, announce())

    assert run_dispatch(services, wall).counts["pairs_due"] == 0


def test_the_old_time_is_one_that_the_reader_was_told(services, mails, wall):
    add_user(services, notify_before_hours=168)
    contest = add_contest(services, announce("1", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 48 * HOUR)
    mails.scenario = "hard-bounce"
    run_dispatch(services, wall)
    mails.scenario = "ok"
    move_contest(services, contest, NOW + 96 * HOUR)

    run_dispatch(services, wall)

    assert "Old time  Tue 11 Aug 2026, 12:00 UTC" in mails.mails[1].get_body(("plain",)).get_content()


def test_moved_and_moved_back_is_no_news(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce("1", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 48 * HOUR)
    move_contest(services, contest, NOW + 24 * HOUR)

    run_dispatch(services, wall)

    assert len(mails.mails) == 1


def test_a_contest_that_comes_back_is_told_and_one_that_goes_again_too(services, platforms, mails, wall):
    add_user(services)
    contest, other = announce("1", NOW + 20 * HOUR), announce("2", NOW + 30 * DAY)
    for number, shown in enumerate([(contest, other), (other,), (other,), (contest, other), (other,), (other,)]):
        platforms.show(*shown)
        run_sync(services, wall, id=10 + number)
        run_dispatch(services, wall, id=20 + number)
        wall.advance(minutes=1)

    assert [subject.split(":")[0] for subject in subjects(mails)[1:]] == [
        "Cancelled",
        "Takes place after all",
        "Cancelled",
    ]


def test_ten_shifts_of_four_minutes_are_told(services, platforms, mails, wall):
    add_user(services)
    for number in range(11):
        platforms.show(announce("1", NOW + 20 * HOUR + number * 4 * MINUTE))
        run_sync(services, wall, id=10 + number)
        run_dispatch(services, wall, id=30 + number)

    assert contest_of(services, "1").schedule_version == 6
    assert len(mails.mails) == 6


def test_rows_of_the_ledger_are_cleaned_up_doubled_ones_too(services, mails, wall):
    add_user(services)
    contest = add_contest(services, announce("1", NOW + 24 * HOUR))
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 2 * HOUR)
    run_dispatch(services, wall)
    run_dispatch(services, wall)
    assert [status for *_, status in ledger(services)] == ["sent", "sent", "cancelled"]
    with writing(services.engine) as connection:
        connection.execute(text("UPDATE notifications SET read_at = created_at"))

    result = cleanup.cleanup_old_data(make_run(as_of=NOW + 91 * DAY), services)

    assert (result.counts["deliveries_deleted"], count(services, deliveries)) == (3, 0)


def test_what_a_provider_asked_for_is_kept_to(open_services, services, hooks, wall, mails):
    add_user(services, channels={"push": True}, push_token="token")
    add_contest(services, announce())
    hooks.scenarios["push"] = "rate-limited"
    run_dispatch(services, wall)
    (row,) = rows(services, deliveries)
    assert (row.status, row.reason, row.next_try_at) == ("queued", "http_429", wall() + HOUR)

    hooks.scenarios["push"] = "ok"
    add_user(services, "eve", channels={"push": True}, push_token="another")
    run_dispatch(services, wall, id=2)
    assert len(hooks.requests) == 1  # the provider is left alone, with what is new as well

    mend(services)  # its hour is over by the database's clock; that of the message is not by ours
    wall.advance(minutes=59)
    run_dispatch(services, wall, id=3)
    assert [hook.body["token"] for hook in hooks.messages] == ["another"]
    wall.advance(minutes=1)
    run_dispatch(services, wall, id=4)
    assert [hook.body["token"] for hook in hooks.messages] == ["another", "token"]


def test_a_table_of_somebody_elses_is_told_when_the_application_opens(settings, tmp_path):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE users (id INTEGER PRIMARY KEY, login TEXT)"))
    engine.dispose()

    with pytest.raises(ConfigError, match="table users is not CodeNotify's"):
        Services.of(replace(settings, database_url=url))
