from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from rota import at, every
from rota.clock import from_us
from tests.cli.conftest import Shop, open_shop

NIGHTLY = ("schedule", "add", "nightly", "--job", "shop/sync", "--cron", "30 2 * * *", "--tz", "Europe/Paris")


def test_the_list_says_in_words_when_each_is_due(shop: Shop) -> None:
    items = {item["name"]: item for item in shop.json("schedule", "ls")["items"]}

    assert items["shop/sync"]["when"] == "Every day at 02:00, Europe/Paris time."
    assert (items["shop/sync"]["state"], items["shop/sync"]["source"]) == ("active", "code")


def test_one_that_is_added_is_shown_with_what_comes(shop_anywhere: Shop) -> None:
    document = shop_anywhere.json(*NIGHTLY, "--arg", "days=3", "--overlap", "queue_one", "--jitter", "5m")

    assert document["source"] == "person"
    assert document["arguments"] == {"days": 3}
    assert (document["policies"]["overlap"], document["policies"]["jitter"]) == ("queue_one", 300)
    assert len(document["next_fires"]) == 5


def test_intervals_and_single_moments_are_triggers_too(shop: Shop) -> None:
    every = shop.json("schedule", "add", "a", "--job", "shop/sync", "--every", "6h")
    at = shop.json(
        "schedule", "add", "b", "--job", "shop/sync", "--at", "2099-01-01T07:00Z", "--at", "2099-01-02T07:00Z"
    )

    assert every["trigger"]["kind"] == "every"
    assert at["next_fires"] == ["2099-01-01T07:00:00Z", "2099-01-02T07:00:00Z"]


def test_one_trigger_is_given_and_no_more(shop: Shop) -> None:
    none = shop.rota("schedule", "add", "a", "--job", "shop/sync")
    two = shop.rota("schedule", "add", "a", "--job", "shop/sync", "--cron", "* * * * *", "--every", "1h")

    assert (none.exit_code, two.exit_code) == (2, 2)
    assert "--cron, --every or --at" in none.stderr
    assert "exclude each other" in two.stderr


def test_an_edit_changes_what_is_given_and_a_reset_takes_the_code_back(shop: Shop) -> None:
    edited = shop.json("schedule", "edit", "shop/sync", "--every", "6h", "--catch-up", "none")
    reset = shop.json("schedule", "reset", "shop/sync")

    assert (edited["trigger"]["kind"], edited["policies"]["catch_up"]) == ("every", "none")
    assert edited["edited_by"].startswith("cli")
    assert (reset["trigger"]["kind"], reset["edited_by"]) == ("cron", None)
    assert shop.rota("schedule", "edit", "shop/sync").exit_code == 2


def test_a_schedule_whose_zone_this_machine_lacks_is_listed_with_the_others(shop: Shop) -> None:
    shop.rota("schedule", "ls")
    with shop.app.store.database.exclusive() as tx:
        tx.script("UPDATE rota_schedule SET definition = replace(definition, 'Europe/Paris', 'Mars/Base');")

    listed = shop.rota("schedule", "ls")

    assert listed.exit_code == 0, listed.output
    assert len(listed.stdout.splitlines()) == 1 + len(shop.app.declared_schedules)
    assert "cannot be read here: no time zone is called 'Mars/Base'" in listed.stdout
    assert "this machine cannot read it" in shop.rota("schedule", "why", "shop/sync").stdout


def test_an_end_that_was_given_is_taken_back_with_none(shop: Shop) -> None:
    given = shop.json("schedule", "edit", "shop/sync", "--ends", "2099-01-01T00:00:00Z", "--catch-up-window", "3h")
    taken = shop.json("schedule", "edit", "shop/sync", "--ends", "none", "--catch-up-window", "NONE")

    assert (given["policies"]["ends"], given["policies"]["catch_up_window"]) == ("2099-01-01T00:00:00+00:00", 10_800.0)
    assert (taken["policies"]["ends"], taken["policies"]["catch_up_window"]) == (None, None)


def test_a_pause_names_who_and_why_and_a_resume_ends_it(shop: Shop) -> None:
    paused = shop.json("schedule", "pause", "shop/sync", "--why", "migration")

    assert (paused["state"], paused["paused_why"]) == ("paused", "migration")
    assert shop.rota("schedule", "pause", "shop/sync").exit_code == 5
    assert "migration" in shop.rota("schedule", "why", "shop/sync").stdout
    assert shop.json("schedule", "resume", "shop/sync")["state"] == "active"


def test_next_is_told_on_the_clock_of_the_schedule(shop: Shop) -> None:
    assert len(shop.json("schedule", "next", "shop/sync", "-n", "3")["items"]) == 3
    shown = shop.rota("schedule", "next", "shop/sync", "-n", "1").stdout

    assert "02:00:00 CE" in shown


def test_next_of_a_paused_one_says_to_ask_why(shop: Shop) -> None:
    shop.app.schedules.pause("shop/sync", by="anna")

    assert "rota schedule why shop/sync" in shop.rota("schedule", "next", "shop/sync").stderr


def test_run_makes_a_run_at_once(shop: Shop) -> None:
    run_id = int(shop.rota("schedule", "run", "shop/sync").stdout)

    assert shop.app.runs.get(run_id).schedule == "shop/sync"


def test_a_backfill_of_few_moments_is_done_and_of_many_is_asked_for(shop: Shop) -> None:
    whole = shop.json("schedule", "backfill", "shop/sync", "--from", "-60d", "--dry-run")
    few = shop.json("schedule", "backfill", "shop/sync", "--from", "-3d")
    asked = shop.rota("schedule", "backfill", "shop/sync", "--from", "-60d")
    many = shop.json("schedule", "backfill", "shop/sync", "--from", "-60d", "--yes")

    assert len(few["items"]) == 3
    assert asked.exit_code == 2
    assert "--yes" in asked.stderr
    assert len(whole["items"]) in {59, 60}  # a clock was changed since, and it may be the hour of that
    assert len(many["items"]) == len(whole["items"]) - len(few["items"])


def test_a_dry_backfill_only_tells_the_moments(shop: Shop) -> None:
    assert len(shop.json("schedule", "backfill", "shop/sync", "--from", "-3d", "--dry-run")["items"]) == 3
    assert shop.app.runs.page() == []


def test_rm_asks_first_and_leaves_what_is_from_code(shop: Shop) -> None:
    shop.rota(*NIGHTLY)

    assert shop.rota("schedule", "rm", "nightly").exit_code == 2
    assert shop.rota("schedule", "rm", "nightly", "--yes").exit_code == 0
    gone = shop.rota("schedule", "pause", "nightly")
    assert (gone.exit_code, "any more" in gone.stderr) == (3, True)
    from_code = shop.rota("schedule", "rm", "shop/sync", "--yes")
    assert (from_code.exit_code, "Pause it instead" in from_code.stderr) == (5, True)


def test_why_at_a_moment_reads_it_on_the_clock_of_the_schedule(shop: Shop) -> None:
    shop.rota(*NIGHTLY)
    gap = shop.rota("schedule", "why", "nightly", "--at", "2099-03-29 02:30").stdout
    document = shop.json("schedule", "why", "nightly", "--at", "2099-07-01T12:00")

    assert "does not show 02:30 on 2099-03-29" in gap
    assert document["facts"][0]["kind"] == "not_a_due_moment"
    assert document["facts"][0]["before"] == "2099-07-01T00:30:00Z"


@pytest.mark.parametrize(("tz", "other"), [("Pacific/Kiritimati", "Etc/GMT+12"), ("Etc/GMT+12", "Pacific/Kiritimati")])
def test_the_words_of_a_moment_too_are_read_on_the_clock_of_the_schedule(
    shop: Shop, machine_in: Callable[[str], None], tz: str, other: str
) -> None:
    machine_in(other)
    shop.rota("schedule", "add", "noon", "--job", "shop/sync", "--cron", "0 12 * * *", "--tz", tz)

    tomorrow, bare = (
        shop.json("schedule", "why", "noon", "--at", text)["facts"][0] for text in ("tomorrow 12:00", "12:01")
    )

    today = datetime.now(ZoneInfo(tz)).replace(hour=12, minute=0, second=0, microsecond=0)
    due_at = today + timedelta(days=1)
    assert (tomorrow["kind"], tomorrow["at"]) == ("future", f"{due_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    assert (bare["kind"], bare["before"]) == ("not_a_due_moment", f"{today.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def test_a_misspelt_name_is_answered_with_the_nearest(shop: Shop) -> None:
    for command in ("show", "pause", "resume", "next", "run", "rm", "why", "reset"):
        result = shop.rota("schedule", command, "shop/snyc")
        assert result.exit_code == 3, command
        assert "Did you mean 'shop/sync'?" in result.stderr


def test_a_cursor_goes_on_where_the_list_ended(shop: Shop) -> None:
    shop.rota(*NIGHTLY)
    first = shop.json("schedule", "ls", "--limit", "1")
    rest = json.loads(shop.rota("schedule", "ls", "--json", "--after", first["next"]).stdout)

    assert [item["name"] for item in first["items"] + rest["items"]] == ["nightly", "shop/elsewhere", "shop/sync"]


def test_a_moment_without_a_fraction_means_its_whole_second(shop: Shop) -> None:
    late = datetime(2099, 1, 1, 7, 0, 0, 250_000, tzinfo=UTC)
    shop.app.schedules.add("once", "shop/sync", at(late), by="anna")

    def asked(text: str) -> dict[str, object]:
        return dict(shop.json("schedule", "why", "once", "--at", text)["facts"][0])

    assert asked("2099-01-01T07:00:00Z")["kind"] == "future"
    assert asked("2099-01-01T07:00:00")["at"] == "2099-01-01T07:00:00.250000Z"
    assert asked("2099-01-01T07:00:00.25Z")["kind"] == "future"
    assert asked("2099-01-01T07:00:01Z")["kind"] == "not_a_due_moment"
    assert asked("2099-01-01T06:59:59Z")["kind"] == "not_a_due_moment"


def test_a_fraction_that_is_given_is_told(shop: Shop) -> None:
    shop.app.schedules.add("seconds", "shop/sync", every("1s"), by="anna")

    told = shop.rota("schedule", "why", "seconds", "--utc", "--at", "2099-01-01T07:00:00.5Z").stdout

    assert "2099-01-01 07:00:00.5 UTC is no due moment, the one before is 2099-01-01 07:00:00 UTC" in told


@pytest.mark.parametrize("text", ["now", "-1m", "+1m", "-90s"])
def test_a_moment_told_from_now_means_the_whole_second(shop: Shop, text: str) -> None:
    shop.app.schedules.add("seconds", "shop/sync", every("1s"), by="anna")

    kinds = {fact["kind"] for fact in shop.json("schedule", "why", "seconds", "--at", text)["facts"]}

    assert "not_a_due_moment" not in kinds


@pytest.mark.parametrize("ends", [("--from", "-1d", "--to", "-2d"), ("--from", "+1h")])
@pytest.mark.parametrize("dry", [("--dry-run",), ()])
def test_a_backfill_from_after_its_end_is_refused(shop: Shop, ends: tuple[str, ...], dry: tuple[str, ...]) -> None:
    result = shop.rota("schedule", "backfill", "shop/sync", *ends, *dry)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: --from is after --to\n")


def test_a_moment_that_has_passed_is_not_added_nor_changed_to(shop: Shop) -> None:
    past = ("--at", "2020-01-01T07:00Z")
    added = shop.rota("schedule", "add", "once", "--job", "shop/sync", *past)
    changed = shop.rota("schedule", "edit", "shop/sync", *past)

    for result in (added, changed):
        assert (result.exit_code, result.stdout) == (2, "")
        assert "it would never fire; the last moment was 2020-01-01" in result.stderr
    assert shop.rota("schedule", "show", "once").exit_code == 3
    assert shop.json("schedule", "show", "shop/sync")["edited_by"] is None
    one_to_come = shop.json("schedule", "add", "once", "--job", "shop/sync", *past, "--at", "2099-01-01T07:00Z")
    assert one_to_come["next_fires"] == ["2099-01-01T07:00:00Z"]


def row(shown: str, name: str) -> list[str]:
    """The cells of a table's line."""
    [line] = [line for line in shown.splitlines() if line.startswith(name)]
    return re.split(r"  +", line)


def test_a_paused_schedule_has_no_next_moment_for_people(shop: Shop) -> None:
    with shop.app.store.database.exclusive() as tx:
        tx.script("UPDATE rota_schedule SET next_due_at = 1 WHERE name = 'shop/sync';")
    assert row(shop.rota("schedule", "ls").stdout, "shop/sync")[3].endswith(" ago")

    shop.rota("schedule", "pause", "shop/sync")

    for command in (("schedule", "ls"), ("job", "show", "shop/sync")):
        shown = shop.rota(*command).stdout
        assert row(shown, "shop/sync")[2:4] == ["paused", "code"], command


def test_a_schedule_whose_job_is_off_here_is_not_shown_as_active(place: Path, ledger_url: str) -> None:
    shop = open_shop(place, ledger_url)
    object.__setattr__(shop.app.settings, "environment", "laptop")
    shop.app.prepare()
    shop.app.schedules.add("once", "shop/sync", at(datetime(2020, 1, 1, tzinfo=UTC)), by="anna")

    shown = shop.rota("schedule", "ls").stdout
    states = {item["name"]: item["state"] for item in shop.json("schedule", "ls")["items"]}

    assert row(shown, "shop/elsewhere")[2] == "off here"
    assert row(shown, "shop/sync")[2] == "active"
    assert states == {"once": "over", "shop/elsewhere": "off", "shop/sync": "active"}
    assert shop.json("schedule", "why", "shop/elsewhere")["state"] == "off"
    shop.app.close()


def test_why_at_a_moment_that_is_not_due_tells_that_it_is_paused(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    shop.rota("schedule", "pause", "shop/sync", "--why", "migration")

    told = shop.rota("schedule", "why", "shop/sync", "--at", "now").stdout
    before = shop.rota("schedule", "why", "shop/sync", "--at", "2020-01-01T12:34").stdout

    assert "it was paused" in told
    assert "migration" in told
    assert "paused" not in before


def test_the_runs_of_a_backfill_tell_which_moment_they_stand_for(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    [first, *_] = shop.json("schedule", "backfill", "shop/sync", "--from", "-3d")["items"]
    shop.app.enqueue("shop/breaks")
    moment = from_us(shop.app.runs.get(first["id"]).fire_due_at or 0)

    listed, shown = shop.rota("run", "ls", "--utc").stdout, shop.rota("run", "show", str(first["id"]), "--utc").stdout

    assert row(listed, str(first["id"]))[5] == f"{moment:%Y-%m-%d %H:%M:%S UTC}"
    assert f"for        {moment:%Y-%m-%d %H:%M:%S UTC}" in re.sub(r"^for +", "for        ", shown, flags=re.MULTILINE)
    assert re.search(rf"^as of +{moment:%Y-%m-%d %H:%M:%S UTC}", shown, flags=re.MULTILINE)
    assert " FOR " not in shop.rota("run", "ls", "--job", "shop/breaks").stdout
