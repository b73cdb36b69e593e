"""Made-up students, as far as what becomes of them depends on it."""

from __future__ import annotations

from dataclasses import dataclass, field


def is_unverified(user: int) -> bool:
    """Three in four of them have done nothing, and go."""
    return user % 25 in {3, 11}


def is_gone(student: int) -> bool:
    return student % 100 == 99


@dataclass(slots=True)
class Student:
    """What the jobs make of him: marks in hundredths, of quizzes that were graded before the cut."""

    number: int
    days: set[int] = field(default_factory=set)
    completed: int = 0
    marks: list[int] = field(default_factory=list)

    @property
    def badges(self) -> int:
        average = (2 * sum(self.marks) + len(self.marks)) // (2 * len(self.marks)) if self.marks else 0
        longest = _longest(self.days)
        return sum((self.completed >= 1, self.completed >= 10, longest >= 7, longest >= 30, average >= 9_000))


def _longest(days: set[int]) -> int:
    """The most of them in a row: counted from each day that has none before it."""
    found = 0
    for first in days:
        if first - 1 not in days:
            last = first
            while last in days:
                last += 1
            found = max(found, last - first)
    return found
