"""What ``import rota`` gives, and what it does not import to give it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rota
import rota.messages
import rota.recipes
from rota import errors

PACKAGES = [rota, rota.recipes, rota.messages]
SOURCE = Path(rota.__file__).parent


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_every_public_name_is_there_and_the_list_is_sorted(package: Any) -> None:
    assert package.__all__ == sorted(package.__all__)
    assert len(package.__all__) == len(set(package.__all__))
    for name in package.__all__:
        assert getattr(package, name) is not None
    namespace: dict[str, object] = {}
    exec(f"from {package.__name__} import *", namespace)
    assert set(package.__all__) <= set(namespace)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_types_a_checker_sees_are_the_names_that_are_exported(package: Any) -> None:
    tree = ast.parse(Path(package.__file__).read_text())
    [guarded] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    assert seen == set(package.__all__) == set(package._HOMES)


def test_a_name_that_is_not_there_is_told_as_python_does() -> None:
    with pytest.raises(AttributeError, match="module 'rota' has no attribute 'Crom'"):
        _ = rota.Crom  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        from rota import Crom  # type: ignore[attr-defined]  # noqa: F401


def test_importing_it_imports_nothing_of_weight() -> None:
    heavy = (
        "psycopg",
        "sqlalchemy",
        "rich",
        "pydantic",
        "asyncio",
        "sqlite3",
        "rota.engine",
        "rota.store",
        "rota.calendar",
    )
    loaded = run("import sys, rota; print(*sys.modules)").split()

    assert [name for name in loaded if name.startswith(heavy)] == []


@pytest.mark.parametrize(
    "before",
    [
        "pass",
        "import rota.calendar",
        "import rota.app",
        "import rota.calendar.expression",
        "from rota import cron, every",
        "import rota.testing",
    ],
)
def test_cron_can_be_called_whatever_was_imported_before(before: str) -> None:
    program = f"{before}\nfrom rota import cron\nprint(cron('0 6 * * *', tz='Europe/Paris').to_data()['expression'])"

    assert run(program) == "0 6 * * *"


def test_every_exception_is_in_the_tree_that_its_module_draws() -> None:
    drawn = errors.__doc__ or ""
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]

    for each in classes:
        assert each.__name__ in drawn
        assert issubclass(each, errors.RotaError)
        assert each.__doc__
        assert str(each([] if each is errors.SettingsError else "")) is not None
    assert len(classes) >= 18


def test_an_error_without_a_message_says_what_its_class_is() -> None:
    assert str(errors.ConflictError()) == "The thing is not in a state that allows it."
    assert errors.ConflictError("x", hint="do y").hint == "do y"
    assert isinstance(errors.NotFoundError(), LookupError)
    assert isinstance(errors.PayloadError("x"), TypeError)
    assert isinstance(errors.WaitTimeoutError(), TimeoutError)


def test_every_module_of_the_package_can_be_imported_by_itself() -> None:
    names = [
        ".".join(("rota", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
        for path in SOURCE.rglob("*.py")
        if path.name != "__main__.py"
    ]
    layers = [name for name in names if name.count(".") <= 2]
    program = "import sys, importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *layers], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
