"""What JSON would change unseen is refused wherever a value goes into the ledger."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rota import Rota, Run, every
from rota.errors import PayloadError
from rota.testing import make_run, run_due

ODD: list[dict[Any, Any]] = [{1: "a"}, {None: 1}, {True: 1}, {1.5: 1}, {1: "a", "1": "b"}]


@pytest.mark.parametrize("value", ODD, ids=str)
def test_arguments_with_keys_that_are_no_text_are_refused_by_every_way_in(rota: Rota, value: dict[Any, Any]) -> None:
    rota.prepare()
    job = rota.job("take")(lambda x=None, batch=None: None)
    ways: dict[str, Callable[[], object]] = {
        "enqueue": lambda: job.enqueue(x=value),
        "enqueue_many": lambda: job.enqueue_many([{"x": 1}, {"x": value}]),
        "trigger": lambda: rota.trigger("take", x=[value]),
        "schedules.add": lambda: rota.schedules.add("a", "take", every("1h"), arguments={"x": value}),
        "schedules.add_many": lambda: rota.schedules.add_many({"a": {"x": value}}, "take", every("1h")),
        "@rota.job": lambda: rota.job("other", schedule=every("1h"), arguments={"x": value})(lambda x: None),
    }

    for name, way in ways.items():
        with pytest.raises(PayloadError, match=r"x.*\(the key\): a key of a dict is text"):
            way()
        assert "other" not in rota.jobs, name
    assert rota.runs.page() == []
    assert rota.schedules.page() == []


def test_a_body_cannot_keep_them_either_and_its_result_is_told_as_not_kept(rota: Rota) -> None:
    refused: list[str] = []

    @rota.job("keep", retry=1)
    def keep(run: Run) -> dict[int, int]:
        ways: list[Callable[[], object]] = [
            lambda: run.save_checkpoint({1: 2}),
            lambda: run.emit("city.seen", cities={1: 2}),
            lambda: run.fan_out("other", [{"x": {1: 2}}]),
            lambda: run.fan_out("other", [], then="follow", then_arguments={"x": {1: 2}}),
        ]
        for way in ways:
            with pytest.raises(PayloadError) as caught:
                way()
            refused.append(caught.value.path)
        return {1: 2}

    rota.job("follow")(lambda batch, x: None)
    rota.job("other")(lambda x: None)
    handle = keep.enqueue()

    run_due(rota)

    assert (handle.state, list(handle.result)) == ("succeeded", ["not_kept"])
    assert "result.1 (the key)" in handle.result["not_kept"]
    assert [path.endswith("1 (the key)") for path in refused] == [True] * 4


def test_a_run_of_a_test_refuses_what_the_ledger_would() -> None:
    run = make_run()

    with pytest.raises(PayloadError):
        run.emit("seen", at={1: 2})
    with pytest.raises(PayloadError):
        run.fan_out("child", [{"x": {1: 2}}])
