"""Reading the log for one group: on from its position, and again for keys that are behind.

Reads only while there are members and the state wants more. Imports nothing of gRPC or of the stubs.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

import structlog

from gateway.entries import event_keys
from gateway.frames import Gap, Subscribing
from gateway.gaps import Gaps
from gateway.groups.values import Ordering
from registry.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.groups.payloads import Payloads
    from gateway.groups.sieving import GroupSieve
    from gateway.groups.state import GroupState
    from gateway.log import Bounds, EventLog, Page, StoredBatch
    from gateway.selection import Selection
    from gateway.sieves import Failures

PAGE_BYTES: Final = 1024 * 1024
"""How much is read at once, besides a batch that is larger by itself."""
SWEEPS: Final = 3
"""How many pages are read again for keys that are behind, for each one that is read on."""
PATIENCE: Final = 1.0
"""How long to wait at the head before the position moves past what others published."""
RETRY_SECONDS: Final = 1.0
"""How long to wait before a log that can't be read is tried again."""

_log = structlog.get_logger("tidegate.groups")


class Feeder:
    """Gives a group's state what it wants of the log.

    Attributes:
        selection: What of the log it reads.
        at_head: Whether the group has read all that there is.
        read_time: When what was read last was appended, in ns; the present, at the head.
        ordinal: The ordinal of the last batch that was read.
        trouble: Why it can't read on; empty if it can.
    """

    def __init__(
        self,
        log: EventLog,
        state: GroupState,
        payloads: Payloads,
        selection: Selection,
        sieve: GroupSieve,
        *,
        removed: Bounds | None,
        stirred: Callable[[], None],
        lost: Callable[[Gap], None],
        failed: Callable[[Failures], None],
    ) -> None:
        """Reads what a selection has and a sieve lets through.

        Args:
            log: What it reads.
            state: What it reads for.
            payloads: Where it keeps what it read.
            selection: What of the log it reads.
            sieve: What of that is offered.
            removed: What was stored when the group was made, if it is new: what had been removed by then is
                no loss of its.
            stirred: Told that the state changed.
            lost: Told what retention removed.
            failed: Told where the filter failed.
        """
        self._log = log
        self._state = state
        self._payloads = payloads
        self._stirred = stirred
        self._lost = lost
        self._failed = failed
        self._wanted = asyncio.Event()
        self._reading: asyncio.Future[Page] | None = None
        self._gaps: Gaps | None = None
        self._turn = 0
        self._interrupts = 0
        self._swept_from = self._swept_gap = 0
        self._removed = removed
        self._sieve = sieve
        self.selection = selection
        self.at_head = False
        self.read_time = 0
        self.ordinal = 0
        self.trouble = ""

    def want(self) -> None:
        """Has it look whether the state wants more."""
        self._wanted.set()
        if self._reading is not None and self.at_head and self._state.sweep_from() is not None:
            self._reading.cancel()

    def follow(self, selection: Selection, sieve: GroupSieve) -> None:
        """Reads something else from now on."""
        self.selection, self._sieve = selection, sieve
        self.interrupt()

    def interrupt(self) -> None:
        """Ends a wait at the head: the position, or what is selected, is another now.

        What is being read for the old ones is passed over.
        """
        self._interrupts += 1
        self._gaps = None
        self.at_head = False
        if self._reading is not None:
            self._reading.cancel()
        self._wanted.set()

    async def run(self) -> None:
        """Reads whenever the state wants more, until cancelled; a failing log is tried again."""
        while True:
            try:
                await self._step()
                self.trouble = ""
            except TidegateError as error:
                _log.warning("a group can't read on; trying again", error=str(error), **error.facts())
                await self._rest(str(error))
            except Exception:  # noqa: BLE001 - whatever it is, it must not end the reading for good
                _log.exception("a group can't read on; trying again")
                await self._rest("an internal error, which the gateway has logged")

    async def _rest(self, trouble: str) -> None:
        """Waits before what failed is tried again, and has that told."""
        self.trouble = trouble
        await asyncio.sleep(RETRY_SECONDS)

    async def _step(self) -> None:
        sweep = self._state.sweep_from()
        room = self._state.room()
        self._turn = (self._turn + 1) % (SWEEPS + 1)
        if sweep is not None and (not room or self._turn or self.at_head):
            await self._sweep(sweep)
        elif room:
            await self._read_on(wait=sweep is None)
        else:
            self._wanted.clear()
            if not self._state.room() and self._state.sweep_from() is None:
                await self._wanted.wait()

    async def _read_on(self, *, wait: bool) -> None:
        position, sieve, before = self._state.position, self._sieve, self._interrupts
        page = await self._page(position, wait=wait)
        if page is None or before != self._interrupts:
            return
        await self._look_for_gap(position, page)
        batches = [batch for batch in page.batches if batch.last_sequence > position]
        await sieve.prepare(batches)
        if before != self._interrupts:  # moved or changed meanwhile
            return
        self._payloads.keep(batches)
        self._offer(batches, position)
        if failures := sieve.take_failures():
            self._failed(failures)
        self._state.advance(page.through)
        self._note(page)
        self._stirred()

    async def _page(self, position: int, *, wait: bool) -> Page | None:
        """Reads on, waiting at the head; answers None if that was interrupted."""
        deadline = asyncio.get_running_loop().time() + PATIENCE if wait and self.at_head else 0.0
        reading = asyncio.ensure_future(
            self._log.read(self.selection, position, max_bytes=PAGE_BYTES, deadline=deadline)
        )
        self._reading = reading
        try:
            await asyncio.wait((reading,))
        except asyncio.CancelledError:
            reading.cancel()
            raise
        finally:
            self._reading = None
        return None if reading.cancelled() else reading.result()

    def _offer(self, batches: Sequence[StoredBatch], position: int) -> None:
        """Offers what passes of some batches behind a position: as spans, where no keys matter."""
        by_key = self._state.settings.ordering is Ordering.BY_KEY
        for batch in batches:
            matches = self._sieve.matches(batch)
            if matches is None and not by_key:
                self._state.offer_spans(((max(batch.first_sequence, position + 1), batch.last_sequence),))
            else:
                self._state.offer(list(self._keyed(batch, matches, position, by_key=by_key)))

    def _keyed(
        self, batch: StoredBatch, matches: Sequence[int] | None, position: int, *, by_key: bool
    ) -> Iterable[tuple[int, str]]:
        """Answers the sequences and keys of what passes of a batch behind a position."""
        first = batch.first_sequence
        begin = max(0, position + 1 - first)
        if matches is None:
            matches = range(begin, batch.count)
        elif begin:
            matches = [index for index in matches if index >= begin]
        sequences = map(first.__add__, matches)
        if not by_key:
            return zip(sequences, repeat(""))
        keys = event_keys(batch.entry)
        return zip(sequences, map(bytes.decode, map(keys.__getitem__, matches)), strict=True)

    async def _sweep(self, after: int) -> None:
        sieve, before = self._sieve, self._interrupts
        page = await self._log.read(self.selection, after, max_bytes=PAGE_BYTES, deadline=0.0)
        await sieve.prepare(page.batches)
        sieve.take_failures()  # which were told when they were read first
        gap = await self._find_swept_gap(after) if page.trimmed > after else None
        if before != self._interrupts or self._state.sweep_from() != after:  # moved or changed meanwhile
            return
        if gap is not None:
            self._tell_gap(gap)
        self._payloads.keep(page.batches)
        keyed = (self._keyed(batch, self._sieve.matches(batch), after, by_key=True) for batch in page.batches)
        self._state.sweep(chain.from_iterable(keyed), page.through)
        self._stirred()

    async def _look_for_gap(self, position: int, page: Page) -> None:
        if self._gaps is None:
            if self._removed is not None:
                self._gaps, self._removed = Gaps(Subscribing((), earliest=True), self._removed), None
            else:
                before, bounds = self._interrupts, await self._log.bounds(self.selection)
                if before != self._interrupts:
                    return
                self._gaps = Gaps(Subscribing((), from_sequence=position + 1), bounds)
        gaps = self._gaps
        if not gaps.possible(position, page.trimmed):
            return
        bounds = await self._log.bounds(self.selection)
        if gaps is self._gaps and (gap := gaps.find(position, bounds)) is not None:
            self._tell_gap(gap)

    async def _find_swept_gap(self, after: int) -> Gap | None:
        """Answers what of a sweep's part of the log retention removed, once each sweep.

        Whether any of it was of the keys that the sweep is for, nobody knows any more.
        """
        bounds = await self._log.bounds(self.selection)
        if after < self._swept_from:
            self._swept_gap = 0  # another sweep
        self._swept_from = after
        floor = max(after, self._swept_gap)
        lost = {
            name: topic.trimmed_through
            for name, topic in bounds.topics.items()
            if topic.trimmed_through > floor
        }
        if not lost:
            return None
        self._swept_gap = max(lost.values())
        return Gap(floor + 1, min(self._swept_gap, self._state.position), tuple(sorted(lost)))

    def _tell_gap(self, gap: Gap) -> None:
        self._state.note_lost(gap.last_sequence)
        self._lost(gap)

    def _note(self, page: Page) -> None:
        self.at_head = page.through >= page.head
        self.ordinal = page.ordinal
        if self.at_head:
            self.read_time = time.time_ns()
        elif page.batches:
            self.read_time = page.batches[-1].append_time

    async def close(self, running: asyncio.Task[None]) -> None:
        """Ends ``run``."""
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
