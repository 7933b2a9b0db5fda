"""Subscribing: a cursor over the log, which turns what it reads into frames.

The read half of the gateway. A subscription holds a position and at most one page of the log, however
slow its reader is: the next page is read when the frames of the last one have been taken.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from contextlib import aclosing, closing, nullcontext
from itertools import accumulate
from typing import TYPE_CHECKING

from gateway.cutting import part
from gateway.entries import batches_frame
from gateway.errors import EventsRemoved, SequenceOutOfRange, TopicNotFound
from gateway.frames import (
    FRAME_BYTES,
    RECONNECT_AFTER,
    CaughtUp,
    DrainingFrame,
    FellBehind,
    Frame,
    Gap,
    Heartbeat,
    Opened,
    Subscribing,
)
from gateway.gaps import Gaps
from gateway.reader_guard import ReaderGuard
from gateway.sieves import Holder
from gateway.sifting import Sifting
from gateway.topic_choice import choose
from registry.errors import InvalidRequest, SubjectNotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence

    from gateway.config import Config
    from gateway.log import Bounds, EventLog, Page, StoredBatch
    from gateway.readers import Readers
    from gateway.selection import Selection
    from gateway.sieves import Sieve, Sieves
    from gateway.topics import Topics
    from registry.registry import Registry
    from registry.schema import Reader

PAGE_BYTES = 1024 * 1024
"""How much one read of the log answers at most, besides a batch that is larger by itself."""
BEHIND_AFTER = 1
"""How many seconds what a reader is about to get was in the log when it has fallen behind."""
MAX_SEQUENCE = 2**63 - 1
"""The highest sequence that there can be."""
_NANOS = 1_000_000_000


class Subscriber:
    """Opens subscriptions, and tells them when the gateway stops."""

    def __init__(
        self,
        log: EventLog,
        topics: Topics,
        registry: Registry,
        readers: Readers,
        *,
        sieves: Sieves,
        config: Config,
    ) -> None:
        self._log = log
        self._topics = topics
        self._registry = registry
        self._readers = readers
        self._sieves = sieves
        self._limits = config
        self._open: set[Subscription] = set()
        self._draining = False

    async def subscribe(self, wanted: Subscribing) -> AsyncGenerator[Frame, None]:
        """Reads the log as ``wanted`` says; the frames end behind ``end_sequence`` or when draining.

        Raises:
            InvalidRequest, InvalidFilter, LimitExceeded, TopicNotFound, SchemaVersionNotFound,
            SequenceOutOfRange, EventsRemoved, IncompatibleVersion, StorageFailed.
        """
        selection = choose(self._topics, wanted.topics, wanted.types, self._limits.max_subscription_topics)
        sieve = await self._sieves.make(wanted.sieve, holder=Holder(client_name=wanted.client_name))
        with closing(sieve) if sieve else nullcontext():
            readers = await self.find_readers(wanted)
            subscription = await self._cursor(wanted, selection, sieve)
            self._open.add(subscription)
            try:
                if self._draining:
                    subscription.drain()
                async with aclosing(subscription.frames()) as frames:
                    with self._readers.reading(readers):
                        async for frame in frames:
                            yield frame
            finally:
                self._open.discard(subscription)

    async def _cursor(self, wanted: Subscribing, selection: Selection, sieve: Sieve | None) -> Subscription:
        """Opens a cursor. Nobody else keeps the bounds, which may be of thousands of topics."""
        return Subscription(
            self._log,
            self._topics,
            selection,
            wanted,
            await self._log.bounds(selection, wanted.from_time),
            guard=self.guard(wanted, sieve.pinned if sieve else {}),
            sifting=Sifting(sieve, wanted.heartbeat, FRAME_BYTES) if sieve else None,
        )

    async def find_readers(self, wanted: Subscribing) -> Sequence[Reader]:
        """Answers as what a subscription reads, by the schema versions that it was built with.

        Raises:
            InvalidRequest, TopicNotFound, SchemaVersionNotFound.
        """
        return self._readers.find(wanted, await self._types(wanted))

    def drain(self) -> None:
        """Ends all subscriptions, each with a ``DrainingFrame`` behind what it is sending."""
        self._draining = True
        for subscription in tuple(self._open):
            subscription.drain()

    async def _types(self, wanted: Subscribing) -> dict[str, tuple[str, ...]]:
        """Answers the event types of the versions that a subscriber was built with, by subject."""
        try:
            return {name: await self._types_of(name, version) for name, version in wanted.built_with.items()}
        except SubjectNotFound as error:
            raise InvalidRequest("reader.built_with", str(error)) from None

    async def _types_of(self, subject: str, version: int) -> tuple[str, ...]:
        found = await self._registry.list_versions(subject, after=version - 1, limit=1, show_deleted=True)
        if found and found[0].version == version:
            return found[0].types
        return (await self._registry.get(subject, version)).types  # raises what there is to say

    def guard(self, wanted: Subscribing, pinned: Mapping[str, int]) -> ReaderGuard | None:
        """Answers what knows which events a reader can read; None if it says no versions.

        Raises:
            InvalidRequest: A version that it wants data as is not the one that it was built with.
        """
        for subject, version in pinned.items():
            if (own := wanted.built_with.get(subject, version)) != version:
                raise InvalidRequest(
                    "schema_version", f"is {version}, but the reader was built with version {own}"
                )
        if not wanted.built_with and not pinned:
            return None
        return ReaderGuard(self._registry, {**wanted.built_with, **pinned}, skip=wanted.skip_gaps)


class Subscription:
    """One cursor over the log. Its frames are taken once, by one task."""

    def __init__(
        self,
        log: EventLog,
        topics: Topics,
        selection: Selection,
        wanted: Subscribing,
        bounds: Bounds,
        *,
        guard: ReaderGuard | None,
        sifting: Sifting | None,
    ) -> None:
        self._log = log
        self._topics = topics
        self._selection = selection
        self._wanted = wanted
        self._head = bounds.head
        self._position = _start(wanted, bounds)
        self._current_until = 0
        self._at_head = False
        self._is_current = False
        self._asked = 0
        self._gaps = Gaps(wanted, bounds)
        self._guard = guard
        self._sifting = sifting
        self._draining = False
        self._reader: asyncio.Task[object] | None = None
        self._beat = 0.0

    def drain(self) -> None:
        """Ends the subscription behind the frames of the page that it holds."""
        self._draining = True
        if self._reader:
            self._reader.cancel()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Answers the frames, in order, until the end that was asked for or until ``drain``."""
        loop = asyncio.get_running_loop()
        yield Opened(self._position, self._head, self._wanted.heartbeat)
        self._beat = loop.time() + self._wanted.heartbeat
        while not self._ended():
            page = await self._read(self._beat)
            if page is None:
                break
            for frame in await self._ahead(page):
                yield frame
            if loop.time() >= self._beat:  # now, when the page knows the head: sending it may take long
                self._require_topics()
                yield self._heartbeat(page)
            if self._sifting is None:
                for frame in self._take(page):
                    yield frame
            else:
                async for frame in self._sift(page, self._sifting):
                    yield frame
            if caught_up := self._look_for_head():
                yield caught_up
        for frame in self._last_frames():
            yield frame

    async def _ahead(self, page: Page) -> Sequence[Frame]:
        """Answers what is to be said before the batches of a page, and gets ready for these."""
        said: list[Frame] = []
        if gap := await self._look_for_gap(page):
            said.append(gap)
        if self._is_current and self._falls_behind(page):
            self._is_current = False
            said.append(FellBehind(self._position, page.head))
        if not page.batches:
            self._pass(page)
        elif self._guard:
            await self._guard.judge(page.batches)
        return said

    def _look_for_head(self) -> CaughtUp | None:
        """Answers what there is to say of a reader that has just reached the head."""
        if self._position < self._head:
            return None
        self._at_head = True
        if self._is_current:
            return None
        self._is_current = True
        return CaughtUp(self._position)

    def _last_frames(self) -> Iterator[Frame]:
        if self._sifting is not None:
            yield from self._sifting.warnings(0.0, last=True)
        if not self._ended():
            yield DrainingFrame(self._position, RECONNECT_AFTER)

    def _ended(self) -> bool:
        end = self._wanted.end_sequence
        return 0 < end <= self._position

    async def _read(self, deadline: float) -> Page | None:
        """Reads on, or answers None when the gateway drains."""
        if self._draining:
            return None
        self._reader = asyncio.current_task()
        self._asked = time.time_ns()
        try:
            return await self._log.read(
                self._selection,
                self._position,
                max_bytes=PAGE_BYTES,
                deadline=deadline if self._at_head else 0.0,
            )
        except asyncio.CancelledError:
            if not self._draining or self._reader is None or self._reader.uncancel():
                raise
            return None
        finally:
            self._reader = None

    def _take(self, page: Page) -> Iterator[bytes | Gap]:
        """Answers the frames of a page, and moves the cursor past each one as it is taken."""
        batches = self._cut(page.batches)
        for stretch in self._guard.stretches(batches) if self._guard else (batches,):
            if isinstance(stretch, Gap):
                self._position = stretch.last_sequence
                yield stretch
            else:
                yield from self._pack(stretch)
        self._pass(page)

    async def _sift(self, page: Page, sifting: Sifting) -> AsyncIterator[Frame]:
        """Does what ``_take`` does with what passes the sieve, and warns of what could not be told.

        Heartbeats come meanwhile, and a gateway that drains does not wait: a filter may take long for a page.
        """
        loop = asyncio.get_running_loop()
        deciding = self._reader = asyncio.ensure_future(sifting.passing(self._cut(page.batches)))
        try:
            while not (await asyncio.wait({deciding}, timeout=max(0.0, self._beat - loop.time())))[0]:
                yield self._heartbeat(page)
        finally:
            self._reader = None
            deciding.cancel()
        if self._draining and deciding.cancelled():
            return
        passing = deciding.result()
        for stretch in self._guard.stretches(passing) if self._guard and passing else (passing,):
            if isinstance(stretch, Gap):
                self._position = stretch.last_sequence
                yield stretch
                continue
            async for sifted in sifting.frames(stretch):
                self._position = sifted.through
                self._current_until = max(self._current_until, sifted.append_time)
                yield sifted.frame
        self._pass(page)
        for warning in sifting.warnings(loop.time()):
            yield warning

    def _pack(self, batches: Sequence[StoredBatch]) -> Iterator[bytes]:
        """Answers batches as few frames, and moves the cursor past each one as it is taken."""
        ends = list(accumulate([len(batch.entry) for batch in batches]))
        begin = 0
        while begin < len(batches):
            full = (ends[begin - 1] if begin else 0) + FRAME_BYTES
            run = batches[begin : max(begin + 1, bisect_right(ends, full))]
            begin += len(run)
            self._position = run[-1].last_sequence
            self._current_until = max(self._current_until, run[-1].append_time)
            yield batches_frame([batch.entry for batch in run])

    def _pass(self, page: Page) -> None:
        """Moves the cursor to the end of the page, past what the selection left out."""
        end = self._wanted.end_sequence
        self._position = min(page.through, end) if end else page.through
        self._head = page.head
        if page.through >= page.head:
            self._current_until = time.time_ns()
        else:
            self._at_head = False

    def _falls_behind(self, page: Page) -> bool:
        """Tells whether a reader that was at the head is so no more: what it reads lay there for long."""
        if page.batches:
            since = page.batches[0].append_time
        else:
            since = self._current_until if page.through < page.head else self._asked
        return since < self._asked - BEHIND_AFTER * _NANOS

    def _cut(self, batches: Sequence[StoredBatch]) -> Sequence[StoredBatch]:
        """Leaves out what lies outside of the wanted sequences, or before a time that was still to come.

        Sequences and times rise, so a page whose two ends lie inside is whole.
        """
        end, from_time = self._wanted.end_sequence or MAX_SEQUENCE, self._wanted.from_time or 0
        if not batches or (
            batches[0].first_sequence > self._position
            and batches[0].append_time >= from_time
            and batches[-1].last_sequence <= end
        ):
            return batches
        return [
            part(batch, self._position + 1, end)
            for batch in batches
            if batch.first_sequence <= end and batch.append_time >= from_time
        ]

    async def _look_for_gap(self, page: Page) -> Gap | None:
        if not self._gaps.possible(self._position, page.trimmed):
            return None
        gap = self._gaps.find(self._position, await self._log.bounds(self._selection))
        if gap and not self._wanted.skip_gaps:
            self._require_topics()
            raise EventsRemoved(gap.first_sequence, gap.last_sequence, gap.topics)
        return gap

    def _require_topics(self) -> None:
        for name in self._selection.names:
            if name not in self._topics:
                raise TopicNotFound(name)

    def _heartbeat(self, page: Page) -> Heartbeat:
        """Answers how the reader stands when it is about to be sent a page; the next one is due later."""
        self._beat = asyncio.get_running_loop().time() + self._wanted.heartbeat
        now = time.time_ns()
        if page.batches:
            since, ordinal = page.batches[0].append_time, page.batches[0].ordinal - 1
        else:
            since, ordinal = self._current_until or now, page.ordinal
        lag = max(0.0, (now - since) / _NANOS) if self._position < page.head else 0.0
        return Heartbeat(self._position, page.head, lag, max(0, page.head_ordinal - ordinal), now)


def _start(wanted: Subscribing, bounds: Bounds) -> int:
    """Answers the position to start behind."""
    if wanted.from_sequence is not None:
        if wanted.from_sequence < 1:
            raise InvalidRequest("from_sequence", "must be at least 1; sequences begin there")
        if wanted.from_sequence > bounds.head + 1:
            raise SequenceOutOfRange("from_sequence", wanted.from_sequence, bounds.head + 1)
        start = wanted.from_sequence - 1
    elif wanted.from_time is not None:
        start = bounds.position
    else:
        start = 0 if wanted.earliest else bounds.head
    if 0 < wanted.end_sequence <= start:
        raise InvalidRequest(
            "end_sequence",
            f"{wanted.end_sequence} lies before the start, which is at sequence {start + 1}",
        )
    return start
