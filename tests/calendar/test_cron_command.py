"""`rota cron` at a terminal: data on stdout, an error with its place, a fix and exit code 2 on stderr."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from rota.cli.main import main


def rota(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["cron", *arguments])


def test_next_lists_local_time_utc_and_the_wait():
    result = rota("next", "30 2 * * *", "--tz", "Europe/Paris", "-n", "3", "--after", "2027-03-27T01:00")

    assert result.exit_code == 0
    lines = [line.split("  ") for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == [
        "Sat 2027-03-27 02:30:00 +01:00 CET",
        "Sun 2027-03-28 03:00:00 +02:00 CEST",
        "Mon 2027-03-29 02:30:00 +02:00 CEST",
    ]
    assert "2027-03-28 01:00:00Z" in lines[1]
    assert lines[1][-1].strip() == "moved from 02:30"  # the wait before it is as wide as the widest


def test_next_in_utc_leaves_local_time_out():
    result = rota("next", "0 6 * * *", "--tz", "Europe/Paris", "-n", "1", "--after", "2026-07-01", "--utc")

    assert result.stdout.startswith("2026-07-01 04:00:00Z")


def test_next_as_json_is_a_list_with_the_offset_kept():
    result = rota("next", "0 6 * * *", "--tz", "Europe/Paris", "-n", "2", "--after", "2026-07-01", "--json")

    items = json.loads(result.stdout)["items"]
    assert [item["at"] for item in items] == ["2026-07-01T06:00:00+02:00", "2026-07-02T06:00:00+02:00"]
    assert items[0]["utc"] == "2026-07-01T04:00:00Z"


def test_the_policies_can_be_chosen():
    options = ("--tz", "Europe/Paris", "-n", "3", "--after", "2027-03-27T01:00", "--gap", "skip", "--json")

    days = [item["at"][:10] for item in json.loads(rota("next", "30 2 * * *", *options).stdout)["items"]]

    assert days == ["2027-03-27", "2027-03-29", "2027-03-30"]


def test_explain_tells_everything():
    result = rota("explain", "30 2 13 * FRI", "--tz", "Europe/Paris", "-n", "2", "--after", "2027-03-26T03:00")

    assert result.exit_code == 0
    for part in (
        "At 02:30 on day 13 of the month or on any Friday, Europe/Paris time.",
        "day of month  13",
        "fixed times",
        "Sun 28 Mar 2027: 02:00 to 03:00 does not exist; nothing is due in it",
        "Sun 31 Oct 2027: 02:00 to 03:00 comes twice; nothing is due in it",
        "62.5 a year",
        "either is enough",
        "Fri 2027-04-02 02:30:00 +02:00 CEST  2027-04-02 00:30:00Z  in 6d22h",
    ):
        assert part in result.stdout


def test_explain_as_json_is_one_object():
    data = json.loads(rota("explain", "*/5 * * * *", "--after", "2027-03-26T03:00", "--json").stdout)

    assert data["sentence"] == "Every 5 minutes, UTC."
    assert len(data["fires"]) == 5
    assert data["fixed"] is False


def test_explain_works_with_the_real_clock_and_no_fires():
    assert rota("explain", "*/5 * * * *", "-n", "0").exit_code == 0


@pytest.mark.parametrize("command", ["next", "explain"])
def test_a_wrong_expression_is_shown_with_its_place(command):
    result = rota(command, "0 25 * * *")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "0 25 * * *\n    ^^" in result.stderr
    assert "0-23" in result.stderr


def test_an_unknown_zone_and_moment_are_told():
    assert "did you mean Europe/Paris?" in rota("next", "0 0 * * *", "--tz", "Europe/Pariss").stderr
    assert "is not a moment" in rota("next", "0 0 * * *", "--after", "soon").stderr


def test_the_end_of_time_is_told_apart_from_the_data():
    result = rota("next", "0 0 1 1 *", "--after", "9998-06-01", "-n", "5")

    assert len(result.stdout.splitlines()) == 1
    assert "no more" in result.stderr
