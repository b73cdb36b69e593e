"""Made-up groups, as far as what becomes of them depends on it; and one for every reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Group:
    """``paid``: whether all of its active members have paid its newest round; ``rounds``: how many there are."""

    status: str
    rounds: int
    round: int = 0
    paid: bool = True
    paid_out: bool = False
    contract: str | None = ""
    missing: int = 0
    """So many members fewer than it needs to begin."""
    suspended: bool = False
    total: int | None = None
    is_deleted: bool = False
    asset: str = "XLM"
    begins: bool = False
    ends: bool = False


def planted() -> list[Group]:
    """Every reason to begin or to end, and every one not to."""
    return [
        Group("PENDING", 5, contract="C", begins=True),
        Group("PENDING", 5, contract=None),
        Group("PENDING", 5, contract=" "),
        Group("PENDING", 5, contract="C", missing=1),
        Group("PENDING", 5, contract="C", suspended=True, missing=1),
        Group("PENDING", 5, contract="C", total=0),
        Group("PENDING", 5, contract="C", is_deleted=True),
        Group("ACTIVE", 4, round=4, paid_out=True, ends=True),
        Group("ACTIVE", 4, round=4, paid_out=True, paid=False),
        Group("ACTIVE", 4, round=4, paid_out=False),
        Group("ACTIVE", 4, round=4, paid_out=True, suspended=True, ends=True),
        Group("ACTIVE", 4, round=5, ends=True),
        Group("ACTIVE", 4, round=3, paid_out=True),
        Group("ACTIVE", 4, round=4, paid_out=True, total=-1),
        Group("ACTIVE", 4, round=2, asset="both"),
        Group("COMPLETED", 4, round=4, paid_out=True),
    ]
