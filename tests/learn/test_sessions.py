"""LP-4, as far as it is about rows."""

from __future__ import annotations

from typing import Any

import pytest

from apps.learn.sessions import RESET_TOKENS, UNVERIFIED_ACCOUNTS
from rota.testing import make_run
from tests.learn.conftest import Learn
from tests.learn.helpers import EDUCATOR, MIDNIGHT, ago, course, enrollment, user


def unverified(id_: int, days: float, **values: Any) -> dict[str, Any]:
    return user(id_, created_at=ago(days), email_verified=False, **values)


def test_accounts_that_were_never_verified_go_after_thirty_days_if_nothing_hangs_on_them(learn: Learn) -> None:
    learn.put(
        users=[
            EDUCATOR,
            unverified(1, 31),
            unverified(2, 30),
            unverified(3, 31, role="educator"),
            unverified(4, 31),
            unverified(5, 31),
            unverified(6, 400, deleted_at=ago(3)),
            user(7, created_at=ago(400), email_verified=True),
        ],
        courses=[course(1)],
        enrollments=[enrollment(1, 4, 1, 20)],
        discussion_posts=[{"id": 1, "author_id": 5, "created_at": ago(20)}],
    )

    result = UNVERIFIED_ACCOUNTS(make_run(as_of=MIDNIGHT))

    assert result.counts == {"accounts_removed": 1, "kept_has_data": 2}
    assert sorted(learn.rows("users")) == [2, 3, 4, 5, 6, 7, 900]
    assert UNVERIFIED_ACCOUNTS(make_run(as_of=MIDNIGHT, id=2)).counts["accounts_removed"] == 0


@pytest.mark.parametrize(("ended", "cleared"), [(1.001, True), (1, False), (0.5, False)])
def test_a_link_to_a_new_password_is_cleared_a_day_after_its_end(learn: Learn, ended: float, cleared: bool) -> None:
    learn.put(users=[user(1, password_reset_token="t", password_reset_expires=ago(ended))])

    result = RESET_TOKENS(make_run(as_of=MIDNIGHT))

    assert result.counts == {"reset_tokens_cleared": int(cleared)}
    assert (learn.rows("users")[1]["password_reset_token"] is None) == cleared
