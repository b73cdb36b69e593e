"""A wrong expression is refused when it is written, and the error shows the place, the rule and the likely fix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.calendar import Cron, every
from rota.errors import CronError, UnknownZoneError

MISTAKES = [
    ("60 * * * *", "60", "outside 0-59", "full round is 0"),
    ("* 24 * * *", "24", "outside 0-23", "0-23"),
    ("0 0 0 * *", "0", "outside 1-31", "1-31"),
    ("0 0 * 13 *", "13", "outside 1-12", "JAN-DEC"),
    ("0 0 * * 8", "8", "outside 0-7", "0 and 7 are Sunday"),
    ("0 0 1 1 * 2026", "2026", "outside 0-7", "years are not supported"),
    ("0 22-2 * * *", "22-2", "backwards", "write 22-23,0-2"),
    ("0 22-2/2 * * *", "22-2/2", "backwards", "write 22,0,2"),
    ("50-10 * * * *", "50-10", "backwards", "write 50-59,0-10"),
    ("0 0 * NOV-JAN *", "NOV-JAN", "backwards", "write NOV-DEC,JAN"),
    ("0 0 * * FRI-MON", "FRI-MON", "backwards", "write FRI-SUN,MON"),
    ("0 0 * * 5-2", "5-2", "backwards", "write 5-7,1-2"),
    ("0 0 * * 7-2", "7-2", "backwards", "write 0-2"),
    ("0 0 * * 6-2/2", "6-2/2", "backwards", "write 6,1"),
    ("*/0 * * * *", "0", "step of 0", "write */1"),
    ("1/0 * * * *", "0", "step of 0", "write 1/1"),
    ("*/ * * * *", "*/", "cannot be read", "*/2"),
    ("/5 * * * *", "/5", "cannot be read", "*/5"),
    ("1,,2 * * * *", "", "missing", "comma"),
    ("1, * * * *", "", "missing", "comma"),
    ("0 0 * * FRI#6", "FRI#6", "cannot be read", "1 to 5"),
    ("0 0 * * L5", "L5", "cannot be read", "5L"),
    ("0 0 * * L", "L", "cannot be read", "SATL"),
    ("0 0 W15 * *", "W15", "cannot be read", "15W"),
    ("0 0 32W * *", "32", "outside 1-31", "1-31"),
    ("0 0 L-31 * *", "31", "leaves every month", "L-30"),
    ("0 0 5#2 * *", "5#2", "cannot be read", "day-of-week"),
    ("L * * * *", "L", "cannot be read", "day fields"),
    ("? * * * *", "?", "cannot be read", "*"),
    ("H/5 * * * *", "H/5", "cannot be read", "Jenkins"),
    ("0~30 * * * *", "0~30", "cannot be read", "jitter"),
    ("0 0 * * TEU", "TEU", "not a day of week", "did you mean TUE?"),
    ("0 0 * * MONDAY", "MONDAY", "not a day of week", "write MON"),
    ("0 0 * SPE *", "SPE", "not a month", "did you mean SEP?"),
    ("0 0 * JANUARY *", "JANUARY", "not a month", "write JAN"),
    ("0 0 * * MON-FRY", "FRY", "not a day of week", "did you mean FRI?"),
    ("30 2 * * * /usr/bin/backup", "/usr/bin/backup", "cannot be read", "command"),
    ("0 0 12 * * ? 2026", "0 0 12 * * ? 2026", "7 fields", "drop the last field: 0 0 12 * * ?"),
    ("0 6 * *", "0 6 * *", "4 fields", "minute, hour"),
    ("0", "0", "1 field;", "minute, hour"),
    ("CRON_TZ=Europe/Paris 0 6 * * *", "CRON_TZ=Europe/Paris", "no part", 'tz="Europe/Paris"'),
    ("TZ=UTC 0 0 6 * * *", "TZ=UTC", "no part", 'tz="UTC"'),
    ("@reboot", "@reboot", "not one of the macros", "where your program starts"),
    ("@every 5m", "@every 5m", "not one of the macros", 'every("5m")'),
    ("@every_minute", "@every_minute", "not one of the macros", "write * * * * *"),
    ("@dayly", "@dayly", "not one of the macros", "did you mean @daily?"),
    ("@daily 5", "@daily 5", "not one of the macros", "stands alone"),
    ("0 0 30 2 *", "30 2 *", "never comes", "L is the last day"),
    ("0 0 31 4,6 *", "31 4,6 *", "never comes", "L is the last day"),
    ("0 0 */100 2 MON#5", "*/100 2 MON#5", "never comes", "L is the last day"),
    ("1_0 * * * *", "1_0", "cannot be read", "0-59"),
    ("+5 * * * *", "+5", "cannot be read", "0-59"),
    ("1.5 * * * *", "1.5", "cannot be read", "0-59"),
    ("\u0661 * * * *", "\u0661", "no place", "ASCII"),
    ("0 0\u00a0* * *", "\u00a0", "no place", "ASCII"),
]


@pytest.mark.parametrize(("text", "part", "problem", "fix"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_the_error_points_at_the_part_and_says_what_to_write(text, part, problem, fix):
    with pytest.raises(CronError) as told:
        Cron(text)

    start, end = told.value.span
    lines = str(told.value).splitlines()
    assert problem in lines[0]
    assert fix in told.value.hint
    assert text[start:end] == part or (not part and end == start + 1)
    assert lines[2] == "  " + " " * start + "^" * (end - start)
    assert told.value.hint == lines[-1]


@pytest.mark.parametrize("text", [row[0] for row in MISTAKES if "write " in row[3] and "/1" not in row[3]])
def test_what_the_error_tells_to_write_can_be_written(text):
    with pytest.raises(CronError) as told:
        Cron(text)
    start, end = told.value.span
    instead = told.value.hint.removeprefix("write ")

    assert Cron(text[:start] + instead + text[end:]) or Cron(instead)


def test_the_error_reads_well():
    with pytest.raises(CronError) as told:
        Cron("0 0 * * FRI-MON")

    assert str(told.value) == (
        "day of week: the range goes backwards\n  0 0 * * FRI-MON\n          ^^^^^^^\nwrite FRI-SUN,MON"
    )
    assert told.value.field == "day of week"


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_an_empty_expression_is_told_so(text):
    with pytest.raises(CronError, match="empty"):
        Cron(text)


@pytest.mark.parametrize("value", [None, 5, b"* * * * *"])
def test_what_is_not_text_is_told_so(value):
    with pytest.raises(CronError, match="is text, not"):
        Cron(value)


def refusal(text: str) -> CronError | None:
    try:
        Cron(text)
    except CronError as error:
        return error
    return None


@given(st.text(alphabet="0159*/-,?LW#@ \tMONJAFRIB_.~é", max_size=24))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text):
    error = refusal(text)

    if error is not None:
        start, end = error.span
        assert 0 <= start <= end <= len(text) + 1
        assert str(error)


@given(
    st.lists(
        st.sampled_from(["*", "5", "1-9/2", "L", "15W", "FRI#2", "FRIL", "?", "*/0", "9-1", "x"]),
        min_size=5,
        max_size=6,
    )
)
def test_any_row_of_fields_is_read_or_refused_with_a_hint(fields):
    error = refusal(" ".join(fields))

    assert error is None or error.hint


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Pari", "did you mean Europe/Paris?"),
        ("europe/paris", "did you mean Europe/Paris?"),
        ("New York", "did you mean America/New_York?"),
        ("../../etc/passwd", "use a name like"),
        ("", "use a name like"),
        ("America", "did you mean America/"),
        ("tzdata.zi", "use a name like"),
        (None, "use a name like"),
    ],
)
def test_an_unknown_zone_is_told_with_a_known_one(zone, hint):
    with pytest.raises(UnknownZoneError) as told:
        Cron("0 0 * * *", zone)
    assert told.value.hint.startswith(hint)


@pytest.mark.parametrize("interval", ["", "5", "10 apples", "30m1h", "1h1h", "-5m", "1.5h", "0s", "0m", "999999999w"])
def test_an_interval_that_cannot_be_is_refused(interval):
    with pytest.raises(CronError) as told:
        every(interval)
    assert "1h30m" in told.value.hint
