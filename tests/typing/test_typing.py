"""What type checkers make of an application: they find its mistakes, and find none where there is none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SAMPLES = ("sample_ok.py", "sample_wrong.py")


def run(*command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False, cwd=HERE)
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return done.stdout


def mypy() -> set[tuple[str, int]]:
    """The places of its errors; with its own settings, as an application might have them."""
    told = run(
        "mypy", "--strict", "--config-file=", f"--cache-dir={HERE.parents[1] / '.mypy_cache' / 'samples'}", *SAMPLES
    )
    assert "in 1 file (checked 2 source files)" in told, told
    return {(name, int(line)) for name, line in re.findall(r"^(\S+?):(\d+): error:", told, flags=re.MULTILINE)}


def pyright() -> set[tuple[str, int]]:
    told = json.loads(run("pyright", "--outputjson", "--pythonpath", sys.executable, *SAMPLES))
    assert told["summary"]["filesAnalyzed"] == 2
    errors = [each for each in told["generalDiagnostics"] if each["severity"] == "error"]
    return {(Path(each["file"]).name, each["range"]["start"]["line"] + 1) for each in errors}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_a_checker_finds_every_mistake_and_no_other(checker, request: pytest.FixtureRequest) -> None:
    pytest.importorskip(checker.__name__, reason="it is in the extra `check`")

    lines = (HERE / "sample_wrong.py").read_text().splitlines()
    marked = {("sample_wrong.py", number) for number, line in enumerate(lines, 1) if line.endswith("# wrong")}

    assert checker() == marked
    assert len(marked) > 15
