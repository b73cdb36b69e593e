from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)


def ago(days: float = 0, **more: float) -> str:
    return (MIDNIGHT - timedelta(days=days, **more)).isoformat()


def user(id_: Any, **values: Any) -> dict[str, Any]:
    return {"id": id_, "email": f"{id_}@x.org", "role": "student", "created_at": ago(500), **values}


def course(id_: Any, **values: Any) -> dict[str, Any]:
    return {"id": id_, "educator_id": 900, "title": f"Course {id_}", "status": "published", **values}


def enrollment(
    id_: Any, student: Any, course: Any, began: float, ended: float | None = None, **values: Any
) -> dict[str, Any]:
    status = "active" if ended is None else "completed"
    end = None if ended is None else ago(ended)
    row = {"id": id_, "student_id": student, "course_id": course, "enrolled_at": ago(began), "completed_at": end}
    return {**row, "status": status, **values}


EDUCATOR = user(900, role="educator")
