"""What a rule says, as a hash: the same each night, and another as soon as anything else would be done."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from functools import partial
from types import CodeType, FunctionType
from typing import Any

from sqlalchemy import Table
from sqlalchemy.sql.elements import ClauseElement

MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
"""A rule that is a function of the run's moment is asked at this one, so that it says the same each night."""


def digest(*says: Any) -> str:
    return hashlib.sha256("\n".join(told(each) for each in says).encode()).hexdigest()[:12]


def told(value: Any) -> str:
    """As text that is the same in each process: SQL with its values, functions by their code, never an address."""
    if isinstance(value, Table):
        return value.fullname
    if isinstance(value, ClauseElement):
        compiled = value.compile()
        return f"{compiled} with {told(dict(compiled.params))}"
    if isinstance(value, (dict, Mapping)) and type(value).__module__ in {"builtins", "types"}:
        return f"{{{', '.join(sorted(f'{told(key)}: {told(each)}' for key, each in value.items()))}}}"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(told, value)))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(told, value))}]"
    if isinstance(value, partial):
        return f"partial({told(value.func)}, {told(value.args)}, {told(value.keywords)})"
    if isinstance(value, FunctionType):
        cells = [each.cell_contents for each in value.__closure__ or () if each.cell_contents is not value]
        return f"{value.__qualname__}({_code(value.__code__)}, {told(cells)}, {told(value.__defaults__)})"
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({', '.join(told(getattr(value, each.name)) for each in fields(value))})"
    return _plain(value)


def without_moments(element: ClauseElement) -> str:
    """For a rule that was asked at the run's own moment, which cannot be told from others."""
    compiled = element.compile()
    values = {name: each for name, each in compiled.params.items() if not isinstance(each, date)}
    return f"{compiled} with {told(values)}"


def _code(code: CodeType) -> str:
    constants = [_code(each) if isinstance(each, CodeType) else told(each) for each in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _plain(value: Any) -> str:
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    text = repr(value)
    return type(value).__qualname__ if " at 0x" in text else text
