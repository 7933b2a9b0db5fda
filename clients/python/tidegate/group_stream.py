"""One member of a group at work: reads ahead, keeps leases, joins again after a break.

A member reads what it is sent at once, whatever the consumer does: the gateway bounds it by
``max_in_flight``, and what is read can be kept. Runs in one event loop.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from tidegate.deliveries import DeliveryBatch, sequences_of
from tidegate.frame_stream import FrameStream
from tidegate.notices import StreamWarning
from tidegate.settler import Settler
from tidegate.v1 import subscription_pb2

if TYPE_CHECKING:
    from tidegate.connection import Connection
    from tidegate.group_cursor import GroupCursor
    from tidegate.notices import Listeners
    from tidegate.schemas import Decoders
    from tidegate.v1 import event_service_pb2

_KEEPS = 3
"""How often in the time of a lease it is extended."""
_LEAVING = 1.0
"""Seconds at most to read what was on its way when the member left."""
_QUIET = 0.05
"""Seconds without a frame after which nothing more is on its way."""


class GroupStream:
    """Reads as a member, until it is closed.

    Args:
        connection: What it reads over.
        cursor: How the member joins.
        decoders: How data is decoded.
        group: The group's name.
        listeners: Who is told of what.

    Attributes:
        keeps_given: Whether the leases of events in hand are extended, too. Those of events that wait to be
            read are, for as long as the consumer asks for the next one within the time of a lease.
        failure: Why it can't read any more; None while it can.
        settler: Hears what is said of the events.
    """

    def __init__(
        self,
        connection: Connection,
        cursor: GroupCursor,
        decoders: Decoders,
        group: str,
        listeners: Listeners,
    ) -> None:
        self._stirred = asyncio.Event()
        self.settler = Settler(connection, group, listeners, self._stirred.set)
        self.failure: Exception | None = None
        self._cursor = cursor
        self._decoders = decoders
        self._listeners = listeners
        self.keeps_given = False
        self._stream = FrameStream(connection, cursor, self._note_break)
        self.loop = asyncio.get_running_loop()
        self._waiting: deque[DeliveryBatch] = deque()
        self._task: asyncio.Task[None] | None = None
        self._keeping: asyncio.TimerHandle | None = None
        self._asked_at = 0.0
        self._leaving = False
        self._closed = False

    async def next_batch(self) -> DeliveryBatch | None:
        """Answers the next batch, unread as it is; None at the end.

        Raises:
            TidegateError: Joining again can't heal what is wrong.
        """
        self._asked_at = self.loop.time()
        self._start()
        while True:
            if self._waiting:
                return self._waiting.popleft()
            if self._closed or self._leaving:
                return None
            failure = self.failure or self.settler.failure
            if failure is not None:
                raise failure
            if self._cursor.finished:
                return None
            self._stirred.clear()
            await self._stirred.wait()

    def touch(self) -> None:
        """Notes that the consumer goes on: leases of what it has not read yet are kept."""
        self._asked_at = self.loop.time()

    async def leave(self) -> None:
        """Takes no further events; what is unread, and what is still on its way, goes to others untried."""
        if self._leaving or self._closed:
            return
        self._leaving = True
        self._waiting.clear()
        self._stirred.set()
        if self._cursor.member_id and self._task is not None and self.failure is None:
            await self.settler.leave()

    async def close(self) -> None:
        """Leaves the group: gives back what is unread, waits until what was said is heard, ends."""
        if self._closed:
            return
        try:
            await self.leave()
            await self._read_rest()
            await self.settler.close()
        finally:
            self.stop()

    def stop(self) -> None:
        """Ends everything at once."""
        self._closed = True
        self._waiting.clear()
        self._stirred.set()
        self.settler.stop()
        self._stream.close()
        if self._keeping is not None:
            self._keeping.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        if self._task is None and not self._closed:
            self._task = self.loop.create_task(self._run(), name="tidegate-member")

    async def _run(self) -> None:
        try:
            while not (self._closed or self._cursor.finished):
                frame = await self._stream.next_frame()
                if frame is not None:
                    await self._take(frame)
                    self._stirred.set()
        except Exception as failure:  # noqa: BLE001 - whoever reads is told
            self.failure = failure
        self._stirred.set()

    async def _take(self, frame: event_service_pb2.SubscribeResponse) -> None:
        content = self._cursor.take(frame)
        if frame.HasField("opened"):
            self.settler.open(self._cursor.member_id)
            self.settler.many = max(1, min(1_000, self._cursor.max_in_flight // 4))
            self._keep()
        elif isinstance(content, subscription_pb2.Batches):
            await self._take_batches(content)
        elif content is not None:
            if isinstance(content, StreamWarning) and content.kind == "GROUP_MOVED":
                self.settler.ledger.forget()
            self._listeners.tell(content)

    async def _take_batches(self, frame: subscription_pb2.Batches) -> None:
        ledger = self.settler.ledger
        for delivered in frame.batches:
            decode = await self._decoders.find(delivered.type, delivered.schema_version)
            sequences = sequences_of(delivered)
            hold = ledger.take(frame.lease_epoch, frame.attempt, sequences, self.loop.time())
            new = [index for index in range(len(sequences)) if index not in hold.adopted]
            indices = new if hold.adopted else range(len(sequences))
            if indices:
                self._waiting.append(DeliveryBatch(delivered, decode, hold, self.settler, indices))
        if self._leaving:
            self._waiting.clear()
            ledger.release_unread(self.loop.time())

    def _note_break(self) -> None:
        """What is unread is the gateway's again."""
        self._waiting.clear()
        self.settler.ledger.end()

    def _keep(self) -> None:
        """Extends leases, now and then."""
        if self._keeping is not None:
            self._keeping.cancel()
        interval = self._cursor.lease / _KEEPS
        self._keeping = self.loop.call_later(interval, self._extend)

    def _extend(self) -> None:
        is_alive = self.loop.time() - self._asked_at < self._cursor.lease
        if self.keeps_given or is_alive:
            self.settler.extend(given=self.keeps_given)
        self._keep()

    async def _read_rest(self) -> None:
        """Reads what was on its way, so that it goes to others untried."""
        try:
            async with asyncio.timeout(_LEAVING):
                while self._task is not None and not self._task.done() and self.failure is None:
                    self._stirred.clear()
                    await asyncio.wait_for(self._stirred.wait(), _QUIET)
        except TimeoutError:
            return
