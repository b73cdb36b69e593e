"""Settings that are read from the environment: each a field with its variable, and every mistake told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

from rota import cron
from rota.errors import SettingsError

_YES, _NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off"}
Reader = Callable[[str], Any]


def boolean(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueError("give true, false, 1, 0, yes, no, on or off")
    return text.lower() in _YES


def number(low: float, high: float = float("inf"), kind: type[int] | type[float] = int) -> Reader:
    """A reader of numbers from ``low`` to ``high``, both allowed."""

    def read(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError("give a whole number" if kind is int else "give a number") from None
        if not low <= value <= high:
            raise ValueError(f"give {low:g} or more" if high == float("inf") else f"give {low:g} to {high:g}")
        return value

    return read


def one_of(*allowed: str) -> Reader:
    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError("give one of " + ", ".join(allowed))
        return text

    return read


def seconds_list(text: str) -> tuple[float, ...]:
    """Waits in seconds, as in ``1, 2``."""
    return tuple(number(0, kind=float)(part.strip()) for part in text.split(",") if part.strip())


def url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("give an address that begins with http:// or https://")
    return text.rstrip("/")


def is_zone(text: str) -> bool:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        return False
    return True


def zone(text: str) -> str:
    if not is_zone(text):
        raise ValueError("there is no such time zone; give one as Europe/Paris")
    return text


def directory(text: str) -> Path:
    if not Path(text).is_dir():
        raise ValueError("there is no such directory")
    return Path(text)


def file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError("there is no such file")
    return Path(text)


def schedule(text: str) -> str:
    """A cron expression, looked at now: a mistake in it is told with all the others."""
    cron(text, tz="UTC")
    return text


def setting(name: str, default: Any, read: Reader = str, *, secret: bool = False, formerly: str = "") -> Any:
    """A field that ``name`` in the environment sets; a secret may stand in the file that ``<name>_FILE`` names.
    ``formerly``: the name that it had before, which is still understood."""
    told = {"name": name, "read": read, "secret": secret, "formerly": formerly}
    return field(default=default, repr=not secret, metadata=told)


def settings(each: Mapping[str, FromEnvironment]) -> Any:
    """A field of settings by names: the variables of ``push`` begin with ``PUSH``."""
    return field(default_factory=lambda: each, metadata={"each": each})


class FromEnvironment:
    """What a dataclass of ``setting`` fields needs to be read from the environment."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Self:
        """The settings of this process. Raises ``SettingsError`` with every mistake, not the first alone."""
        problems: list[str] = []
        found = cls(**cls.collect(os.environ if env is None else env, problems))
        problems += found.contradictions()
        if problems:
            package = cls.__module__.rpartition(".")[0].replace(".", "/")
            raise SettingsError(problems, hint=f"{package}/README.md lists every setting")
        return found

    def contradictions(self) -> Iterable[str]:
        """Settings that are each right and together wrong."""
        return ()

    @classmethod
    def collect(cls, env: Mapping[str, str], problems: list[str], prefix: str = "") -> dict[str, Any]:
        """The values found, by field; each mistake becomes a line of ``problems`` that names the variable."""
        found: dict[str, Any] = {}
        for item in fields(cls):  # type: ignore[arg-type]
            if each := item.metadata.get("each"):
                found[item.name] = {
                    key: replace(base, **base.collect(env, problems, key.upper())) for key, base in each.items()
                }
                continue
            name, old = prefix + item.metadata["name"], env.get(item.metadata["formerly"])
            if old and env.get(name, old) != old:
                problems.append(f"{item.metadata['formerly']}: {name} says otherwise; give that one alone")
            elif old:
                env = {**env, name: old}
            try:
                text = _text_of(env, name, item.metadata["secret"])
                if text is not None:
                    found[item.name] = item.metadata["read"](text)
            except (ValueError, OSError) as error:
                shown = "the value given" if item.metadata["secret"] else repr(env.get(name, ""))
                problems.append(f"{name}: cannot use {shown}: {error}")
        return found


def _text_of(env: Mapping[str, str], name: str, secret: bool) -> str | None:
    """The text of a variable; empty counts as not set, as a blank line of a .env file means it."""
    path = env.get(f"{name}_FILE") if secret else None
    if path and env.get(name):
        raise ValueError(f"set {name} or {name}_FILE, not both")
    return (Path(path).read_text().strip() if path else env.get(name, "").strip()) or None
