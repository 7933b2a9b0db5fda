"""Reading and settling a group's events with asyncio, as one of its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.deliveries import Delivery, DeliveryBatch
from tidegate.group_stream import GroupStream
from tidegate.reader import Reader
from tidegate.schemas import Decoders

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.group_cursor import GroupCursor
    from tidegate.notices import Lag, Listeners
    from tidegate.schemas import SchemaCache


class AsyncGroupSubscription(Reader[Delivery, DeliveryBatch]):
    """Yields a group's events that are this member's to deal with; each is to be settled.

    Made by ``AsyncClient.join``; use it with ``async with``, which leaves the group well::

        async with client.join("billing", "shop.orders") as deliveries:
            async for event in deliveries:
                charge(event.message)
                event.ack()

    Guarantees. Every event of the group is delivered to its members *at least* once, until one of them
    settles it. In a group that is ordered by key (the default), the next event of a key comes when the one
    before it is settled, and not sooner. What is said of events is sent in batches, in order, and repeated
    until the gateway has heard it.

    It reconnects by itself, as a new member. What the old one had is the gateway's again: events that were
    not read yet are dropped here, and given out anew. An event that is still in hand, or that was
    acknowledged or rejected within the last minute without the gateway's confirmation, is not yielded again
    if it comes back to this object: what was said of it, or will be, counts. It may have gone to another
    member instead: then ``on_late`` is told of it. An event does come twice to this object where its lease
    ended, it was nacked or released, the group was moved, or the gateway was killed within 100 ms after it
    confirmed.

    It reads ahead, at most ``max_in_flight`` events, and extends the leases of what it read ahead, for as
    long as the next event is asked for within the time of a lease. An event in hand must be settled within
    the ``lease``, or extended with ``event.extend()``. ``Worker`` does that by itself, and runs many at a
    time.

    Leaving (``close``, or the end of ``async with``) gives back what was not read, waits at most ten seconds
    until the gateway has heard what was said, and leaves. What is in hand then comes again, to somebody.
    """

    def __init__(
        self,
        connection: Connection,
        cursor: GroupCursor,
        schemas: SchemaCache,
        classes: Mapping[str, type[Message]],
        listeners: Listeners,
        *,
        group: str,
    ) -> None:
        super().__init__()
        self._cursor = cursor
        self._stream = GroupStream(connection, cursor, Decoders(schemas, classes), group, listeners)
        self._loop: asyncio.AbstractEventLoop = self._stream.loop
        self.group = group
        """The group's name."""

    @property
    def member_id(self) -> str:
        """The name of this member, which changes when it reconnects; empty before it joined."""
        return self._cursor.member_id

    @property
    def position(self) -> int | None:
        """How far the group has read the log; None before it was joined."""
        return self._cursor.position

    @property
    def caught_up(self) -> bool:
        """Whether all that was in the log was settled at least once since this member joined."""
        return self._cursor.caught_up

    @property
    def lag(self) -> Lag | None:
        """How far behind the head the group's reading was at the last heartbeat; None before one was."""
        return self._cursor.lag

    @property
    def lease(self) -> float:
        """How many seconds a member has for an event."""
        return self._cursor.lease

    @property
    def late_count(self) -> int:
        """How many events were settled too late since this object was made."""
        return self._stream.settler.late_count

    async def __anext__(self) -> Delivery:
        self.touch()
        return await super().__anext__()

    async def next_batch(self) -> DeliveryBatch | None:
        """Answers the next batch, or what is left of the one that is being iterated; None at the end."""
        while (batch := await super().next_batch()) is not None:
            given = batch.given()
            if len(given):
                return given
        return None

    async def next_unread(self) -> DeliveryBatch | None:
        """Answers the next batch without giving its events out: each is dealt with once it ``begin``s."""
        return await self._stream.next_batch()

    def keep_leases(self) -> None:
        """Has the leases of events in hand extended, too, for as long as it takes."""
        self._stream.keeps_given = True

    def touch(self) -> None:
        """Says that the consumer goes on: leases of what it has not read yet are kept."""
        self._stream.touch()

    def ack_through(self, event: Delivery) -> None:
        """Acknowledges an event and all that were yielded before it and that no word settled."""
        event.settle_through()

    async def flush(self) -> None:
        """Returns when the gateway has heard what was said before.

        Raises:
            TidegateError: It never will, since the group is gone or refuses this member.
        """
        await self._stream.settler.flush()

    async def leave(self) -> None:
        """Takes no further events: what is not read goes to others at once. Those in hand can be settled."""
        await self._stream.leave()

    async def close(self) -> None:
        """Leaves the group; see the class. Iterating then ends, too."""
        self._events = iter(())
        await self._stream.close()

    def __del__(self) -> None:
        # A loop that was left by `break` must not stay a member; this may be any thread.
        loop = getattr(self, "_loop", None)
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._stream.stop)

    async def _next_batch(self) -> DeliveryBatch:
        batch = await self._stream.next_batch()
        if batch is None:
            raise StopAsyncIteration
        return batch

    def _iterate(self, batch: DeliveryBatch) -> Iterator[Delivery]:
        return (event for event in batch if event.begin())

    def _rest(self, batch: DeliveryBatch, given: int) -> DeliveryBatch:  # noqa: ARG002 - the batch knows
        return batch
