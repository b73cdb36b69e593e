"""What a caller wants of one run, or of many alike, beside the job's arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rota.clock import to_us
from rota.errors import ConfigError, PayloadError
from rota.model.payload import key
from rota.model.policy import OF_A_CALL, TEXT, read_policies


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Checked where they are given; ``None`` leaves it to the job. Lengths are seconds."""

    at: datetime | None = None
    delay: float | None = None
    key: str | Callable[..., str] | None = None
    debounce: float | None = None
    queue: str | None = None
    priority: int | None = None
    start_within: float | None = None
    due: datetime | None = None
    as_of: datetime | None = None
    dry_run: bool = False
    by: str | None = None
    connection: Any = None
    wait: float | bool = False
    force_disabled: bool = False

    def changed(self, given: Mapping[str, Any]) -> Options:
        """These with others over them; raises ``ConfigError``, ``PayloadError`` for what cannot be meant."""
        read = read_policies("options", OF_A_CALL, given)
        kept = {name: getattr(self, name) for name in self.__slots__}
        options = Options(**kept | read)
        options._check_together()
        return options

    def due_us(self, now: int) -> int:
        """The moment to start from, in microseconds."""
        if self.at is not None:
            return to_us(self.at)
        length = self.delay if self.debounce is None else self.debounce
        return now if length is None else now + int(length * 1_000_000)

    def key_of(self, job: str, arguments: Mapping[str, Any]) -> str | None:
        """The key of a run with these arguments; raises ``ConfigError`` where its function makes none."""
        if self.key is None or isinstance(self.key, str):
            return self.key
        try:
            return key(TEXT.read(self.key(**arguments)), "key")
        except PayloadError:
            raise
        except Exception as error:
            told = f"job {job!r}: its key cannot be made from {', '.join(arguments) or 'no arguments'}"
            raise ConfigError(f"{told}: {type(error).__name__}: {error}", hint=_KEY_HINT) from error

    def _has(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None and value is not False

    def _check_together(self) -> None:
        for one, other, hint in _APART:
            if self._has(one) and self._has(other):
                raise ConfigError(f"options: {one}= and {other}= were both given", hint=hint)
        if isinstance(self.key, str):
            key(self.key, "key")
        elif self.key is None and self.debounce is not None:
            raise ConfigError("options: debounce= needs a key=", hint="The key says which calls are the same.")


_ONE_CALL = "Leave debounce out: which of its calls would the run stand for?"
_APART = (
    ("at", "delay", "Give one of them."),
    ("at", "debounce", "Give one of them: debounce says when it starts."),
    ("delay", "debounce", "Give one of them: debounce says when it starts."),
    ("due", "debounce", _ONE_CALL),
    ("as_of", "debounce", _ONE_CALL),
    ("connection", "wait", "Commit first, then wait: handle.wait()."),
    ("connection", "force_disabled", "Its record is no part of your transaction: leave connection= out."),
)
_KEY_HINT = 'As in options(key=lambda to: f"welcome:{to}"): a function of the arguments as given, which returns text.'
PLAIN = Options()
