"""A file that may be read and not written looks well until the first run is asked for."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rota import Rota
from rota.explain.doctor import check_database, name_of, verdict_of
from rota.explain.status import status

NOBODY = 65_534


@pytest.fixture
def file() -> Iterator[Path]:
    """In a directory that another user can look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = Path(folder) / "rota.db"
        app = Rota(f"sqlite:///{path}")
        app.migrate()
        app.status()
        app.close()
        path.chmod(0o444)
        yield path


def as_somebody_else(look: Callable[[], list[str]]) -> list[str]:
    """What a process finds that is not the superuser, who may write everything."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(NOBODY)
            os.write(writer, "\n".join(look()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        lines = told.read().splitlines()
    os.waitpid(child, 0)
    return lines


def test_settings_are_looked_for_only_where_one_may_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.chdir(tmp_path)

    def look() -> list[str]:
        return [Rota().settings.database.url]

    assert look() == as_somebody_else(look) == ["sqlite:///.rota/rota.db"]


def test_the_doctor_and_the_status_tell_it(file: Path) -> None:
    def look() -> list[str]:
        app = Rota(f"sqlite:///{file}")
        found = check_database(app.store)
        told = [f"{verdict_of(each)} {name_of(each)}: {each.text}" for each in found]
        return told + [f"{each.kind}: {each.text}" for each in status(app.store).reasons]

    look()  # and all is imported that somebody else may not read
    told = as_somebody_else(look)

    assert f"fail writing: this user may not write {file}" in told
    assert f"read_only: this user may not write {file}" in told
