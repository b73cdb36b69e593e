"""A run that cannot send everything at once goes on by itself, as long as its messages are of use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, literal, select

from rota import Rota, every
from rota.messages import Digest, Later, Mailing, Message, Sent
from rota.messages.outcome import Outcome
from rota.model import payload
from rota.testing import FakeHome, ManualClock, captured_events, make_run, run_due
from tests.messages.conftest import NEWS, news, told, wait_over
from tests.messages.tables import people
from tests.messages.test_delivery import Scripted

Ledger = Callable[..., list[Any]]


class Moody:
    """Refuses for now who is named, as often as it says."""

    def __init__(self, who: str, times: int, **later: Any) -> None:
        self.who, self.left, self.later = who, times, later

    def __call__(self, message: Message) -> Outcome:
        if message.address.startswith(self.who) and self.left:
            self.left -= 1
            return Later("busy", **self.later)
        return Sent()


def as_job(url: str, campaign: Mailing, **options: Any) -> tuple[Rota, ManualClock]:
    clock = ManualClock(datetime.now(UTC))
    object.__setattr__(campaign, "now", clock.now)
    rota = Rota(url + ".rota" if url.startswith("sqlite") else url, clock=clock)
    rota.job("news", **options)(campaign)
    return rota, clock


def test_the_same_run_goes_on_when_the_next_message_is_due_and_counts_the_whole(
    anybody: Any, ledger: Ledger, sqlite_url: str
) -> None:
    anybody(3)
    sender = Scripted(Moody("p2", 2))
    rota, clock = as_job(sqlite_url, news(sender))
    with captured_events(rota, "campaign.finished") as finished:
        handle = rota.enqueue("news")
        run_due(rota)
        run = rota.runs.get(handle.id)
        assert (run.state, ledger("status")) == ("scheduled", ["sent", "queued", "sent"])
        assert payload.load(run.result)["counts"]["left"] == 1
        assert finished == []

        clock.advance(seconds=59)
        assert run_due(rota) == []
        clock.advance(seconds=2)
        run_due(rota)
        assert finished == []
        clock.advance(minutes=6)
        [run] = run_due(rota)

    counts = {name: count for name, count in payload.load(run.result)["counts"].items() if count}
    assert (run.id, run.state, ledger("status")) == (handle.id, "succeeded", ["sent"] * 3)
    assert counts == {"planned": 3, "sent": 3}
    assert [event.data["counts"]["sent"] for event in finished] == [3]
    assert len(sender.given) == 5
    assert len(set(sender.given)) == 3


def test_a_campaign_of_a_schedule_goes_on_too(anybody: Any, ledger: Ledger, sqlite_url: str) -> None:
    anybody(1)
    rota, clock = as_job(sqlite_url, news(Scripted(Moody("p1", 1))), schedule=every("1d"))
    run_due(rota)
    clock.advance(days=1)
    run_due(rota)
    assert ledger("status") == ["queued"]

    clock.advance(minutes=2)
    [run] = run_due(rota)

    assert (run.state, ledger("status")) == ("succeeded", ["sent"])


def test_while_a_breaker_is_open_it_waits_for_that_and_not_for_each_message(anybody: Any, ledger: Ledger) -> None:
    anybody(30)
    campaign = news(Scripted(lambda _: Later("down", down=True, retry_after=300)))

    result = campaign(make_run())

    assert result.again_in is not None
    assert timedelta(seconds=290) < result.again_in <= timedelta(seconds=300)
    assert result.counts["left"] == 30
    assert "it goes on at" in result.message


def test_it_waits_for_no_message_that_will_be_of_no_use_by_then(anybody: Any, ledger: Ledger, engine: Engine) -> None:
    anybody(2)
    campaign = news(Scripted(lambda _: Later("busy", retry_after=300)), useful_for="4min")

    result = campaign(make_run())

    assert (result.again_in, result.counts["left"], result.status) == (None, 2, "failed")


@pytest.mark.parametrize(
    "options", [{"goes_on": False}, {"at_most": 1}, {"time_limit": timedelta(0)}], ids=["told not to", "share", "time"]
)
def test_what_a_limit_of_its_own_leaves_is_the_next_runs(anybody: Any, options: dict[str, Any]) -> None:
    anybody(3)

    result = news(Scripted(Moody("p1", 9)), **options)(make_run())

    assert (result.again_in, result.counts["left"] > 0) == (None, True)


def test_where_a_schedule_brings_the_next_run_a_mailing_leaves_it_the_rest(anybody: Any) -> None:
    anybody(1)
    campaign = news(Scripted(Moody("p1", 9)))
    given = ("kind", "plan", "to", "look", "render", "channels")
    mailing = Mailing(**{name: getattr(campaign, name) for name in given})
    by_hand, scheduled = make_run(), make_run(id=2)
    scheduled._envelope = scheduled._envelope._replace(schedule="hourly")

    assert mailing(scheduled).again_in is None
    assert mailing(by_hand).again_in is not None


def test_a_digest_by_hand_stays_that_of_its_first_moment(anybody: Any, engine: Engine, ledger: Ledger) -> None:
    """``due_at`` of a run by hand moves with each snooze, and its version with it."""
    anybody(1)
    begun = datetime.now(UTC)
    digest = Digest(
        kind="week",
        plan=lambda _: select(people.c.id.label("recipient")),
        to=people.c.id,
        look=select(people.c.email.label("address"), people.c.name),
        render=NEWS,
        channels={"email": Scripted(Moody("p1", 1))},
        length="7d",
        items=lambda _connection, facts, _period: {each["message"].id: ["x"] for each in facts},
    )
    home = FakeHome()
    assert digest(make_run(as_of=begun, due_at=begun, home=home)).again_in is not None
    wait_over(engine)
    later = begun + timedelta(minutes=3)
    result = digest(make_run(as_of=begun, due_at=later, attempt=2, checkpoint=home.checkpoints[-1]))

    assert (told(result), ledger("status")) == ({"planned": 1, "sent": 1}, ["sent"])


def test_what_became_due_meanwhile_is_not_planned_again_by_the_same_run(anybody: Any, engine: Engine) -> None:
    anybody(1)
    asked = []

    def plan(run: Any) -> Any:
        asked.append(run.attempt)
        return select(people.c.id.label("recipient"), literal(str(run.attempt)).label("subject"))

    campaign, home = news(Scripted(Moody("p1", 1)), plan=plan), FakeHome()
    campaign(make_run(home=home))
    wait_over(engine)
    result = campaign(make_run(attempt=2, checkpoint=home.checkpoints[-1]))

    assert (asked, told(result)) == ([1], {"planned": 1, "sent": 1})


def test_a_dry_run_does_not_go_on(anybody: Any) -> None:
    anybody(1)
    assert news(Scripted())(make_run(dry_run=True)).again_in is None


def test_two_mailings_of_one_body_leave_each_other_what_they_keep(anybody: Any) -> None:
    anybody(1)
    home = FakeHome()
    run = make_run(home=home, checkpoint={"mine": 7})

    news(Scripted(lambda _: Later("busy")))(run)
    news(Scripted(lambda _: Later("busy"), name="other"), kind="offers")(run)

    assert home.checkpoints[-1].keys() == {"mine", "news", "offers"}
