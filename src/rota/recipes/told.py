"""What a recipe was made of, for people: short, and without what is secret or only a program can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import timedelta
from os import PathLike, fspath
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from rota.recipes.age import Age

SECRET = {"keys", "password", "secret", "secrets", "token"}
MOST = 200


def told_fields(recipe: Any) -> dict[str, str]:
    """By name; what is as it is by default in a value within is left out, and so is what is nothing."""
    if not is_dataclass(recipe):
        return {name: told(value) for name, value in vars(recipe).items() if not isinstance(value, bool)}
    named = ((each.name, getattr(recipe, each.name)) for each in fields(recipe) if _is_open(each))
    return {name: told(value) for name, value in named if value is not None and value != () and value != {}}


def told(value: Any) -> str:
    text = _told(value)
    return text if len(text) <= MOST else f"{text[: MOST - 1]}…"


def _told(value: Any) -> str:
    match value:
        case str() | bool() | int() | float() | timedelta() | Age():
            return str(value)
        case Table():
            return str(value.name)
        case PathLike():
            return str(fspath(value))
        case ColumnElement() if getattr(value, "table", None) is not None:
            return str(value)
        case ClauseElement():
            return " ".join(str(value).split())
        case Mapping():
            return ", ".join(f"{name}: {_told(each)}" for name, each in value.items())
        case Sequence() | set() | frozenset() if not isinstance(value, bytes):
            return ", ".join(map(_told, value))
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}()"
    if is_dataclass(value) and type(value).__module__.startswith("rota.recipes"):
        given = {each.name: getattr(value, each.name) for each in fields(value) if _is_open(each)}
        own = (f"{each.name}={_told(given[each.name])}" for each in fields(value) if _is_own(each, given))
        return f"{type(value).__name__}({', '.join(own)})"
    return type(value).__name__


def _is_open(field: Field[Any]) -> bool:
    return field.repr and field.name not in SECRET


def _is_own(field: Field[Any], given: Mapping[str, Any]) -> bool:
    """Whether it says more than its default does."""
    if field.name not in given or given[field.name] is None:
        return False
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return isinstance(given[field.name], ClauseElement) or bool(given[field.name] != default)
