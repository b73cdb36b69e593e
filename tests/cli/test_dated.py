"""`rota job run --due … --as-of …`."""

from __future__ import annotations

import json

from tests.cli.conftest import Shop


def test_a_run_by_hand_may_stand_for_another_moment(shop: Shop) -> None:
    done = shop.rota("job", "run", "shop/sync", "--due", "2026-03-05T02:30Z", "--as-of", "2026-03-07T09:00Z", "--json")
    document = json.loads(done.stdout)

    assert (document["fire_due_at"], document["as_of"]) == ("2026-03-05T02:30:00Z", "2026-03-07T09:00:00Z")
    assert "has rules that go by" in shop.rota("run", "why", str(document["id"]), "--utc").stdout
