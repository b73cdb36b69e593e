"""Where files lie that are to go, until it is sure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from rota.recipes.rooted import Rooted
from rota.recipes.upload_table import Upload


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A ``folder`` below the root, with one for each day; none, where files are deleted at once."""

    files: Rooted
    folder: str | None

    def place_of(self, upload: Upload) -> Path:
        """Of one that was claimed."""
        assert upload.claimed_at is not None  # noqa: S101 - whoever asks has claimed it
        key = quote("-".join(str(each) for each in upload.key), safe="")
        day = upload.claimed_at.strftime("%Y-%m-%d")
        return Path(self.folder or ".", day, f"{key}-{Path(upload.path).name}")

    def holds(self, upload: Upload) -> Path | None:
        """Where it lies here; ``None`` where it does not."""
        if not self.folder or upload.claimed_at is None:
            return None
        hidden = self.place_of(upload)
        return hidden if os.path.lexists(self.files.root / hidden) else None

    def is_another(self, upload: Upload) -> bool:
        """Whether what is at the path of one that came here was put there since."""
        if not self.folder or upload.claimed_at is None:
            return False
        try:
            changed = self.files.find(upload.path).lstat().st_mtime
        except OSError:
            return False  # told by who touches it
        return datetime.fromtimestamp(changed, UTC) > upload.claimed_at
