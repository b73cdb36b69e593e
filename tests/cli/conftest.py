from __future__ import annotations

import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rota import Rota
from rota.cli.main import main
from tests.ledgers import ledger_url, migrated_file, postgres_ledger, shared_postgres, sqlite_ledger

__all__ = ["ledger_url", "migrated_file", "postgres_ledger", "shared_postgres", "sqlite_ledger"]

SOURCE = '''
from rota import Retry, Rota, Run, cron, every

rota = Rota({url!r})


@rota.job("shop/sync", schedule=cron("0 2 * * *", tz="Europe/Paris"), queue="sync")
def sync(run: Run, days: int = 1, name: str = "") -> dict:
    """Fetch what is new."""
    run.log.info("fetching", days=days)
    run.progress(1, 1)
    return {{"days": days, "name": name, "dry": run.dry_run}}


@rota.job("shop/breaks", retry=1)
def breaks() -> None:
    raise ValueError("no paper")


@rota.job("shop/elsewhere", environments=["production"], schedule=every("1h"))
def elsewhere() -> None: ...
'''


@dataclass
class Shop:
    """A small application in a directory of its own, and its command line."""

    place: Path
    module: str
    url: str

    @property
    def app(self) -> Rota:
        from rota.cli.application import load_attribute

        app = load_attribute(f"{self.module}:rota")
        assert isinstance(app, Rota)
        return app

    def rota(self, *arguments: str, typed: str | None = None, app: bool = True, **environ: str | None) -> Result:
        """One command; what it says is in ``stdout`` and ``stderr``."""
        named = {"ROTA_APP": f"{self.module}:rota"} if app else {}
        return CliRunner(env={**named, **environ}).invoke(main, arguments, input=typed)

    def json(self, *arguments: str) -> Any:
        result = self.rota(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def work(self) -> None:
        """Do what is waiting, in this process."""
        with self.app.running():
            for record in self.app.runs.page(limit=100):
                if record.state in {"available", "running"}:
                    self.rota("run", "wait", str(record.id), "--timeout", "60s")


def open_shop(place: Path, url: str, source: str = SOURCE) -> Shop:
    module = f"shop_{uuid.uuid4().hex[:8]}"
    (place / f"{module}.py").write_text(source.format(url=url))
    return Shop(place, module, url)


@contextmanager
def working_in(place: Path) -> Iterator[Path]:
    """With this working directory, and no settings around."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ROTA_")]:
            patch.delenv(name)
        patch.chdir(place)
        patch.setattr(sys, "path", [str(place), *sys.path])
        yield place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with working_in(tmp_path):
        yield tmp_path


@pytest.fixture
def machine_in() -> Iterator[Callable[[str], None]]:
    """Sets the zone of this machine's clock."""
    with pytest.MonkeyPatch.context() as patch:

        def machine_in(zone: str) -> None:
            patch.setenv("TZ", zone)
            time.tzset()

        yield machine_in
    time.tzset()


@pytest.fixture
def empty_shop(place: Path) -> Shop:
    """An application whose database does not exist yet."""
    return open_shop(place, f"sqlite:///{place}/rota.db")


@pytest.fixture
def shop(migrated_file: Path, empty_shop: Shop) -> Iterator[Shop]:
    """An application that was started once."""
    copyfile(migrated_file, empty_shop.place / "rota.db")
    empty_shop.app.prepare()
    yield empty_shop
    empty_shop.app.close()


@pytest.fixture
def shop_anywhere(place: Path, ledger_url: str) -> Iterator[Shop]:
    """An application that was started once, on each kind of database."""
    shop = open_shop(place, ledger_url)
    shop.app.prepare()
    yield shop
    shop.app.close()
