"""Forget people who asked for it: each in one transaction, with the account of what went, what stays, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rota.recipes.erasure_plan import Mode
from rota.recipes.erasure_requests import Requests
from rota.recipes.forgetting import Forgetting
from rota.recipes.recipe import without_plan

if TYPE_CHECKING:
    from rota import JobResult, Run


@dataclass(frozen=True, eq=False)
class Erasure(Requests):
    """``requests`` has the columns ``status`` (``PENDING``, ``PROCESSING``, ``COMPLETED``, or another that it leaves
    alone, as ``CANCELLED``), ``requested_at``, ``claimed_at``, ``attempts``, ``error`` and ``completed_at``;
    ``subject`` is the one that names the person. ``marker`` is a column of the table of people which is not empty once
    somebody is anonymised. ``plan`` is done in its order. ``key`` makes the hash of a person, of the columns
    ``identity``, which should never change.

    ``hold`` may name a ground on which a person must not be forgotten now; the request stays, and its turn comes when
    there is none. ``before`` is called before the first step, such as to keep the address of a last mail elsewhere.
    Somebody who was anonymised and then wants to be deleted is: ``hold`` and ``before`` find the ``marker`` in the row.
    """

    destructive = True

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        without_plan(plan)
        return Forgetting(self, run).requests()


def erase_subject(run: Run, erasure: Erasure, subject_id: Any, mode: Mode = "anonymise") -> JobResult:
    """Forget one person now, without a request and without waiting for the grace; a hold counts."""
    return Forgetting(erasure, run).one(subject_id, mode)


def replay_erasures(run: Run, erasure: Erasure) -> JobResult:
    """After a backup was put back: forget again whom the ledger names. One whose hash is another by now is somebody
    else with the same key, and counts as ``not_the_same``."""
    return Forgetting(erasure, run).replay()
