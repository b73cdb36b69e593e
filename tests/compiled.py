"""Statements compiled once for all tests: each test has an engine of its own, which would compile them anew."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event


class Compiled(UserDict[Any, Any]):
    """Compiled statements by the name of their dialect, which each engine has an object of its own for."""

    def __getitem__(self, key: Any) -> Any:
        return self.data[_lasting(key)]

    def __setitem__(self, key: Any, statement: Any) -> None:
        self.data[_lasting(key)] = statement

    def __contains__(self, key: object) -> bool:
        return _lasting(key) in self.data


def _lasting(key: Any) -> Any:
    dialect, *statement = key
    return dialect.name, *statement


@contextmanager
def compiled_once() -> Iterator[None]:
    compiled = Compiled()

    def share(connection: Connection) -> None:
        connection.execution_options(compiled_cache=compiled)

    event.listen(Engine, "engine_connect", share)
    yield
    event.remove(Engine, "engine_connect", share)
