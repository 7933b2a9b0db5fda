"""Reading events with asyncio, over as many connections as it takes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tidegate.frame_stream import FrameStream
from tidegate.reader import Reader
from tidegate.received import Batch, Event
from tidegate.schemas import Decoders
from tidegate.v1 import subscription_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.cursor import Cursor
    from tidegate.notices import Lag, Listeners
    from tidegate.schemas import SchemaCache
    from tidegate.v1 import event_pb2, event_service_pb2


class AsyncSubscription(Reader[Event, Batch]):
    """Yields events in sequence order: ``async for event in subscription``.

    Made by ``AsyncClient.subscribe``. It reconnects by itself, for as long as it takes once it was connected,
    and resumes behind the last event: within one subscription nothing is skipped and nothing comes twice.
    It reads on only when it is asked for more, so a slow reader holds one frame (3.5 MiB at most) and slows
    nobody. Iterating may be interrupted (``asyncio.timeout``, ``break``) and taken up again. One task at a
    time iterates. Errors that reconnecting can't heal are raised.
    """

    def __init__(
        self,
        connection: Connection,
        cursor: Cursor,
        schemas: SchemaCache,
        classes: Mapping[str, type[Message]],
        listeners: Listeners,
    ) -> None:
        super().__init__()
        self._cursor = cursor
        self._stream = FrameStream(connection, cursor)
        self._decoders = Decoders(schemas, classes)
        self._listeners = listeners
        self._frame: deque[event_pb2.EventBatch] = deque()

    @property
    def position(self) -> int | None:
        """The last sequence that the reader is through: ``start=position + 1`` goes on behind it.

        Inside of the loop, that is the event in hand; store it when the event is dealt with. None before the
        gateway has said where the subscription starts.
        """
        return self._given if self._given is not None else self._cursor.position

    @property
    def caught_up(self) -> bool:
        """Whether the reader has reached the head of the log, and has not fallen behind since."""
        return self._cursor.caught_up

    @property
    def lag(self) -> Lag | None:
        """How far behind the head the reader was at the last heartbeat that was read; None before one was."""
        return self._cursor.lag

    async def close(self) -> None:
        """Ends the stream. Iterating then ends, too."""
        self._frame.clear()
        self._events = iter(())
        self._stream.close()

    async def _next_batch(self) -> Batch:
        while True:
            while self._frame:
                delivered = self._frame[0]
                decode = await self._decoders.find(delivered.type, delivered.schema_version)
                self._frame.popleft()
                batch = Batch(delivered, decode, self._cursor.position or 0)
                if len(batch):
                    self._cursor.advance(batch.last_sequence)
                    return batch
            if self._stream.closed or self._cursor.finished:
                self._stream.drop()
                raise StopAsyncIteration
            frame = await self._stream.next_frame()
            if frame is not None:
                self._take(frame)

    def _take(self, frame: event_service_pb2.SubscribeResponse) -> None:
        content = self._cursor.take(frame)
        if isinstance(content, subscription_pb2.Batches):
            self._frame.extend(filter(self._cursor.wants, content.batches))
        elif content is not None:
            self._listeners.tell(content)

    def _iterate(self, batch: Batch) -> Iterator[Event]:
        return iter(batch)

    def _rest(self, batch: Batch, given: int) -> Batch | None:
        return batch.after(given) if given < batch.last_sequence else None
