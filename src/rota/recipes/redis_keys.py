"""Keys of Redis or Valkey that would stay for ever, or outlive the person that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from rota.errors import ConfigError
from rota.recipes.approval import GROWTH, is_allowed
from rota.recipes.key_rule import KeyIndex, KeyRule
from rota.recipes.key_walk import Walk
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.rule import digest
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from redis import Redis

    from rota import JobResult, Run
    from rota.recipes.steps import Status

KEYS = Safety(most_fraction=0.5, runaway=None, pause=0)
COUNTED = ("scanned", "tokens_removed", "ttl_set", "index_members_removed", "unparsable")


@dataclass(frozen=True, eq=False)
class RedisKeys(Recipe):
    """The server ends keys by itself; this looks at those that it cannot. A key without an end gets the one that its
    value says, or goes if that is past; so do keys whose owner is ``gone``, and members of index sets whose key is
    not there any more. Other keys with an end are left alone; where it is too far away, the result has a warning.

    ``connect(db)`` returns a client of that database, without ``decode_responses``. ``gone`` is given owners, at most
    ``chunk`` at a time, and returns those that are no more.

    All keys are looked at once before any goes. The guard trips at ``most_rows`` of ``safety``, for all that would go;
    and at ``most_fraction`` of the keys of one rule, where that is more than ``floor``.
    """

    connect: Callable[[int], Redis]
    rules: Sequence[KeyRule | KeyIndex]
    _: KW_ONLY
    gone: Callable[[Collection[str]], Collection[str]] | None = None
    delete_unparsable: bool = False
    chunk: int = 500
    scan_count: int = 1_000
    safety: Safety = KEYS
    destructive = True

    def __post_init__(self) -> None:
        if not self.rules:
            raise ConfigError("there is no rule for keys", hint='Give rules=[KeyRule("session:*", lifetime="30d")].')

    @property
    def description(self) -> str:
        """``Look after the keys session:*.``"""
        return f"Look after the keys {', '.join(rule.pattern for rule in self.rules)}."

    def __call__(self, run: Run, plan: str | None = None) -> JobResult:
        """Raises ``redis.RedisError`` where the server does not answer, ``ConfigError`` for a client that decodes."""
        from rota import JobResult

        without_plan(plan)
        looked, result = (JobResult(counts=dict.fromkeys(COUNTED, 0)) for _ in range(2))
        walks = list(self._walk(run, looked))
        trips = list(self._trips(walks, looked))
        if run.dry_run:
            looked.details["trips"] = trips
            return _told(looked, "; ".join(trips), "dry_run")
        going, rule = looked.counts["tokens_removed"], digest(self.rules, self.delete_unparsable)
        if not is_allowed(run, self.safety, result, "keys", trips, rule=rule, count=going):
            return result
        most = {walk.rule: max(self.safety.floor, int(walk.removed * GROWTH)) for walk in walks}
        for walk in self._walk(run, result, most):
            if walk.stopped:
                result.add_error(walk.rule.pattern, "guard", walk.stopped)
                return _told(result, walk.stopped, "aborted_guard")
        stopped = result.details.get("stopped", "")
        return _told(result, stopped, "partial" if stopped else "success")

    def _trips(self, walks: Sequence[Walk], looked: JobResult) -> Iterator[str]:
        safety, removed = self.safety, looked.counts["tokens_removed"]
        if safety.most_rows is not None and removed > safety.most_rows:
            yield f"{removed:,} keys are more than {safety.most_rows:,}"
        for walk in walks if safety.most_fraction is not None else ():
            if walk.removed > max(safety.floor, walk.scanned * (safety.most_fraction or 0)):
                of = f"{walk.removed:,} of {walk.scanned:,} keys {walk.rule.pattern}"
                yield f"{of} would go, more than {safety.most_fraction:.0%}"

    def _walk(
        self, run: Run, result: JobResult, most: Mapping[KeyRule | KeyIndex, int] | None = None
    ) -> Iterator[Walk]:
        """Over the keys of each rule; ``most`` of which may go. Without, it only looks."""
        for db in sorted({rule.db for rule in self.rules}):
            with self.connect(db) as client:
                if client.connection_pool.connection_kwargs.get("decode_responses"):
                    raise ConfigError(
                        "this client decodes what it reads, and values need not be text",
                        hint="Let connect return one without decode_responses.",
                    )
                for rule in self.rules:
                    if rule.db == db and "stopped" not in result.details:
                        walk = Walk(self, run, result, client, rule, None if most is None else most[rule])
                        walk.perform()
                        yield walk


def _told(result: JobResult, why: str, status: Status) -> JobResult:
    told = [f"{count:,} {name.replace('_', ' ')}" for name, count in result.counts.items() if count]
    result.status, result.message = status, ", ".join(told) or "no such key"
    if why:
        result.message += f"; {why}"
    return result
