"""Keys of Redis or Valkey that would stay for ever, or outlive the person that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from rota.errors import ConfigError
from rota.recipes.gate import GROWTH, is_allowed, may_go_on
from rota.recipes.key_rule import KeyIndex, KeyRule, as_text
from rota.recipes.recipe import Recipe, without_plan
from rota.recipes.rule import digest
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from redis import Redis

    from rota import JobResult, Run
    from rota.recipes.steps import Status

T = TypeVar("T")
KEYS = Safety(most_fraction=0.5, runaway=None, pause=0)
COUNTED = ("scanned", "tokens_removed", "ttl_set", "index_members_removed", "unparsable")
FOR_EVER, GONE = -1, -2
"""What the server says of a key without an end, and of one that is not there any more."""
DAY = timedelta(days=1)
ACT = """
if redis.call('DUMP', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('UNLINK', KEYS[1]) end
return redis.call('EXPIREAT', KEYS[1], ARGV[2])
"""
"""Only while the key's value is the one that was looked at: it may have been given anew meanwhile."""
REMOVE_MEMBERS = """
local removed = 0
for at = 2, #ARGV do
    if redis.call('EXISTS', ARGV[1] .. ARGV[at]) == 0 then removed = removed + redis.call('SREM', KEYS[1], ARGV[at]) end
end
return removed
"""


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

    def _trips(self, walks: Sequence[_Walk], looked: JobResult) -> Iterator[str]:
        safety, removed = self.safety, looked.counts["tokens_removed"]
        if safety.most_rows is not None and removed > safety.most_rows:
            yield f"{removed:,} keys are more than {safety.most_rows:,}"
        for walk in walks if safety.most_fraction is not None else ():
            if walk.removed > max(safety.floor, walk.scanned * (safety.most_fraction or 0)):
                of = f"{walk.removed:,} of {walk.scanned:,} keys {walk.rule.pattern}"
                yield f"{of} would go, more than {safety.most_fraction:.0%}"

    def _walk(
        self, run: Run, result: JobResult, most: Mapping[KeyRule | KeyIndex, int] | None = None
    ) -> Iterator[_Walk]:
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
                        walk = _Walk(self, run, result, client, rule, None if most is None else most[rule])
                        walk.perform()
                        yield walk


def _told(result: JobResult, why: str, status: Status) -> JobResult:
    told = [f"{count:,} {name.replace('_', ' ')}" for name, count in result.counts.items() if count]
    result.status, result.message = status, ", ".join(told) or "no such key"
    if why:
        result.message += f"; {why}"
    return result


@dataclass(frozen=True, slots=True)
class _Seen:
    """A key, what it was when it was looked at, and until when it may stay."""

    key: bytes
    dump: bytes
    until: datetime | None = None


@dataclass(slots=True)
class _Walk:
    recipe: RedisKeys
    run: Run
    result: JobResult
    client: Redis
    rule: KeyRule | KeyIndex
    most: int | None
    """So many keys may go; none, where it only looks."""
    scanned: int = 0
    removed: int = 0
    stopped: str = ""
    too_long: int = 0
    before: list[KeyRule | KeyIndex] = field(init=False)

    def __post_init__(self) -> None:
        earlier = self.recipe.rules[: self.recipe.rules.index(self.rule)]
        self.before = [each for each in earlier if each.db == self.rule.db]

    def perform(self) -> None:
        found = self.client.scan_iter(match=self.rule.pattern, count=self.recipe.scan_count)
        for page in chunks(found, self.recipe.chunk):
            if not may_go_on(self.run, self.recipe.safety) and self.most is not None:
                self.result.details["stopped"] = f"its window {self.recipe.safety.window} UTC is over"
            if self.stopped or "stopped" in self.result.details:
                break
            keys = [key for key in page if not any(each.has(as_text(key)) for each in self.before)]
            self.scanned += len(keys)
            if isinstance(self.rule, KeyIndex):
                self._tidy(self.rule, keys)
            else:
                self._look(self.rule, keys)
            self.run.sleep(0 if self.most is None else self.recipe.safety.pause_seconds)
        self.result.counts["scanned"] += self.scanned
        if not self.scanned:
            self._warn("pattern_matched_nothing")
        if self.too_long:
            self._warn(f"{self.too_long:,} keys end later than their lifetime allows")

    def _warn(self, text: str) -> None:
        self.result.warnings.append(f"{self.rule.pattern} in database {self.rule.db}: {text}")

    # --- keys

    def _look(self, rule: KeyRule, keys: Sequence[Any]) -> None:
        ends = dict(zip(keys, self._ask("ttl", keys), strict=True))
        most = (rule.length + DAY).total_seconds()
        self.too_long += sum(seconds > most for seconds in ends.values())
        asks_for_owner = rule.owner is not None and self.recipe.gone is not None
        wanted = [key for key, end in ends.items() if end == FOR_EVER or (asks_for_owner and end != GONE)]
        kinds = zip(wanted, self._ask("type", wanted), strict=True)
        values = list(self._values([(key, as_text(kind)) for key, kind in kinds if as_text(kind) != "none"]))
        left = self._remove_owned(rule, values) if asks_for_owner else values
        self._end(rule, [each for each in left if ends[each[0].key] == FOR_EVER])

    def _remove_owned(self, rule: KeyRule, values: Sequence[tuple[_Seen, Any]]) -> list[tuple[_Seen, Any]]:
        assert rule.owner is not None and self.recipe.gone is not None  # noqa: S101, PT018 - asked before
        owners = [rule.owner(as_text(seen.key), rule.read(value) or {}) for seen, value in values]
        owned = [None if owner is None else str(owner) for owner in owners]
        gone = set(self.recipe.gone({owner for owner in owned if owner is not None}))
        pairs = list(zip(values, owned, strict=True))
        self._act("tokens_removed", [seen for (seen, _), owner in pairs if owner in gone])
        return [value for value, owner in pairs if owner not in gone]

    def _end(self, rule: KeyRule, values: Sequence[tuple[_Seen, Any]]) -> None:
        now, past, ahead = self.run.as_of, [], []
        for seen, value in values:
            until = rule.ends_at(rule.read(value))
            if until is None:
                self.result.counts["unparsable"] += 1
                past += [seen] if self.recipe.delete_unparsable else []
            elif until <= now:
                past.append(seen)
            else:
                ahead.append(_Seen(seen.key, seen.dump, until))
        self._act("tokens_removed", past)
        self._act("ttl_set", ahead)

    def _act(self, count: str, seen: Sequence[_Seen]) -> None:
        """Remove those, or give them their end; a key that has changed since is left to the next run."""
        done = len(seen)
        goes = count == "tokens_removed"
        if self.most is not None and goes and self.removed + done > self.most:
            self.stopped = f"more keys {self.rule.pattern} would go than the {self.most:,} that may"
            return
        if seen and self.most is not None:
            pipe = self.client.pipeline(transaction=False)
            for each in seen:
                until = "" if each.until is None else str(int(each.until.timestamp()))
                pipe.eval(ACT, 1, each.key, each.dump, until)
            done = sum(pipe.execute())
        self.result.counts[count] += done
        self.removed += done if goes else 0

    def _values(self, keys: Sequence[tuple[Any, str]]) -> Iterator[tuple[_Seen, Any]]:
        """Each key's value as it was, together with what proves that it is so still."""
        pipe = self.client.pipeline(transaction=True)
        for key, kind in keys:
            pipe.dump(key)
            if kind == "hash":
                pipe.hgetall(key)
            else:
                pipe.get(key) if kind == "string" else pipe.exists(key)
        answers = pipe.execute()
        for at, (key, _) in enumerate(keys):
            if answers[2 * at] is not None:
                yield _Seen(key, answers[2 * at]), answers[2 * at + 1]

    def _ask(self, command: str, keys: Iterable[Any]) -> list[Any]:
        pipe = self.client.pipeline(transaction=False)
        for key in keys:
            getattr(pipe, command)(key)
        return pipe.execute()

    # --- index sets

    def _tidy(self, rule: KeyIndex, keys: Sequence[Any]) -> None:
        """A set without members is none: the server forgets it with its last one."""
        for key in keys:
            for members in chunks(self.client.sscan_iter(key, count=self.recipe.scan_count), self.recipe.chunk):
                self.run.check()
                if self.most is None:
                    there = self._ask("exists", [rule.prefix + as_text(each) for each in members])
                    removed = there.count(0)
                else:
                    removed = self.client.eval(REMOVE_MEMBERS, 1, key, rule.prefix, *members)
                self.result.counts["index_members_removed"] += removed


def chunks(each: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(each)
    while page := list(islice(rest, size)):
        yield page
