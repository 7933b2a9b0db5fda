"""The filters that are live: of open subscriptions and of groups. What a schema change is held against.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.uses import LiveFilter


class LiveFilters:
    """Counts live filters: several holders of one name may have the same one."""

    def __init__(self) -> None:
        self._of_subject: dict[str, Counter[LiveFilter]] = {}

    def add(self, filters: Iterable[tuple[str, LiveFilter]]) -> None:
        """Takes filters, each with the subject whose data it reads."""
        for subject, live in filters:
            self._of_subject.setdefault(subject, Counter())[live] += 1

    def remove(self, filters: Iterable[tuple[str, LiveFilter]]) -> None:
        """Lets go of filters that were added, each once."""
        for subject, live in filters:
            counted = self._of_subject[subject]
            counted[live] -= 1
            if not counted[live]:
                del counted[live]
            if not counted:
                del self._of_subject[subject]

    def of_subject(self, subject: str) -> Sequence[LiveFilter]:
        """Answers the filters that read data of a subject, each once, groups' first, by name."""
        return sorted(
            self._of_subject.get(subject, ()),
            key=lambda it: (not it.group, it.group, it.client_name, it.type, it.text),
        )
