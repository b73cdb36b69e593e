"""Whether a job can be given some arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rota.errors import PayloadError
from rota.model.job import Job
from rota.model.policy import OF_A_CALL
from rota.model.suggestion import suggestion
from rota.shown import shown


def check_arguments(job: Job, arguments: Mapping[str, Any]) -> None:
    """Refuse a misspelt or missing argument where it is written, not in a failed run an hour later."""
    if arguments.__class__ is dict and arguments.keys() == job.accepted:
        return  # each of them: mostly so, and soon seen
    if not isinstance(arguments, Mapping):
        raise PayloadError(f"job {job.name!r}: {shown(arguments)} is no dict of arguments", hint=_AN_ITEM)
    names = arguments.keys()
    if job.accepted is not None and not names <= job.accepted:
        unknown = min(map(str, names - job.accepted))
        raise PayloadError(
            f"job {job.name!r} takes no argument {unknown!r}",
            path=unknown,
            hint=_instead(unknown, job.accepted),
        )
    if not job.required <= names:
        missing = ", ".join(sorted(job.required - names))
        hint = f"Give it: {missing}=… (at a terminal, --arg {missing}=…)"
        raise PayloadError(f"job {job.name!r} needs the argument {missing}", path=missing, hint=hint)


_AN_ITEM = 'Give a dict for each run, as in [{"to": "a@example.org"}].'


def _instead(unknown: str, accepted: Iterable[str]) -> str:
    meant = suggestion(unknown, accepted)
    meant = meant if meant.endswith(("?", ".", "…")) else f"{meant}."
    return f"{meant} An option of the call stands apart: options({unknown}=…)." if unknown in OF_A_CALL else meant
