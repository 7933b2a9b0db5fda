"""Events without an order among each other: those without a key, and all of a group that orders by none.

Kept as runs, so that what costs is how often the log's order is broken, not how many events there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import TYPE_CHECKING

from gateway.groups.runs import Phase, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gateway.groups.values import Span


class Loose:
    """The runs that are not settled, by sequence, and those of them that wait for a member."""

    def __init__(self, on_cut: Callable[[Run, Run], None]) -> None:
        """Begins with nothing; calls ``on_cut`` with both parts of a run that was cut in two."""
        self._on_cut = on_cut
        self._firsts: list[int] = []
        self._runs: dict[int, Run] = {}
        self._ready: deque[Run] = deque()
        self.events = 0
        """How many sequences they span."""

    def __bool__(self) -> bool:
        return bool(self._firsts)

    @property
    def has_ready(self) -> bool:
        """Whether one waits for a member."""
        self._clean()
        return bool(self._ready)

    @property
    def first(self) -> int:
        """The first sequence that is not settled; 0 if all are."""
        return self._firsts[0] if self._firsts else 0

    def add(self, first: int, last: int) -> None:
        """Takes sequences above all that it has; those that follow a run that nobody had yet join it."""
        tail = self._ready[-1] if self._ready else None
        self.events += last - first + 1
        if (
            tail is not None
            and tail.last == first - 1
            and tail.phase is Phase.READY
            and not tail.attempt_count
            and tail.first == self._firsts[-1]
        ):
            tail.last = last
            return
        run = Run(first, last)
        self._firsts.append(first)
        self._runs[first] = run
        self._ready.append(run)

    def insert(self, run: Run) -> None:
        """Takes a run whose sequences it does not have, in front of those that wait for a member."""
        self.events += run.size
        self._index(run)
        self.make_ready(run)

    def make_ready(self, run: Run) -> None:
        """Puts a run that it has in front of those that wait for a member."""
        run.phase = Phase.READY
        self._ready.appendleft(run)

    @property
    def next(self) -> Run | None:
        """The run that is given out next, None if none waits."""
        return self._ready[0] if self.has_ready else None

    def take(self, most: int, max_attempts: int) -> list[Run]:
        """Answers the runs that wait, of at most so many events, up to one that is tried alone."""
        found: list[Run] = []
        while most > 0 and self.has_ready and not self._ready[0].is_tried_alone(max_attempts):
            found.append(self.take_next(most))
            most -= found[-1].size
        return found

    def take_next(self, most: int = 1) -> Run:
        """Answers the run that waits in front, or so many of its events; they do not wait any more."""
        run = self._ready.popleft()
        if run.size > most:
            self._cut(run, run.first + most)
        run.phase = Phase.LEASED
        return run

    def find(self, sequence: int) -> Run | None:
        """Answers the run that a sequence is in, None if it is in none."""
        place = bisect_right(self._firsts, sequence) - 1
        run = self._runs[self._firsts[place]] if place >= 0 else None
        return run if run is not None and run.last >= sequence else None

    def within(self, first: int, last: int) -> list[Run]:
        """Answers the runs that have sequences between two, both inclusive."""
        begin = bisect_right(self._firsts, first) - 1
        found = [self._runs[at] for at in self._firsts[max(0, begin) : bisect_right(self._firsts, last)]]
        return found[1:] if found and found[0].last < first else found

    def cut_out(self, run: Run, first: int, last: int) -> Run:
        """Answers the part of a run between two sequences, as a run of its own; the rest stays as it is."""
        if first > run.first:
            _, run = self._cut(run, first)
        if last < run.last:
            run, _ = self._cut(run, last + 1)
        return run

    def remove(self, run: Run) -> None:
        """Takes a run away: it is settled."""
        run.phase = Phase.GONE
        del self._runs[run.first]
        del self._firsts[bisect_left(self._firsts, run.first)]
        self.events -= run.size

    def spans(self) -> Iterator[Span]:
        """Answers what is not settled, in order, as few spans."""
        begin = end = 0
        for first in self._firsts:
            if first != end + 1 or not begin:
                if begin:
                    yield begin, end
                begin = first
            end = self._runs[first].last
        if begin:
            yield begin, end

    def _index(self, run: Run) -> None:
        self._firsts.insert(bisect_left(self._firsts, run.first), run.first)
        self._runs[run.first] = run

    def _cut(self, run: Run, at: int) -> tuple[Run, Run]:
        """Cuts a run in two, of which the second begins at a sequence; both are where the whole was."""
        rest = run.part(at, run.last)
        run.last = at - 1
        self._index(rest)
        if rest.phase is Phase.LEASED and rest.lease is not None:
            rest.lease.runs[at] = rest
        elif rest.phase is Phase.READY:
            self._ready.appendleft(rest)
        self._on_cut(run, rest)
        return run, rest

    def _clean(self) -> None:
        while self._ready and self._ready[0].phase is not Phase.READY:
            self._ready.popleft()
