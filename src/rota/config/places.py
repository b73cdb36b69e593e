"""Where each setting stands in the files, and where in the tree of ``Settings``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from rota.model.settings import Settings

Keys = tuple[str, ...]
ANY_NAME = "*"
SHORT: Mapping[Keys, Keys] = {("database",): ("database", "url")}
"""Names of a section that stand for a setting in it."""


def _shape(kind: Any, above: Keys = (), inside: Keys = ()) -> Iterator[tuple[Keys, Keys]]:
    """Place and way in the tree of every setting, with ``*`` for a name that the user chooses."""
    for name, hint in get_type_hints(kind, include_extras=True).items():
        place, here = (*above, name), (*inside, name)
        if get_origin(hint) is Annotated:
            named = [each for each in hint.__metadata__ if isinstance(each, str)]
            if named == [""]:
                continue
            place, hint = tuple(named[0].split(".")) if named else place, hint.__origin__
        if _is_table(hint):
            hint, place, here = get_args(hint)[1], (*place, ANY_NAME), (*here, ANY_NAME)
        if is_dataclass(hint):
            yield from _shape(hint, place, here)
        else:
            yield place, here


def _is_table(hint: Any) -> bool:
    """Of a name that the user chooses to what is said of it."""
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


WAYS: Mapping[Keys, Keys] = dict(_shape(Settings))
SETTINGS = tuple(WAYS)


def is_known(keys: Keys) -> bool:
    return any(fits(setting, keys) for setting in SETTINGS)


def fits(setting: Keys, keys: Keys) -> bool:
    return len(setting) == len(keys) and all(part in (ANY_NAME, key) for part, key in zip(setting, keys, strict=True))


def way_of(keys: Keys) -> Keys:
    """Where a setting stands in the tree."""
    return next(_chosen(way, keys) for setting, way in WAYS.items() if fits(setting, keys))


def places_of(way: Keys) -> list[Keys]:
    """The settings at a place in the tree, below it, and above it."""
    return [_chosen(place, way) for place, each in WAYS.items() if fits(each[: len(way)], way[: len(each)])]


def values(settings: Settings) -> dict[str, Any]:
    """Every value under its dotted place, as in ``worker.threads``."""
    found: dict[str, Any] = {}
    for place, way in WAYS.items():
        for name in getattr(settings, way[0]) if ANY_NAME in way else ("",):
            found[".".join(_chosen(place, (way[0], name)))] = _value(settings, _chosen(way, (way[0], name)))
    return found


def _chosen(pattern: Keys, keys: Keys) -> Keys:
    """With the name that the user chose: it is the second part everywhere."""
    return tuple(keys[1] if part == ANY_NAME else part for part in pattern)


def _value(tree: Any, way: Keys) -> Any:
    for key in way:
        tree = tree[key] if isinstance(tree, Mapping) else getattr(tree, key)
    return tree
