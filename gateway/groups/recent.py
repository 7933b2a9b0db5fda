"""Which events were settled last, so that whoever says the same again is told so. Plain state, no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.groups.runs import Run


class Recent:
    """The sequences that were settled last: at least ``most``, and less than twice as many and a call's."""

    def __init__(self, most: int) -> None:
        """Begins with none."""
        self._most = most
        self._newer: set[int] = set()
        self._older: set[int] = set()

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._newer or sequence in self._older

    def add(self, runs: Iterable[Run]) -> None:
        """Notes that runs are settled."""
        newer = self._newer
        for run in runs:
            if run.first == run.last:
                newer.add(run.first)
            else:
                newer.update(range(run.first, run.last + 1))
        if len(newer) >= self._most:
            self._newer, self._older = set(), newer
