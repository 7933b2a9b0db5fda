"""Events that failed and are not settled, and when they are tried again. Plain state, no rules."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from gateway.groups.runs import Phase

if TYPE_CHECKING:
    from gateway.groups.runs import Run
    from gateway.groups.values import Failed


class Retries:
    """What must be remembered of events: those that failed, and those with a key that were redriven.

    ``touched`` gets what changed: by first sequence, None for those that are settled.
    """

    def __init__(self, touched: dict[int, Run | None]) -> None:
        self._runs: dict[int, Run] = {}
        self._touched = touched
        self._waiting: list[tuple[float, int, Run]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def failed(self) -> list[Failed]:
        """Those that failed, with most attempts first."""
        runs = sorted(self._runs.values(), key=lambda run: (-run.attempt_count, run.first))
        return [run.as_failed() for run in runs if run.attempt_count]

    def note(self, run: Run) -> None:
        """Notes that something about a run is to be remembered."""
        self._runs[run.first] = self._touched[run.first] = run

    def restore(self, run: Run) -> None:
        """Takes a run that is remembered already."""
        self._runs[run.first] = run

    def forget(self, run: Run) -> None:
        """Notes that a run is settled."""
        if self._runs.pop(run.first, None) is not None:
            self._touched[run.first] = None

    def wait(self, run: Run) -> None:
        """Has a run wait until it is due."""
        run.phase = Phase.WAITING
        heapq.heappush(self._waiting, (run.due, next(self._order), run))

    def pop_due(self, now: float) -> list[Run]:
        """Answers the runs that waited long enough; they do not wait any more."""
        found = []
        while self._waiting and self._waiting[0][0] <= now:
            waiting = heapq.heappop(self._waiting)
            if _is_current(waiting):
                found.append(waiting[2])
        return found

    def next_time(self) -> float | None:
        """Answers when the next one has waited long enough, None if none waits."""
        while self._waiting and not _is_current(self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None


def _is_current(waiting: tuple[float, int, Run]) -> bool:
    due, _, run = waiting
    return run.phase is Phase.WAITING and run.due == due
