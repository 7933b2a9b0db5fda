"""The bytes of a group's events: found by sequence, in memory or in the log, and made frames.

What the group reads from the log stays here until it is settled, up to ``KEPT_BYTES`` a group and a
``Budget`` of all; what is asked for later is read again. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.entries import OpenEntry
from gateway.selection import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from gateway.groups.values import Span
    from gateway.log import EventLog, StoredBatch
    from gateway.selection import Selection

KEPT_BYTES: Final = 64 * 1024 * 1024
"""How many bytes of batches a group keeps at most."""
KEPT_TOGETHER: Final = 256 * 1024 * 1024
"""How many all groups keep together, about."""
KEPT_ANYHOW: Final = 4 * 1024 * 1024
"""How many it may keep without a look at what of them is settled."""
READ_BYTES: Final = 256 * 1024
"""How much is read at once of what is not kept any more."""
PORTION_BYTES: Final = 1024 * 1024
"""How large the batches of a portion are, besides one that is larger by itself."""
SPLIT_KEPT: Final = 64
"""How many batches are kept taken apart, at most."""
SPLIT_BYTES: Final = 8 * 1024 * 1024
"""How many bytes these have, at most, besides one that is larger by itself."""


class Budget:
    """How many bytes of batches several groups keep together, and how many groups that are."""

    def __init__(self, total: int = KEPT_TOGETHER) -> None:
        """Begins with none of ``total``."""
        self.total = total
        self.used = 0
        self.groups = 0

    @property
    def share(self) -> int:
        """How many bytes a group may keep now: with all of them spent, no more than its part."""
        if self.used <= self.total:
            return KEPT_BYTES
        return min(KEPT_BYTES, self.total // max(1, self.groups))


class Excerpt(NamedTuple):
    """Some events of a batch, by their rising indexes."""

    batch: StoredBatch
    indexes: Sequence[int]


class Portion(NamedTuple):
    """Some events that were asked for, and those in between that are not there."""

    excerpts: list[Excerpt]
    lost: list[Span]


class Payloads:
    """The batches that a group has read lately, by sequence."""

    def __init__(self, log: EventLog, budget: Budget, settled_through: Callable[[], int]) -> None:
        """Reads from a log; ``settled_through`` tells up to which position nobody will ask for events."""
        self._log = log
        self._budget = budget
        self._settled_through = settled_through
        self._batches: OrderedDict[int, StoredBatch] = OrderedDict()
        self._firsts: list[int] = []
        self._bytes = 0
        self._enough = KEPT_ANYHOW
        self._split: OrderedDict[int, OpenEntry] = OrderedDict()
        self._split_bytes = 0

    def keep(self, batches: Sequence[StoredBatch]) -> None:
        """Keeps batches; lets go of settled ones, then of those that were not asked for the longest."""
        for batch in batches:
            if batch.first_sequence in self._batches:
                self._batches.move_to_end(batch.first_sequence)
                continue
            self._batches[batch.first_sequence] = batch
            if self._firsts and batch.first_sequence < self._firsts[-1]:
                insort(self._firsts, batch.first_sequence)
            else:
                self._firsts.append(batch.first_sequence)
            self._count(len(batch.entry))
        if self._bytes > min(self._enough, self._budget.share):
            self._let_go()
            self._enough = min(KEPT_BYTES, max(KEPT_ANYHOW, 2 * self._bytes))

    def _let_go(self) -> None:
        through = self._settled_through()
        settled = bisect_right(self._firsts, through)
        if settled and self._batches[self._firsts[settled - 1]].last_sequence > through:
            settled -= 1
        for first in self._firsts[:settled]:
            self._forget(self._batches.pop(first))
        del self._firsts[:settled]
        while len(self._batches) > 1 and self._bytes > self._budget.share:
            first, batch = self._batches.popitem(last=False)
            del self._firsts[bisect_left(self._firsts, first)]
            self._forget(batch)

    def _forget(self, batch: StoredBatch) -> None:
        self._count(-len(batch.entry))
        split = self._split.pop(batch.first_sequence, None)
        if split is not None:
            self._split_bytes -= split.size

    def _count(self, size: int) -> None:
        """Notes that so many bytes are kept more."""
        before, self._bytes = self._bytes, self._bytes + size
        self._budget.used += size
        self._budget.groups += bool(self._bytes) - bool(before)

    def clear(self) -> None:
        """Lets go of all of them."""
        self._count(-self._bytes)
        self._batches.clear()
        self._split.clear()
        self._firsts, self._enough, self._split_bytes = [], KEPT_ANYHOW, 0

    def split(self, batch: StoredBatch) -> OpenEntry:
        """Answers a batch taken apart."""
        split = self._split.get(batch.first_sequence)
        if split is None:
            split = self._split[batch.first_sequence] = OpenEntry(batch.entry)
            self._split_bytes += split.size
            while len(self._split) > 1 and (len(self._split) > SPLIT_KEPT or self._split_bytes > SPLIT_BYTES):
                _, oldest = self._split.popitem(last=False)
                self._split_bytes -= oldest.size
        return split

    def entry(self, excerpt: Excerpt) -> bytes:
        """Answers the finished entry of some events of a batch."""
        if len(excerpt.indexes) == excerpt.batch.count:
            return excerpt.batch.entry
        return self.split(excerpt.batch).pick(excerpt.indexes)

    async def portions(self, selection: Selection, spans: Sequence[Span]) -> AsyncGenerator[Portion, None]:
        """Answers the events of some spans, which rise, and what of them the log does not have any more.

        Whoever takes portion by portion holds little, however many events there are, and however large.

        Raises:
            StorageFailed: The log can't be read.
        """
        portion = Portion([], [])
        begin = end = size = 0
        for first, last in spans:
            if begin <= first and last <= end:  # of the same batch as the one before: most are
                _join(portion.excerpts, range(first - begin, last - begin + 1))
                continue
            at = first
            while at <= last:
                batch = self._kept(at) or await self._read(selection, at)
                if batch is None or batch.first_sequence > last:
                    portion.lost.append((at, last))
                    break
                if batch.first_sequence != begin:
                    size += len(batch.entry)
                    if portion.excerpts and size > PORTION_BYTES:
                        yield portion
                        portion, size = Portion([], []), len(batch.entry)
                begin, end = batch.first_sequence, batch.last_sequence
                if begin > at:
                    portion.lost.append((at, begin - 1))
                    at = begin
                _add(portion.excerpts, batch, range(at - begin, min(last, end) - begin + 1))
                at = end + 1
        yield portion

    def _kept(self, sequence: int) -> StoredBatch | None:
        place = bisect_right(self._firsts, sequence) - 1
        if place < 0:
            return None
        batch = self._batches[self._firsts[place]]
        if batch.last_sequence < sequence:
            return None
        self._batches.move_to_end(batch.first_sequence)
        return batch

    async def _read(self, selection: Selection, sequence: int) -> StoredBatch | None:
        """Answers the first batch of the log that ends at a sequence or behind it; keeps what comes along.

        The batch that has the sequence, if there is one, even if it is not of the selection any more.
        """
        batch = await self._next(selection, sequence, READ_BYTES)
        if batch is None or batch.first_sequence > sequence:
            other = await self._next(EVERYTHING, sequence, 1)
            if other is not None and other.first_sequence <= sequence:
                return other
        return batch

    async def _next(self, selection: Selection, sequence: int, max_bytes: int) -> StoredBatch | None:
        after = sequence - 1
        while True:
            page = await self._log.read(selection, after, max_bytes=max_bytes, deadline=0.0)
            if page.batches:
                self.keep(page.batches)
                return page.batches[0]
            if page.through >= page.head:
                return None
            after = page.through


def _add(excerpts: list[Excerpt], batch: StoredBatch, indexes: range) -> None:
    if excerpts and excerpts[-1].batch.first_sequence == batch.first_sequence:
        _join(excerpts, indexes)
    else:
        excerpts.append(Excerpt(batch, indexes))


def _join(excerpts: list[Excerpt], indexes: range) -> None:
    """Adds events to the last excerpt: most excerpts are a whole batch, which costs no list."""
    batch, known = excerpts[-1]
    if isinstance(known, list):
        known.extend(indexes)
    else:
        excerpts[-1] = Excerpt(batch, [*known, *indexes])
