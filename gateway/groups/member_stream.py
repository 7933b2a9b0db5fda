"""The stream of one member of a group: what it is given, as frames.

A member takes when its last frame has left: what it can't take nobody holds for it. Imports nothing of gRPC
or of the generated stubs.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from gateway.entries import leased_frame
from gateway.errors import GroupNotFound
from gateway.frames import (
    FRAME_BYTES,
    RECONNECT_AFTER,
    CaughtUp,
    DrainingFrame,
    Heartbeat,
    Opened,
    WarningFrame,
    WarningKind,
)
from gateway.groups.values import Settlement, Verb
from gateway.sifting import warning_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from gateway.frames import Frame, Gap, Subscribing
    from gateway.groups.payloads import Excerpt
    from gateway.groups.runtime import GroupRuntime
    from gateway.groups.state import Delivery, Expired
    from gateway.reader_guard import ReaderGuard
    from gateway.sieves import Failures, Sieve

_NANOS: Final = 1_000_000_000


class MemberStream:
    """One member's stream. Its frames are taken once, by one task.

    Attributes:
        id: Names the member.
        asked_at: Since when it has not looked what there is to take, by the loop's time; 0 if it has.
    """

    def __init__(
        self,
        runtime: GroupRuntime,
        member_id: str,
        wanted: Subscribing,
        guard: ReaderGuard | None,
        projection: Sieve | None,
    ) -> None:
        self.id = member_id
        self.asked_at = 0.0
        self._projection = projection
        self._failures: Failures | None = None
        self._quiet_until = 0.0
        self._runtime = runtime
        self._wanted = wanted
        self._guard = guard
        self._woken = asyncio.Event()
        self._notices: deque[Gap | WarningFrame] = deque(maxlen=100)
        self._told_stalled = False
        self._told_settled = False
        self._draining = False
        self._deleted = False

    def wake(self) -> None:
        """Has it look whether there is something to take."""
        self._woken.set()
        self.asked_at = self.asked_at or asyncio.get_running_loop().time()

    def tell(self, notice: Gap | WarningFrame) -> None:
        """Has it send a notice, between two frames of events."""
        self._notices.append(notice)
        self._woken.set()

    def tell_expired(self, expired: Expired) -> None:
        """Has it say that events were taken from it."""
        first, last = expired.spans[0][0], expired.spans[-1][1]
        events = sum(end - begin + 1 for begin, end in expired.spans)
        self.tell(
            WarningFrame(
                WarningKind.LEASE_EXPIRED,
                f"leases ended: {events:,} events were taken from this member, and it gets no more until it "
                f"acknowledges something. Acknowledge sooner, extend the lease of what takes longer, or make "
                f"the group's lease longer",
                events,
                first,
                last,
            )
        )

    def tell_failed(self, failures: Failures) -> None:
        """Has it say, when it is time, that the group's filter failed on events."""
        self._failures = self._failures.joined(failures) if self._failures else failures
        self._woken.set()

    def drain(self) -> None:
        """Ends the stream: the gateway stops."""
        self._draining = True
        self._woken.set()

    def end_deleted(self) -> None:
        """Ends the stream: the group is gone."""
        self._deleted = True
        self._woken.set()

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Answers the frames, until the stream is closed, the gateway drains, or the group is deleted.

        Raises:
            GroupNotFound: The group was deleted.
        """
        state, interval = self._runtime.state, self._wanted.heartbeat
        loop = asyncio.get_running_loop()
        yield Opened(
            state.position,
            await self._runtime.report.head(),
            interval,
            self.id,
            state.settings.lease,
            state.most_in_flight(self.id),
        )
        beat = loop.time() + interval
        while not (self._draining or self._deleted):
            self._woken.clear()
            self.asked_at = 0.0
            for notice in (*self._take_notices(), *self._warnings(loop.time())):
                yield notice
            if loop.time() >= beat:
                yield await self._heartbeat()
                beat = loop.time() + interval
            deliveries = state.take(self.id, self._runtime.now())
            for delivery in deliveries:
                async for frame in self._deliver(delivery):
                    yield frame
            self._runtime.stir()
            if not deliveries:
                if self._has_caught_up():
                    yield CaughtUp(state.position)
                await self._wait(beat)
        for warning in self._warnings(loop.time(), last=True):
            yield warning
        if self._deleted:
            raise GroupNotFound(self._runtime.definition.name)
        yield DrainingFrame(state.position, RECONNECT_AFTER)

    async def _wait(self, beat: float) -> None:
        """Waits until it is woken or a heartbeat is due."""
        timer = asyncio.get_running_loop().call_at(beat, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()

    async def _deliver(self, delivery: Delivery) -> AsyncGenerator[Frame, None]:
        """Answers the frames of what the member was given; what the log lacks is lost, and is told."""
        async with aclosing(self._runtime.portions(delivery.spans)) as portions:
            async for excerpts, lost in portions:
                if lost:
                    await self._runtime.lose(self.id, delivery.epoch, lost)
                readable = excerpts
                if self._guard:
                    readable = await self._readable(self._guard, excerpts, delivery.epoch)
                async for frame in self._frames_of(readable, delivery):
                    yield frame

    async def _frames_of(
        self, excerpts: Sequence[Excerpt], delivery: Delivery
    ) -> AsyncGenerator[Frame, None]:
        entries: list[bytes] = []
        size = 0
        async for entry in self._entries(excerpts):
            if entries and size + len(entry) > FRAME_BYTES:
                yield leased_frame(entries, delivery.epoch, delivery.attempt)
                entries, size = [], 0
            entries.append(entry)
            size += len(entry)
        if entries:
            yield leased_frame(entries, delivery.epoch, delivery.attempt)

    async def _entries(self, excerpts: Sequence[Excerpt]) -> AsyncGenerator[bytes, None]:
        """Answers the finished entries of some events, in the form that the member asked for."""
        if self._projection is None:
            for excerpt in excerpts:
                yield self._runtime.payloads.entry(excerpt)
            return
        for excerpt in excerpts:
            await self._projection.prepare((excerpt.batch,))
            async for made in self._projection.some(excerpt.batch, excerpt.indexes):
                yield made.entry

    async def _readable(self, guard: ReaderGuard, excerpts: list[Excerpt], epoch: int) -> list[Excerpt]:
        """Answers what the member can read; the rest failed, and others may try it."""
        await guard.judge([excerpt.batch for excerpt in excerpts])
        readable = [excerpt for excerpt in excerpts if guard.can_read(excerpt.batch)]
        for excerpt in excerpts:
            if not guard.can_read(excerpt.batch):
                first = excerpt.batch.first_sequence
                spans = tuple((first + index, first + index) for index in excerpt.indexes)
                reason = (
                    f"INCOMPATIBLE_VERSION: a {excerpt.batch.type} of schema version "
                    f"{excerpt.batch.schema_version} can't be read as the version that the member has"
                )
                self._runtime.settle(self.id, [Settlement(epoch, Verb.NACK, spans, reason=reason)])
        return readable

    def _take_notices(self) -> Iterator[Gap | WarningFrame]:
        while self._notices:
            yield self._notices.popleft()
        stalled = self._runtime.report.stalled
        if stalled and not self._told_stalled:
            yield WarningFrame(WarningKind.GROUP_STALLED, f"the group delivers nothing: {stalled}")
        self._told_stalled = bool(stalled)

    def _warnings(self, now: float, *, last: bool = False) -> Iterator[WarningFrame]:
        """Answers what there is to warn of: once in a heartbeat interval, and ``last`` all that there is."""
        if now < self._quiet_until and not last:
            return
        failures, self._failures = self._failures, None
        withheld = self._projection.take_withheld() if self._projection else None
        if failures or withheld:
            self._quiet_until = now + self._wanted.heartbeat
        if failures:
            yield warning_of(WarningKind.FILTER_FAILED, failures)
        if withheld:
            yield warning_of(WarningKind.DATA_WITHHELD, withheld)

    def _has_caught_up(self) -> bool:
        """Tells, once each time, that all that was in the log is settled."""
        settled = self._runtime.is_settled
        news = settled and not self._told_settled
        self._told_settled = settled
        return news

    async def _heartbeat(self) -> Heartbeat:
        state = self._runtime.state
        head, ordinal, since = await self._runtime.report.standing()
        now = time.time_ns()
        behind = state.position < head
        return Heartbeat(
            state.position,
            head,
            max(0.0, (now - since) / _NANOS) if behind and since else 0.0,
            ordinal if behind else 0,
            now,
        )
