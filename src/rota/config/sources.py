"""Reads the sources of the settings, lowest first, and collects every mistake before it complains."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from rota.config.places import ANY_NAME, SETTINGS, SHORT, Keys, fits, is_known, places_of, way_of
from rota.errors import SettingsError
from rota.model.settings import SCHEMES, DatabaseSettings, Settings, fold

PREFIX = "ROTA_"
CONFIG_FILE = "ROTA_CONFIG"
FILE_SUFFIX = "_file"
MESSAGES = {
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "int_type": "should be a whole number",
    "string_type": "should be text in quotation marks",
}


@dataclass(frozen=True, slots=True)
class Given:
    """One value as somebody gave it; ``origin`` is the file or the variable."""

    keys: Keys
    value: Any
    origin: str
    from_variable: bool = False

    @property
    def where(self) -> str:
        return self.origin if self.from_variable else f"{self.origin}:{'.'.join(self.keys)}"


Found = Iterator[Given | str]
"""What a source yields: values and, among them, the problems it met, a line each."""


def load_settings(environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Settings:
    """The settings of this start; raises ``SettingsError`` with all that is wrong, in every source."""
    environ, cwd = os.environ if environ is None else environ, cwd or Path.cwd()
    given: dict[Keys, Given] = {}
    problems: list[str] = []
    for source in (_pyproject(cwd), _rota_toml(environ, cwd)):
        _take(source, given, problems)
    _take(_variables(environ, list(given)), given, problems)
    settings = _validated(given, problems)
    if settings is None or problems:
        raise SettingsError(problems, hint="Mend these, then ask `rota config check`.")
    return settings


def _take(source: Found, given: dict[Keys, Given], problems: list[str]) -> None:
    for found in source:
        if isinstance(found, str):
            problems.append(found)
        elif is_known(found.keys):
            given[found.keys] = found
        elif not _is_empty_section(found):
            problems.append(_unknown(found))


def _pyproject(cwd: Path) -> Found:
    """Only where the application is: what it runs with belongs to the place, not to the package."""
    path = _upward("pyproject.toml", cwd)
    for found in _toml(path, _shown(path, cwd), ("tool", "rota")) if path else ():
        if isinstance(found, Given) and found.keys != ("app",):
            yield f"{found.where}: [tool.rota] takes only `app`; move this to rota.toml"
        else:
            yield found


def _rota_toml(environ: Mapping[str, str], cwd: Path) -> Found:
    named = environ.get(CONFIG_FILE, "")
    path = cwd / named if named else _upward("rota.toml", cwd)
    if named and path and not path.is_file():
        yield f"{CONFIG_FILE}: there is no file {named}"
    elif path:
        yield from _toml(path, _shown(path, cwd))


def _variables(environ: Mapping[str, str], known: list[Keys]) -> Found:
    seen: dict[Keys, str] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == CONFIG_FILE:
            continue
        for found in _variable(name, environ[name], known):
            if isinstance(found, Given) and seen.setdefault(found.keys, name) != name:
                yield f"{name}: {seen[found.keys]} sets the same; keep one"
            else:
                yield found


def _variable(name: str, text: str, known: list[Keys]) -> Found:
    keys = _keys(name.removeprefix(PREFIX).lower())
    in_file = not is_known(keys) and keys[-1].endswith(FILE_SUFFIX)
    if in_file:
        keys = _long((*keys[:-1], keys[-1].removesuffix(FILE_SUFFIX)))
    if not is_known(keys):
        yield Given(_keys(name.removeprefix(PREFIX).lower()), text, name, from_variable=True)
        return
    if not text:
        return
    try:
        value = Path(text).read_text().strip() if in_file else text
    except (OSError, UnicodeDecodeError) as error:
        yield f"{name}: {text} cannot be read: {getattr(error, 'strerror', None) or error}"
        return
    yield from _aimed(Given(keys, value, name, from_variable=True), known)


def _aimed(given: Given, known: list[Keys]) -> Found:
    """Give the name of a queue or schedule the spelling that the file has."""
    if len(given.keys) != 3:
        yield given
        return
    section, loose, key = given.keys
    names = sorted({keys[1] for keys in known if keys[0] == section and fold(keys[1]) == fold(loose)})
    if len(names) > 1:
        yield f"{given.origin}: may mean {' or '.join(names)}; rename one"
    else:
        yield replace(given, keys=(section, names[0] if names else fold(loose), key))


def _keys(path: str) -> Keys:
    """The parts between ``__``; a name in the middle may hold ``__`` itself."""
    first, *middle = path.split("__")
    return _long((first, *(("__".join(middle[:-1]), middle[-1]) if len(middle) > 1 else middle)))


def _long(keys: Keys) -> Keys:
    return SHORT.get(keys, keys)


def _toml(path: Path, origin: str, table: Keys = ()) -> Found:
    try:
        content: Any = tomllib.loads(path.read_text())
        for key in table:
            content = content.get(key) or {}
        leaves = list(_leaves(content))
    except (OSError, ValueError) as error:  # bad TOML and bad UTF-8 are both ValueErrors
        yield f"{origin}: {error}"
        return
    except RecursionError:
        yield f"{origin}: it is nested too deep to be read"
        return
    for keys, value in leaves:
        yield Given(keys if value == {} else _long(keys), value, origin)


def _leaves(tree: Mapping[str, Any], above: Keys = ()) -> Iterator[tuple[Keys, Any]]:
    """Each value of nested tables with the keys that lead to it; an empty table is a value."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _upward(name: str, cwd: Path) -> Path | None:
    """Where one may not look, there is none. (`Path.is_file` raises there.)"""
    return next((folder / name for folder in (cwd, *cwd.parents) if os.path.isfile(folder / name)), None)  # noqa: PTH113


def _shown(path: Path, cwd: Path) -> str:
    """As short as it is clear: relative for a file that was found upward."""
    return os.path.relpath(path, cwd) if cwd.is_relative_to(path.parent) else str(path)


def _is_empty_section(found: Given) -> bool:
    return found.value == {} and any(fits(setting[: len(found.keys)], found.keys) for setting in SETTINGS)


def _unknown(found: Given) -> str:
    if near := _nearest(found.keys):
        name = PREFIX + "__".join(near).upper() if found.from_variable else ".".join(near)
        return f"{found.where}: there is no such setting; did you mean {name}?"
    return f"{found.where}: there is no such setting"


def _nearest(keys: Keys) -> Keys | None:
    """The setting that is spelled most like this, with the user's own names left as they are."""
    chosen = keys[1] if len(keys) == 3 else "name"
    known = {".".join(setting).replace(ANY_NAME, chosen): setting for setting in (*SETTINGS, *SHORT)}
    match = get_close_matches(".".join(keys), known, n=1, cutoff=0.7)
    return tuple(chosen if part == ANY_NAME else part for part in known[match[0]]) if match else None


def _validated(given: Mapping[Keys, Given], problems: list[str]) -> Settings | None:
    settings = _plain(given) or _read(given, problems)
    if settings is None:
        return None
    problems += _contradictions(settings, given)
    origins = {".".join(keys): found.origin for keys, found in given.items()}
    return replace(settings, origins=origins, loose=_loose(given))


def _plain(given: Mapping[Keys, Given]) -> Settings | None:
    """Where nothing is given but names and the URL, as for most processes: there is nothing to read in them."""
    text = {keys: found.value for keys, found in given.items() if _is_plain(found.value)}
    url = text.get(_URL, DatabaseSettings().url)
    if text.keys() != given.keys() or not text.keys() <= _TEXT or url.partition(":")[0] not in SCHEMES:
        return None
    database = DatabaseSettings(url=url, schema=text.get(("database", "schema")))
    return Settings(app=text.get(("app",)), environment=text.get(("environment",)), database=database)


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and value.isascii()  # half of a surrogate pair is text to Python alone


_URL = ("database", "url")
_TEXT = {_URL, ("database", "schema"), ("app",), ("environment",)}


def _read(given: Mapping[Keys, Given], problems: list[str]) -> Settings | None:
    from pydantic import TypeAdapter, ValidationError  # slow to import

    try:
        return TypeAdapter(Settings).validate_python(_nested(given))
    except ValidationError as error:
        problems += [_explained(dict(mistake), given) for mistake in error.errors(include_url=False)]
        return None


def _contradictions(settings: Settings, given: Mapping[Keys, Given]) -> Iterator[str]:
    if settings.node.heartbeat * 2 > settings.node.lease:
        where = " and ".join(found.where for keys, found in given.items() if keys[0] == "lease")
        yield f"{where}: heartbeat must be at most half of duration, or one late beat loses the runs"


def _nested(given: Mapping[Keys, Given]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for keys, found in given.items():
        table = tree
        *above, name = way_of(keys)
        for key in above:
            table = table.setdefault(key, {})
        table[name] = found.value
    return tree


def _explained(mistake: dict[str, Any], given: Mapping[Keys, Given]) -> str:
    way = tuple(str(part) for part in mistake["loc"])
    sources = [given[keys].where for keys in places_of(way) if keys in given]
    message = MESSAGES.get(mistake["type"], mistake["msg"])
    message = message.removeprefix("Value error, ").replace("Input should", "should")
    value = mistake["input"]
    shown = mistake["type"] != "value_error" and isinstance(value, str | int | float)
    return f"{' and '.join(sources)}: {message}{f', not {value!r}' if shown else ''}"


def _loose(given: Mapping[Keys, Given]) -> frozenset[tuple[str, str]]:
    """The queues and schedules that only variables name: their spelling is a guess."""
    named = [found for keys, found in given.items() if len(keys) == 3]
    exact = {found.keys[:2] for found in named if not found.from_variable}
    return frozenset((found.keys[0], found.keys[1]) for found in named if found.keys[:2] not in exact)
