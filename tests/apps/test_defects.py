"""What systems like these applications did wrong before them: each mistake has a test that it would fail.

A test is marked ``@pytest.mark.defect("MB-B5")`` with the mistakes that it is against. Those that are of no one
application stand here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps import bazaar, codenotify, faf, learn, savings
from apps.application import application
from rota import Rota

DEFECTS = {
    # CodeNotify
    "CN-B1": "one name is a preference of hours in one line and a moment in the next",
    "CN-B2": "a window of an hour, looked at each half hour: told twice, or never where it is found late",
    "CN-B3": "one bad address or channel ends the run for everybody behind it",
    "CN-B4": "one flag on the contest: the first who is told silences the rest",
    "CN-B5": "people who only read mails count as gone, and tokens that are over stay",
    "CN-B6": "each sync brings back the history that each night removes",
    "CN-B7": "a contest that drops out of the answers stays to come for ever",
    "CN-B8": "sync and dispatch begin in the same second and both tell everybody",
    "CN-B9": "a platform that failed is a success with zeros",
    "CN-B10": "messages that nobody has read go with those that were",
    "CN-B11": "a time limit kills the process and leaves the job at work",
    "CN-B12": "an option that does not exist is taken without a word",
    "CN-B13": "channels are read as a list where they are switches",
    "CN-B14": "the contests of one platform are read where none to come stand",
    "CN-B15": "no start is taken for now, and leads are cut at a day",
    "CN-B16": "expressions of five and of six fields are taken for one another",
    "CN-B17": "errors are swallowed, so nothing ever fails",
    "CN-B18": "a trigger waits for the whole job, and two of them run together",
    # Learning platform
    "LP-B1": "a start that leaves the jobs out says that all is well",
    "LP-B2": "production has all jobs, and nobody says what staging has",
    "LP-B3": "keys that are over are looked for where the server never shows them, under another name",
    "LP-B4": "when a secret is due is forgotten at each start, and keys of others are made up",
    "LP-B5": "compressing a log makes it young, and the file that is written to may go",
    "LP-B6": "a report is of the hours before it was made, and its money is made up",
    "LP-B7": "two services register one job, and both do it",
    "LP-B8": "dead letters, locks and accounts of who asked are promised and not there",
    "LP-B9": "accounts go by their age alone, with what was bought on them",
    "LP-B10": "euros are added to dollars, and quizzes that were marked by machine do not count",
    "LP-B11": "a job that is off counts as failed",
    "LP-B12": "a setting switches on a job that does not exist",
    "LP-B13": "a trigger waits for the whole job, and a wrong name is a quiet no",
    # Multiverse Bazaar
    "MB-B1": "the next moment is promised and empty, and a stop waits for nothing",
    "MB-B2": "invitations go by their age though their link is still good",
    "MB-B3": "logs are made anonymous at the top alone, not where nobody is named, and again each night",
    "MB-B4": "a batch is the first hundred, and the rest stays",
    "MB-B5": "an upload in use is taken for an orphan, as its URL is written otherwise",
    "MB-B6": "the row goes though its file could not be deleted",
    "MB-B7": "the weekly job pays another bonus than the service",
    "MB-B8": "a full deletion takes its own request and the proof of consent along, and leaves half behind",
    "MB-B9": "that all deletions are accounted for is said, and done nowhere",
    "MB-B10": "a job that was stopped stands in the history as a success",
    "MB-B11": "one at a time holds in one process, and anybody may start a job",
    "MB-B12": "who was deleted stays in the audit logs for up to a year",
    "MB-B13": "in a wrong folder every file looks deleted",
    # Savings groups
    "SG-B1": "it is called an archive, and deletes",
    "SG-B2": "a lock that is always free, is given back by anybody, and ends in the middle of the work",
    "SG-B3": "due on five days, and nothing is done on four of them",
    "SG-B4": "what is tried again is sent again",
    "SG-B5": "money that never came is counted, and amounts with a point are an error",
    "SG-B6": "a group ends when its last round begins, or begins and ends in one run",
    "SG-B7": "the length of a round is seconds here and days there",
    "SG-B8": "waits of one and two seconds are called exponential",
    "SG-B9": "a skipped run is silent, and a dead node keeps its lock for ten minutes",
    "SG-B10": "groups that nobody joins are found and told to nobody",
    # Form-a-Friend
    "FF-B1": "a column that is not read leaves everybody out",
    "FF-B2": "more mails are promised than the rate allows, and workers are ended in the middle of a batch",
    "FF-B3": "people choose a day, and the job comes on the fifth alone",
    "FF-B4": "the oldest thousand who want no reminder keep all others from theirs, and late ones still leave",
    "FF-B5": "while the provider is down, contacts are taken for dead",
    "FF-B6": "an invitation that failed is never tried again, and the job says success",
    "FF-B7": "an error rate since the start, of jobs; and the history goes with the samples",
    "FF-B8": "two instances send everything twice, and memory is the heap alone",
    "FF-B9": "two o'clock in Paris does not exist or comes twice, and blocked contacts come back",
    "FF-B10": "the limit of what people send by hand holds back the campaign",
    "FF-B11": "nobody says what happens when the time is over",
    "FF-B12": "a mere warning counts as down",
    "FF-B13": "a trigger waits for an hour, and any limit is taken",
    "FF-B14": "text in UTF-8 is read as something else",
    "FF-B15": "whom two people invite has one rate for both, and the first thousand owners alone have one",
    "FF-B16": "a link to unsubscribe holds the address, and anybody can make one",
    "FF-B17": "what bounced expires, and a reminder that failed is a bounce",
    # All of them
    "ALL-1": "one instance alone does the work: said five times, done once, and wrongly",
    "ALL-2": "three laws of trying again, under one name",
    "ALL-3": "the history is in memory",
    "ALL-4": "nobody says what becomes of moments that were missed",
    "ALL-5": "hardly a job has a time limit",
    "ALL-6": "a report relies on another job having been quick enough",
    "ALL-7": "two jobs delete the same files",
    "ALL-8": "clean-ups of one database come at the same minute",
}

WITHOUT = {
    "SG-B7": "seconds, as the tables say; no job reads it, and there is no importer that would have to ask",
}
"""Those without a test, and why."""

TESTS = Path(__file__).parents[1]


def marks() -> Iterator[tuple[str, str]]:
    """Every id that a test is marked with, and the test."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if ".defect(" in (text := path.read_text(encoding="utf-8")):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from ((each, f"{path.name}::{node.name}") for each in _ids(node))


def _ids(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.defect":
            yield from (ast.literal_eval(each) for each in decorator.args)


def test_each_defect_has_a_test_that_it_would_fail() -> None:
    found = dict(marks())

    assert [each for each in DEFECTS if each not in found] == list(WITHOUT)
    assert {each: test for each, test in found.items() if each not in DEFECTS} == {}
    assert [test for test in found.values() if "::test_" not in test] == []


# --- of no one application

ONCE, ALL, NONE = "latest", "all", "none"
HOUR = 1
DAY = 24 * HOUR
JOBS = {  # catch up, within so many hours, for so many minutes
    "bazaar/anonymize-audit-logs": (ONCE, DAY, 60),
    "bazaar/cleanup-invitations": (ONCE, DAY, 60),
    "bazaar/cleanup-orphaned-files": (ONCE, DAY, 60),
    "bazaar/cleanup-push-tokens": (ONCE, DAY, 60),
    "bazaar/delete-audit-logs": (ONCE, 2 * DAY, 60),
    "bazaar/finalize-deletions": (ONCE, DAY, 60),
    "bazaar/recalculate-karma": (ONCE, 2 * DAY, 60),
    "codenotify/cleanup-old-data": (ONCE, DAY, 60),
    "codenotify/dispatch-notifications": (ONCE, HOUR / 2, 25),
    "codenotify/retry-failed-deliveries": (NONE, None, 4),
    "codenotify/send-daily-digests": (ONCE, 6 * HOUR, 25),
    "codenotify/send-weekly-digests": (ONCE, 6 * HOUR, 25),
    "codenotify/sync-contests": (ONCE, 6 * HOUR, 10),
    "faf/cleanup": (ONCE, DAY, 60),
    "faf/health-check": (NONE, None, 4),
    "faf/invitation-retry": (NONE, None, 9),
    "faf/monthly-invitations": (ONCE, 2 * DAY, 60),
    "faf/reminders": (ONCE, HOUR, 55),
    "learn/daily-analytics-updates": (ONCE, DAY, 60),
    "learn/daily-log-pruning": (ONCE, DAY, 60),
    "learn/daily-session-cleanup": (ONCE, DAY, 60),
    "learn/monthly-executive-summaries": (ALL, 8 * 31 * DAY, 30),
    "learn/secret-rotation": (ONCE, DAY, 15),
    "learn/weekly-trend-reports": (ALL, 8 * 7 * DAY, 30),
    "savings/archive-audit-logs": (ONCE, DAY, 60),
    "savings/send-contribution-summaries": (ONCE, 3 * DAY, 60),
    "savings/update-group-statuses": (ONCE, HOUR, 55),
}


@pytest.fixture
def rota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rota:
    """The jobs of all applications."""
    monkeypatch.setenv("LEARN_LOG_DIR", str(tmp_path))
    return application(*(each.jobs() for each in (bazaar, codenotify, faf, learn, savings)))


@pytest.mark.defect("ALL-4", "ALL-5", "LP-B1")
def test_each_job_says_what_becomes_of_missed_moments_and_how_long_it_may_take(rota: Rota) -> None:
    def policies(name: str) -> tuple[Any, ...]:
        schedule = rota.declared_schedules[name]
        hours = schedule.catch_up_window / 3_600 if schedule.catch_up_window else None
        return schedule.catch_up, hours, (rota.jobs[name].timeout or 0) / 60

    assert {name: policies(name) for name in rota.declared_schedules} == JOBS


SENT = {"dispatch-notifications", "retry-failed-deliveries", "send-daily-digests", "send-weekly-digests"} | {
    "monthly-invitations", "invitation-retry", "reminders", "send-contribution-summaries", "secret-rotation",
}  # fmt: skip
"""What goes out to people, or into other systems: production alone does it."""
HARMLESS = {
    "recalculate-karma", "sync-contests", "health-check", "daily-analytics-updates", "daily-log-pruning",
    "monthly-executive-summaries", "weekly-trend-reports", "update-group-statuses",
}  # fmt: skip
"""What staging does as production does it. All else deletes: there it only looks."""


@pytest.mark.defect("LP-B2")
def test_each_environment_has_its_jobs_and_nothing_leaves_staging(rota: Rota) -> None:
    due = {name: rota.jobs[name] for name in rota.declared_schedules}

    assert {name for name, job in due.items() if not job.enabled_in("production") or job.mode_in("production")} == set()
    staging = {name.partition("/")[2]: job.mode_in("staging") for name, job in due.items() if job.enabled_in("staging")}
    assert set(staging) == {name.partition("/")[2] for name in due} - SENT
    assert {name for name, mode in staging.items() if mode is None} == HARMLESS
    assert set(staging.values()) == {None, "dry_run"}
    for environment in ("development", "test"):
        assert not any(job.enabled_in(environment) for job in due.values())


@pytest.mark.defect("MB-B11")
def test_two_runs_of_a_job_wait_for_one_another_also_where_a_person_asked_for_one(rota: Rota) -> None:
    """Those of the savings groups have their lock for it, and the second ends as ``skipped``."""
    ours = {name: job for name, job in rota.jobs.items() if name.startswith(("bazaar/", "faf/", "learn/"))}

    assert [name for name, job in ours.items() if job.limit_count != 1] == ["learn/end-sessions"]  # each of one person
