"""The tail: the log's newest batches in memory, shared by all readers, and the readers that wait there.

All of it runs on the event loop's thread. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from gateway.log import Page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.log import StoredBatch
    from gateway.selection import Selection

SCANNED: Final = 2048
"""How many batches one page looks through at most: about 0.3 ms of the event loop's time."""

PAGES: Final = 1024
"""How many pages are kept for the readers that ask for the same ones, until the next commit."""
_CACHED_PAGES: Final = 256


class _Waiters:
    """The readers that wait at the head for the same thing."""

    __slots__ = ("futures", "max_bytes", "selection", "topics")

    def __init__(self, selection: Selection, max_bytes: int) -> None:
        self.selection = selection
        self.max_bytes = max_bytes
        self.futures: set[asyncio.Future[Page]] = set()
        self.topics: dict[str, bool] = {}

    def wants(self, topic: str) -> bool:
        """Tells whether the selection has a topic; asks it once a topic."""
        wanted = self.topics.get(topic)
        if wanted is None:
            wanted = self.topics[topic] = self.selection.has_topic(topic)
        return wanted


class Tail:
    """The newest batches of the log, up to a number of bytes, and the wake-up of those who wait for more.

    A commit costs nothing for readers that wait for other topics by name; a pattern is asked once a topic,
    and what a selection finds in a commit is looked up once for all who share it.

    Attributes:
        head: The last sequence of the log.
        head_ordinal: The ordinal of the last batch of the log.
        trimmed: No batch above this sequence was trimmed.
    """

    def __init__(self, head: int, head_ordinal: int, *, capacity: int) -> None:
        """Begins empty behind ``head``; holds ``capacity`` bytes of entries at most, but one batch always."""
        self.head = head
        self.head_ordinal = head_ordinal
        self.trimmed = 0
        self._capacity = capacity
        self._size = 0
        self._floor = head
        self._batches: list[StoredBatch] = []
        self._lasts: list[int] = []
        self._begin = 0
        self._removed: dict[str, int] = {}
        self._pages: dict[tuple[Selection, int, int], Page] = {}
        self._waiters: dict[tuple[Selection, int], _Waiters] = {}
        self._by_name: dict[str, set[_Waiters]] = {}
        self._by_pattern: set[_Waiters] = set()

    def covers(self, after: int) -> bool:
        """Tells whether everything behind ``after`` is here."""
        return after >= self._floor

    def add(self, batches: Sequence[StoredBatch]) -> None:
        """Takes what was committed, in sequence order, and wakes those who wait for it."""
        if not batches:
            return
        start = len(self._batches)
        self._batches += batches
        self._lasts += [batch.first_sequence + batch.count - 1 for batch in batches]
        self._size += sum([len(batch.entry) for batch in batches])
        self.head, self.head_ordinal = self._lasts[-1], batches[-1].ordinal
        self._pages.clear()
        self._wake(start, {batch.topic for batch in batches})
        self._evict()

    def remove(self, topic: str, through: int) -> None:
        """Leaves out a topic's batches up to ``through`` from now on: they were trimmed."""
        self._removed[topic] = through
        self.trimmed = max(self.trimmed, through)
        self._pages.clear()

    def page(self, selection: Selection, after: int, max_bytes: int) -> Page:
        """Answers what lies behind ``after``, which the tail must cover; looks through a bounded number."""
        key = (selection, after, max_bytes)
        page = self._pages.get(key)
        if page is None:
            if len(self._pages) >= PAGES:
                self._pages.clear()
            start = bisect_right(self._lasts, after, self._begin)
            page = self._pages[key] = self._cut(selection, start, after, max_bytes)
        return page

    async def wait(self, selection: Selection, max_bytes: int, deadline: float | None) -> Page:
        """Waits for a batch of the selection behind the present head, and answers the page it begins.

        If there is none by ``deadline`` (the loop's time), answers an empty page up to the head of then. Of a
        commit so large that it takes more than one page, it may answer an empty page over the first part.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Page] = loop.create_future()
        waiters = self._join(selection, max_bytes)
        waiters.futures.add(future)
        timer = None if deadline is None else loop.call_at(deadline, self._expire, future)
        try:
            return await future
        finally:
            if timer is not None:
                timer.cancel()
            if future in waiters.futures:
                waiters.futures.remove(future)
                if not waiters.futures:
                    self._forget(waiters)

    def _expire(self, future: asyncio.Future[Page]) -> None:
        if not future.done():
            future.set_result(
                Page((), self.head, self.head_ordinal, self.head, self.head_ordinal, self.trimmed)
            )

    def fail(self, error: Exception) -> None:
        """Ends every wait with ``error``."""
        for waiters in self._waiters.values():
            for future in waiters.futures:
                if not future.done():
                    future.set_exception(error)

    def _cut(self, selection: Selection, start: int, after: int, max_bytes: int) -> Page:
        run = self._batches[start : start + SCANNED]
        found = _select(run, selection)
        if run and run[0].first_sequence <= self.trimmed:
            removed = self._removed
            found = [batch for batch in found if batch.last_sequence > removed.get(batch.topic, 0)]
        page = _fit(found, max_bytes)
        if len(page) < len(found):
            last = page[-1]
        elif start + len(run) < len(self._batches):
            last = run[-1]
        else:
            return Page(
                tuple(page),
                max(after, self.head),
                self.head_ordinal,
                self.head,
                self.head_ordinal,
                self.trimmed,
            )
        return Page(tuple(page), last.last_sequence, last.ordinal, self.head, self.head_ordinal, self.trimmed)

    def _join(self, selection: Selection, max_bytes: int) -> _Waiters:
        key = (selection, max_bytes)
        waiters = self._waiters.get(key)
        if waiters is None:
            waiters = self._waiters[key] = _Waiters(selection, max_bytes)
            if selection.patterns:
                self._by_pattern.add(waiters)
            else:
                for name in selection.names:
                    self._by_name.setdefault(name, set()).add(waiters)
        return waiters

    def _wake(self, start: int, topics: Iterable[str]) -> None:
        called: set[_Waiters] = set()
        for topic in topics:
            called |= self._by_name.get(topic, set())
            called.update([waiters for waiters in self._by_pattern if waiters.wants(topic)])
        for waiters in called:
            if not waiters.futures:
                self._forget(waiters)
                continue
            page = self._cut(waiters.selection, start, 0, waiters.max_bytes)
            if page.batches or page.through < self.head:
                for future in waiters.futures:
                    if not future.done():
                        future.set_result(page)
                waiters.futures = set()

    def _forget(self, waiters: _Waiters) -> None:
        del self._waiters[waiters.selection, waiters.max_bytes]
        self._by_pattern.discard(waiters)
        for name in waiters.selection.names:
            named = self._by_name.get(name)
            if named is not None:
                named.discard(waiters)
                if not named:
                    del self._by_name[name]

    def _evict(self) -> None:
        while self._size > self._capacity and self._begin < len(self._batches) - 1:
            self._size -= len(self._batches[self._begin].entry)
            self._floor = self._lasts[self._begin]
            self._begin += 1
        if self._begin > len(self._batches) // 8:
            del self._batches[: self._begin], self._lasts[: self._begin]
            self._begin = 0


def _select(run: list[StoredBatch], selection: Selection) -> list[StoredBatch]:
    topics = {batch.topic for batch in run}
    wanted = {topic for topic in topics if selection.has_topic(topic)}
    if not wanted:
        return []
    if selection.types:
        return [batch for batch in run if batch.topic in wanted and batch.type in selection.types]
    return run if len(wanted) == len(topics) else [batch for batch in run if batch.topic in wanted]


def _fit(found: list[StoredBatch], max_bytes: int) -> list[StoredBatch]:
    sizes = list(accumulate([len(batch.entry) for batch in found]))
    if not sizes or sizes[-1] <= max_bytes:
        return found
    return found[: max(1, bisect_right(sizes, max_bytes))]
