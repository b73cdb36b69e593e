"""Two workers at once, and workers that die between the provider's yes and their own note of it. On both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from apps.codenotify import dispatch
from rota.messages import deliveries, ledger
from rota.testing import make_run
from tests.codenotify.helpers import (
    DAY,
    NOW,
    add_contest,
    add_user,
    announce,
    move_contest,
    rows,
    statuses,
)
from tests.codenotify.helpers import (
    ledger as ledger_of,
)

pytestmark = pytest.mark.usefixtures("database_url")


def run_dispatch(services, wall, **options):
    return dispatch.dispatch_notifications(make_run(as_of=wall(), **options), services)


def test_two_workers_at_once_send_each_message_once(database_url, open_services, mails, hooks, wall):
    workers = [open_services(), open_services()]
    for number in range(60):
        add_user(workers[0], f"user{number}", channels={"email": True, "push": True}, push_token=f"token{number}")
    for number in range(2):
        add_contest(workers[0], announce(str(number), NOW + DAY - number * timedelta(hours=1)))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda services, number: run_dispatch(services, wall, id=number), workers, (1, 2)))

    assert sum(result.counts["sent"] for result in results) == 240
    assert sorted(set(mails.recipients)) == sorted({f"user{number}@example.test" for number in range(60)})
    assert len(mails.recipients) == 120
    assert len(hooks.requests) == len({hook.key for hook in hooks.requests}) == 120
    assert statuses(workers[0]) == ["sent"] * 240


class Killed(BaseException):
    """As if the process had ended here: nothing after it is done."""


def die_after_sending(services, wall):
    """A dispatch whose messages go out, and whose outcomes are never written."""
    settle = ledger.settle

    def dying(connection, owner, verdict, ids, now):
        if verdict.status == "sent":
            raise Killed
        return settle(connection, owner, verdict, ids, now)

    with pytest.MonkeyPatch.context() as patch:  # the one point of a crash that nothing from outside can reach
        patch.setattr(ledger, "settle", dying)
        with pytest.raises(Killed):
            run_dispatch(services, wall)


def test_a_crash_after_a_mail_was_accepted_is_unknown_and_never_a_second_mail(database_url, services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    die_after_sending(services, wall)
    assert len(mails.mails) == 1

    wall.advance(minutes=4)
    assert run_dispatch(services, wall).counts["taken_over"] == 0
    wall.advance(minutes=2)
    result = run_dispatch(services, wall)

    assert (result.counts["unknown"], statuses(services)) == (1, ["unknown"])
    assert len(mails.mails) == 1


def test_a_crash_after_a_webhook_was_accepted_is_sent_again_with_the_same_key(
    database_url, services, mails, hooks, wall
):
    add_user(services, channels={"push": True}, push_token="token")
    add_contest(services, announce())
    die_after_sending(services, wall)

    wall.advance(minutes=6)
    result = run_dispatch(services, wall)

    assert (result.counts["sent"], statuses(services)) == (1, ["sent"])
    assert [hook.key for hook in hooks.requests] == [f"cn:{rows(services, deliveries)[0].id}"] * 2
    assert len(hooks.of("push")) == 1


def test_a_provider_that_ignores_keys_is_never_asked_twice(database_url, open_services, settings, mails, hooks, wall):
    hooks.honours_keys = False
    push = replace(settings.webhooks["push"], honours_keys=False)
    services = open_services(webhooks={**settings.webhooks, "push": push})
    add_user(services, channels={"push": True}, push_token="token")
    add_contest(services, announce())
    die_after_sending(services, wall)

    wall.advance(minutes=6)
    run_dispatch(services, wall)

    assert (len(hooks.messages), statuses(services)) == (1, ["unknown"])


def test_a_crash_before_sending_loses_nothing(database_url, services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "claim", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            run_dispatch(services, wall)
    assert statuses(services) == ["queued"]

    wall.advance(seconds=1)
    result = run_dispatch(services, wall)

    assert (result.counts["sent"], len(mails.mails)) == (1, 1)


def test_an_answer_that_is_lost_is_unknown_by_mail_and_tried_again_by_key(database_url, services, mails, hooks, wall):
    add_user(services, channels={"email": True, "push": True}, push_token="token")
    add_contest(services, announce())
    mails.scenario = "lose-answer"
    hooks.scenarios["push"] = "lose-answer"

    result = run_dispatch(services, wall)

    assert {(row.channel, row.status) for row in rows(services, deliveries)} == {
        ("email", "unknown"),
        ("push", "queued"),
    }
    assert result.counts["unknown"] == 1


def test_moves_and_cancellations_are_found_on_both_databases(database_url, services, mails, wall):
    add_user(services, notify_before_hours=168)
    contest = add_contest(services, announce())
    run_dispatch(services, wall)
    move_contest(services, contest, NOW + 2 * DAY)

    run_dispatch(services, wall)

    assert ledger_of(services) == [
        ("reminder", 1, "email", "sent"),
        ("rescheduled", 2, "email", "sent"),
        ("reminder", 2, "email", "cancelled"),
    ]
