"""Reading history: stored events a page at a time, from old to new or from new to old.

A page costs a bounded amount of work, however little of what it looks through is wanted. Imports nothing of
gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from contextlib import closing, nullcontext
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.entries import find_key, pick
from gateway.paging import PAGE_BYTES
from gateway.reader_guard import ReaderGuard
from gateway.reading import MAX_EVENTS, EventPage, Place, make_token, read_token
from gateway.sieves import Holder
from gateway.topic_choice import choose
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gateway.config import Config
    from gateway.log import EventLog, StoredBatch, TopicBounds
    from gateway.reading import Reading
    from gateway.selection import Selection
    from gateway.sieves import Sieve, Sieves
    from gateway.topics import Topics
    from registry.registry import Registry

AT_ONCE: Final = 16
"""How many pages are made at once; others wait their turn. Each holds some MiB."""
LOOKED_THROUGH: Final = 100_000
"""After how many events a page ends, whatever it has found."""
LONGEST: Final = 5.0
"""After how many seconds a page ends, whatever it has found: a filter may be slow, a caller impatient."""
PROJECTED_AT_ONCE: Final = 500
"""How many events are made another form of at once: that holds the event loop."""
READ_BYTES: Final = 256 * 1024
"""How much one read of the log answers at most: what is made of it holds the event loop."""
_READ_COST: Final = 1_000
"""As how many events a read counts: it may have passed over many batches that the selection leaves out."""


class PlainSieve:
    """All events, as they are stored."""

    async def prepare(self, batches: Sequence[StoredBatch]) -> None:
        """Does nothing."""

    def matches(self, _: StoredBatch) -> None:
        """Answers that all events are wanted."""
        return

    def entry(self, batch: StoredBatch, indexes: Sequence[int] | None) -> bytes:
        """Answers the events as they are stored, in the order of ``indexes``: rising or falling."""
        if indexes is None or indexes == range(batch.count):
            return batch.entry
        return pick(batch.entry, indexes)

    def failed(self, _: StoredBatch) -> Sequence[int]:
        """Answers that nothing failed."""
        return ()


class EventPages:
    """Answers pages of stored events."""

    def __init__(
        self, log: EventLog, topics: Topics, registry: Registry, *, sieves: Sieves, config: Config
    ) -> None:
        self._log = log
        self._topics = topics
        self._registry = registry
        self._sieves = sieves
        self._limits = config
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def page(self, reading: Reading) -> EventPage:
        """Answers the page that a reading asks for.

        What is appended after the first page is in none; what retention removes meanwhile is left out.

        Raises:
            InvalidRequest, InvalidFilter, LimitExceeded, TopicNotFound, SchemaVersionNotFound,
            IncompatibleVersion, StorageFailed.
        """
        selection = choose(self._topics, reading.topics, reading.types, self._limits.max_subscription_topics)
        _require_range(reading)
        async with self._turns:
            sieve = await self._sieves.make(reading.sieve, holder=Holder())
            with closing(sieve) if sieve else nullcontext():
                return await self._page(reading, selection, sieve)

    async def _page(self, reading: Reading, selection: Selection, sieve: Sieve | None) -> EventPage:
        if reading.page_token:
            place = read_token(reading.page_token, reading.digest)
        else:
            place = await self._whole(reading, selection)
        page = _Page(reading, sieve or PlainSieve())
        guard = ReaderGuard(self._registry, sieve.pinned, skip=False) if sieve and sieve.pinned else None
        while not place.is_end and not page.is_full:
            read = await self._read(reading, selection, place, page.events_left)
            for part in (read,) if sieve is None else read.parts(place, backwards=reading.backwards):
                await page.prepare(part, guard)
                place = page.take(part, place)
                if page.is_full:
                    break
            await asyncio.sleep(0)
        bounds = await self._log.bounds(selection)
        return EventPage(
            tuple(page.entries),
            "" if place.is_end else make_token(place, reading.digest),
            bounds.head,
            _removed_through(bounds.topics.values()),
            page.failures,
        )

    async def _whole(self, reading: Reading, selection: Selection) -> Place:
        """Answers all that a reading asks for, of what there is now."""
        head = (await self._log.bounds(selection)).head
        first, last = max(1, reading.from_sequence), min(reading.end_sequence or head, head)
        if reading.from_time is not None:
            first = max(first, (await self._log.bounds(selection, reading.from_time)).position + 1)
        if reading.end_time is not None:
            last = min(last, (await self._log.bounds(selection, reading.end_time)).position)
        return Place(first, last)

    async def _read(self, reading: Reading, selection: Selection, place: Place, events: int) -> _Read:
        """Reads on; of a key by way of the index, where there is one."""
        if reading.key:
            found = await self._log.read_key(
                selection,
                reading.key,
                *place,
                backwards=reading.backwards,
                max_events=events,
                max_bytes=PAGE_BYTES,
            )
            if found is not None:
                behind = place.behind(found.reached, backwards=reading.backwards)
                return _Read(found.batches, behind, is_of_key=True)
        if reading.backwards:
            back = await self._log.read_back(selection, place.last + 1, max_bytes=READ_BYTES)
            return _Read(back.batches, place.behind(back.before, backwards=True))
        page = await self._log.read(selection, place.first - 1, max_bytes=READ_BYTES, deadline=0.0)
        return _Read(page.batches, place.behind(page.through, backwards=False))


class _Read(NamedTuple):
    """What one read of the log answered.

    Attributes:
        batches: In the order of the reading.
        behind: The place behind them.
        is_of_key: Whether they hold only events of the wanted key.
    """

    batches: Sequence[StoredBatch]
    behind: Place
    is_of_key: bool = False

    def parts(self, place: Place, *, backwards: bool) -> Iterator[_Read]:
        """Answers it batch by batch, for a page that may be full behind any; ``place`` is that before it."""
        for batch in self.batches[:-1]:
            end = batch.first_sequence if backwards else batch.last_sequence
            place = place.behind(end, backwards=backwards)
            yield _Read((batch,), place, self.is_of_key)
        yield _Read(self.batches[-1:], self.behind, self.is_of_key)


class _Page:
    """A page that is being filled."""

    def __init__(self, reading: Reading, sieve: Sieve | PlainSieve) -> None:
        self.entries: list[bytes] = []
        self.failures = 0
        self._sieve = sieve
        self._key = reading.key
        self._backwards = reading.backwards
        self.events_left = min(reading.page_size, MAX_EVENTS)
        self._bytes_left = PAGE_BYTES
        self._looked = 0
        self._until = asyncio.get_running_loop().time() + LONGEST
        self._is_full = False
        self._at_once = MAX_EVENTS if isinstance(sieve, PlainSieve) else PROJECTED_AT_ONCE

    async def prepare(self, read: _Read, guard: ReaderGuard | None) -> None:
        """Gets ready for what was read, and refuses what can't be read as it was asked for."""
        await self._sieve.prepare(read.batches)
        if guard is not None:
            await guard.judge(read.batches)
            for _ in guard.stretches(read.batches):
                pass  # raises at the first one

    @property
    def is_full(self) -> bool:
        """Whether nothing more is to be looked at."""
        if self._is_full or not self.events_left or self._looked >= LOOKED_THROUGH:
            return True
        return bool(self._looked) and asyncio.get_running_loop().time() >= self._until

    def take(self, read: _Read, place: Place) -> Place:
        """Takes what is wanted of a read, as much as there is room for; answers the place behind that."""
        self._looked += _READ_COST
        if read.is_of_key and isinstance(self._sieve, PlainSieve):
            return self._take_events(read, place)
        for batch in read.batches:
            key, before = None if read.is_of_key else self._key, place
            place = self._take(batch, place, key)
            self._count_failures(batch, before, place, key)
            if self._is_full or (not self.events_left and batch is not read.batches[-1]):
                return place
        return read.behind

    def _take_events(self, read: _Read, place: Place) -> Place:
        """Takes batches of one event each, all of which are wanted: a history is a thousand of them."""
        batches = read.batches[: self.events_left]
        ends = list(accumulate([len(batch.entry) for batch in batches]))
        fitting = bisect_right(ends, self._bytes_left) or int(not self.entries)
        taken = batches[:fitting]
        self.entries += [batch.entry for batch in taken]
        self.events_left -= len(taken)
        if len(taken) == len(read.batches):
            self._bytes_left -= ends[-1] if ends else 0
            return read.behind
        self._is_full = True
        return place.behind(taken[-1].first_sequence, backwards=self._backwards) if taken else place

    def _take(self, batch: StoredBatch, place: Place, key: str | None) -> Place:
        """Takes what is wanted of a batch; answers the place behind what was dealt with."""
        indexes = self._wanted(batch, place, key)
        behind = place.behind(
            batch.first_sequence if self._backwards else batch.last_sequence, backwards=self._backwards
        )
        while indexes:
            some = indexes[: min(self.events_left, self._at_once)]
            taken, entry = self._fit(batch, some) if some else ((), b"")
            if taken:
                self.entries.append(entry)
                self.events_left -= len(taken)
                self._bytes_left -= len(entry)
                place = place.behind(batch.first_sequence + taken[-1], backwards=self._backwards)
            if len(taken) < len(some) or not some:
                self._is_full = True
                return place
            indexes = indexes[len(taken) :]
        return behind

    def _count_failures(self, batch: StoredBatch, before: Place, behind: Place, key: str | None) -> None:
        """Counts the events between two places on which the filter failed; others are another page's."""
        failed = self._sieve.failed(batch)
        if failed and key is not None:
            failed = sorted(set(failed).intersection(find_key(batch.entry, key)))
        first, last = (behind.last + 1, before.last) if self._backwards else (before.first, behind.first - 1)
        first, last = max(first, before.first), min(last, before.last)
        self.failures += sum(first <= batch.first_sequence + index <= last for index in failed)

    def _wanted(self, batch: StoredBatch, place: Place, key: str | None) -> Sequence[int]:
        """Answers the indexes of the wanted events, in the order of the reading."""
        begin = max(place.first - batch.first_sequence, 0)
        end = min(place.last - batch.first_sequence + 1, batch.count)
        self._looked += max(0, end - begin)
        indexes: Sequence[int] = range(begin, end)
        if indexes and key is not None:
            indexes = [index for index in find_key(batch.entry, key) if begin <= index < end]
        if indexes and (matching := self._sieve.matches(batch)) is not None:
            chosen = frozenset(matching)
            indexes = [index for index in indexes if index in chosen]
        return indexes[::-1] if self._backwards else indexes

    def _fit(self, batch: StoredBatch, indexes: Sequence[int]) -> tuple[Sequence[int], bytes]:
        """Answers those of the events that fit, and their entry; of an empty page always one at least."""
        entry = self._sieve.entry(batch, indexes)
        while len(entry) > self._bytes_left:
            if self.entries:
                return (), b""
            if len(indexes) == 1:
                break
            indexes = indexes[: max(1, len(indexes) * self._bytes_left // len(entry) - 1)]
            entry = self._sieve.entry(batch, indexes)
        return indexes, entry


def _require_range(reading: Reading) -> None:
    """Refuses a range that contradicts itself."""
    if 0 < reading.end_sequence < reading.from_sequence:
        raise InvalidRequest(
            "end_sequence", f"{reading.end_sequence} lies before from_sequence, {reading.from_sequence}"
        )
    if None not in (reading.from_time, reading.end_time) and reading.end_time < reading.from_time:  # type: ignore[operator]
        raise InvalidRequest("end_time", "lies before from_time")


def _removed_through(topics: Iterable[TopicBounds]) -> int:
    """Answers up to where nothing of some topics is kept any more, 0 if nothing was removed."""
    topics = list(topics)
    kept = min((topic.first_sequence for topic in topics if topic.first_sequence), default=0)
    removed = max((topic.trimmed_through for topic in topics), default=0)
    return min(removed, kept - 1) if kept else removed
