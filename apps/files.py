"""Files of an application's data, below a directory of its settings."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Any

from rota.errors import ConfigError


def put_files(root: Path | None, files: list[dict[str, Any]]) -> None:
    """Make each of ``{name, size | text, mtime, mode, symlink}``; a size makes a sparse file.

    Raises ``ConfigError`` where there is no directory.
    """
    if root is None:
        raise ConfigError("there is no directory for files", hint="Name one in the settings.")
    for file in files:
        path = root / file["name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink() or path.exists():  # from a time before that was interrupted
            path.unlink()
        if "symlink" in file:
            path.symlink_to(file["symlink"])
            continue
        if "text" in file:
            path.write_text(file["text"])
        else:
            with path.open("wb") as made:
                made.truncate(file.get("size", 0))
        if "mtime" in file:
            at = datetime.fromisoformat(file["mtime"]).timestamp()
            os.utime(path, (at, at))
        if "mode" in file:
            path.chmod(int(str(file["mode"]), 8))
