"""A walk over the keys of one rule: what is looked at, what goes, and what gets its end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from rota.recipes.approval import may_go_on
from rota.recipes.database import batches
from rota.recipes.key_rule import KeyIndex, KeyRule, as_text
from rota.recipes.safety import Safety

if TYPE_CHECKING:
    from redis import Redis

    from rota import JobResult, Run

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


class KeyRules(Protocol):
    """What a recipe says of keys: ``rules`` in their order, who is ``gone``, and how many are looked at together."""

    @property
    def rules(self) -> Sequence[KeyRule | KeyIndex]: ...
    @property
    def gone(self) -> Callable[[Collection[str]], Collection[str]] | None: ...
    @property
    def delete_unparsable(self) -> bool: ...
    @property
    def chunk(self) -> int: ...
    @property
    def scan_count(self) -> int: ...
    @property
    def safety(self) -> Safety: ...


@dataclass(frozen=True, slots=True)
class _Seen:
    """A key, what it was when it was looked at, and until when it may stay."""

    key: bytes
    dump: bytes
    until: datetime | None = None


@dataclass(slots=True)
class Walk:
    recipe: KeyRules
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
        for page in batches(found, self.recipe.chunk):
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
            for members in batches(self.client.sscan_iter(key, count=self.recipe.scan_count), self.recipe.chunk):
                self.run.check()
                if self.most is None:
                    there = self._ask("exists", [rule.prefix + as_text(each) for each in members])
                    removed = there.count(0)
                else:
                    removed = self.client.eval(REMOVE_MEMBERS, 1, key, rule.prefix, *members)
                self.result.counts["index_members_removed"] += removed
