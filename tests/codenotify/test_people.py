"""What people do, as far as the jobs go by it."""

from __future__ import annotations

import pytest

from apps.codenotify import dispatch, people
from apps.codenotify.tables import users
from rota.testing import make_run
from tests.codenotify.helpers import DAY, NOW, add_contest, add_user, announce, inbox, rows


def test_activity_only_moves_forward(services):
    user = add_user(services)
    people.record_activity(services.engine, user, NOW)
    people.record_activity(services.engine, user, NOW - DAY)

    assert rows(services, users)[0].last_active_at == NOW


def test_reading_counts_the_first_time_and_as_activity(services, mails, wall):
    add_user(services)
    add_contest(services, announce())
    dispatch.dispatch_notifications(make_run(as_of=wall()), services)
    (notice,) = inbox(services)

    people.read_notification(services.engine, notice.id, NOW + DAY)
    people.read_notification(services.engine, notice.id, NOW + 2 * DAY)

    assert inbox(services)[0].read_at == NOW + DAY
    assert rows(services, users)[0].last_active_at == NOW + 2 * DAY


@pytest.mark.parametrize("value", [["email", "push"], {"email": True, "push": True, "whatsapp": False}])
def test_both_forms_of_channel_choices_are_understood(value):
    choices = people.channels_from(value)

    assert [name for name, on in choices.items() if on] == ["email", "push"]


@pytest.mark.parametrize(("value", "error"), [(["pigeon"], ValueError), ({"email": "yes"}, TypeError)])
def test_a_choice_that_means_nothing_is_refused(value, error):
    with pytest.raises(error):
        people.channels_from(value)
