"""The account of a run that sent messages of several kinds, in the words of CodeNotify."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rota import JobResult

_STALE, _UNWANTED = ("stale", "gone"), ("opted_out", "no_address", "suppressed")
_TOLD = {"sent": "sent", "failed": "failed", "tries_again": "failed", "unknown": "unknown"}


def account(results: Sequence[JobResult], counted: Iterable[str], **facts: Any) -> JobResult:
    """``failed`` are those that were not taken, whether or not another try follows. What waits from before makes no run
    a failed one."""
    counts, by_channel = _counts(results)
    stopped = {name: why for each in results for name, why in each.details.get("channels", {}).items()}
    result = JobResult(status=_status(counts, bool(stopped)), counts={name: counts[name] for name in counted}, **facts)
    result.details["by_channel"] = {name: dict(each) for name, each in by_channel.items()}
    if stopped:
        result.details |= {"stopped": "dependency_down", "channels": sorted(stopped)}
    for each in results:
        for error in each.errors:
            result.add_error(error["item"], error["kind"], error["message"])
    return result


def _counts(results: Sequence[JobResult]) -> tuple[Counter[str], dict[str, Counter[str]]]:
    counts: Counter[str] = Counter()
    by_channel: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        found, cancelled = result.counts, result.details["cancelled"]
        counts.update({name: found[name] for name in ("sent", "failed", "unknown", "taken_over")})
        counts["claimed"] += found["planned"]
        counts["cancelled_stale"] += found["expired"] + sum(cancelled.get(name, 0) for name in _STALE)
        counts["cancelled_opted_out"] += sum(cancelled.get(name, 0) for name in _UNWANTED)
        for channel, told in result.details["by_channel"].items():
            counts["tries_again"] += told.get("tries_again", 0)
            for name, number in told.items():
                if name in _TOLD:
                    by_channel[channel][_TOLD[name]] += number
    counts["failed"] += counts["tries_again"]
    return counts, {name: each for name, each in by_channel.items() if each}


def _status(counts: Counter[str], stopped: bool) -> Literal["success", "partial", "failed"]:
    if not counts["failed"] + counts["unknown"] and not stopped:
        return "success"
    return "partial" if counts["sent"] or stopped else "failed"
