"""834 answers on which other implementations agree, from the suites of a dozen of them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from rota.calendar import Cron
from rota.errors import CronError

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text().splitlines()]


def name(case: dict) -> str:
    return f"{case['expr']} | {case['tz']} | {case['after']}"


def test_the_cases_are_all_here():
    assert len(CASES) == 834


@pytest.mark.parametrize("case", [case for case in CASES if case.get("expect_error")], ids=name)
def test_what_others_refuse_is_refused_when_it_is_written(case):
    with pytest.raises(CronError):
        Cron(case["expr"], tz=case["tz"])


@pytest.mark.parametrize("case", [case for case in CASES if case.get("never")], ids=name)
def test_what_never_comes_is_refused_when_it_is_written(case):
    with pytest.raises(CronError, match="never comes"):
        Cron(case["expr"], tz=case["tz"])


@pytest.mark.parametrize("case", [case for case in CASES if case.get("expect")], ids=name)
def test_the_next_fires_are_those_on_which_others_agree(case):
    cron, moment = Cron(case["expr"], tz=case["tz"]), datetime.fromisoformat(case["after"])

    answers = []
    for _ in case["expect"]:
        moment = cron.next_after(moment)
        answers.append(moment.isoformat())

    assert answers == case["expect"]
