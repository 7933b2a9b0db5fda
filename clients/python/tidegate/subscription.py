"""Reading events with asyncio, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Self, cast

import grpc

from tidegate.connection import Backoff, is_worth_reconnecting
from tidegate.cursor import Gap
from tidegate.errors import TidegateError
from tidegate.received import Batch, Event
from tidegate.sender import CONNECT_TIMEOUT
from tidegate.v1 import event_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from types import TracebackType

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.cursor import Cursor, Lag
    from tidegate.received import Decode
    from tidegate.schemas import SchemaCache
    from tidegate.v1 import event_pb2

_log = logging.getLogger("tidegate")


class AsyncSubscription:
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
        *,
        on_gap: Callable[[Gap], object] | None = None,
        on_caught_up: Callable[[int], object] | None = None,
    ) -> None:
        self._connection = connection
        self._cursor = cursor
        self._schemas = schemas
        self._decoders: dict[tuple[str, int], Decode] = {}
        self._classes = classes
        self._on_gap = on_gap
        self._on_caught_up = on_caught_up
        self._backoff = Backoff()
        self._loop = asyncio.get_running_loop()
        self._call: grpc.aio.UnaryStreamCall[Any, Any] | None = None
        self._reading: asyncio.Future[Any] | None = None
        self._was_opened = False
        self._failing_since: float | None = None
        self._frame: deque[event_pb2.EventBatch] = deque()
        self._batch: Batch | None = None
        self._events: Iterator[Event] = iter(())
        self._given: int | None = None
        self._closed = False

    @property
    def position(self) -> int | None:
        """The last sequence that the reader is through: ``start=position + 1`` goes on behind it.

        Inside of the loop, that is the event in hand; store it when the event is dealt with. None before the
        gateway has said where the subscription starts.
        """
        return self._given if self._given is not None else self._cursor.position

    @property
    def caught_up(self) -> bool:
        """Whether the reader has reached the head of the log since it began."""
        return self._cursor.caught_up

    @property
    def lag(self) -> Lag | None:
        """How far behind the head the reader was at the last heartbeat that was read; None before one was."""
        return self._cursor.lag

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = next(self._events, None)
        while event is None:
            self._given = None
            self._batch = await self._next_batch()
            self._events = iter(self._batch)
            event = next(self._events, None)
        self._given = event.sequence
        return event

    async def batches(self) -> AsyncIterator[Batch]:
        """Yields whole batches: a faster way to the same events."""
        while (batch := await self.next_batch()) is not None:
            yield batch

    async def next_batch(self) -> Batch | None:
        """Answers the next batch, or what is left of the one that is being iterated; None at the end."""
        batch, given = self._batch, self._given
        self._batch, self._given, self._events = None, None, iter(())
        if batch is not None and given is not None and given < batch.last_sequence:
            return batch.after(given)
        try:
            return await self._next_batch()
        except StopAsyncIteration:
            return None

    async def close(self) -> None:
        """Ends the stream. Iterating then ends, too."""
        self._closed = True
        self._frame.clear()
        self._events = iter(())
        self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __del__(self) -> None:
        # A loop that was left by `break` must not keep its stream; this may be any thread.
        call = getattr(self, "_call", None)
        if call is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call.cancel)

    async def _next_batch(self) -> Batch:
        while True:
            while self._frame:
                delivered = self._frame[0]
                decode = await self._decoder(delivered.type, delivered.schema_version)
                self._frame.popleft()
                batch = Batch(delivered, decode, self._cursor.position or 0)
                if len(batch):
                    self._cursor.advance(batch.last_sequence)
                    return batch
            if self._closed or self._cursor.finished:
                self._drop()
                raise StopAsyncIteration
            frame = await self._next_frame()
            if frame is not None:
                self._take(frame)

    def _take(self, frame: event_service_pb2.SubscribeResponse) -> None:
        was_caught_up = frame.HasField("caught_up")
        content = self._cursor.take(frame)
        self._was_opened = True
        self._failing_since = None
        self._backoff.reset()
        if isinstance(content, Gap):
            _log.warning(
                "events %d to %d were removed before they were read",
                content.first_sequence,
                content.last_sequence,
            )
            if self._on_gap:
                self._on_gap(content)
        elif content:
            self._frame.extend(content)
        if was_caught_up and self._on_caught_up:
            self._on_caught_up(frame.caught_up.position)

    async def _next_frame(self) -> event_service_pb2.SubscribeResponse | None:
        """Answers the next frame; None if the stream broke and another one is to be opened."""
        if self._call is None:
            self._call = self._connection.stream_subscribe(
                self._cursor.next_request(), event_service_pb2.SubscribeResponse.FromString
            )
        reading = self._reading = self._reading or asyncio.ensure_future(self._call.read())
        # A wait that is interrupted leaves the reading as it is: the next one finds its frame.
        done, _ = await asyncio.wait({reading}, timeout=self._cursor.silence or None)
        if self._reading is not reading:  # closed meanwhile
            return None
        if not done:
            await self._reconnect(self._connection.silent())
            return None
        self._reading = None
        try:
            frame: Any = reading.result()
        except asyncio.CancelledError:
            await self._reconnect(self._connection.ended())
        except grpc.aio.AioRpcError as error:
            await self._reconnect(self._connection.error(error))
        else:
            if frame is not grpc.aio.EOF:
                return cast("event_service_pb2.SubscribeResponse", frame)
            await self._take_end()
        return None

    async def _take_end(self) -> None:
        """Deals with a stream that the gateway ended without an error."""
        if self._cursor.has_end and self._cursor.reconnect_after is None:
            self._cursor.finished = True
            self._drop()
        else:
            await self._reconnect(self._connection.ended())

    async def _reconnect(self, error: TidegateError) -> None:
        """Waits before the next stream.

        Raises:
            TidegateError: A new stream would be of no use, or no gateway was ever there.
        """
        self._drop()
        if self._closed:
            return
        now = self._loop.time()
        if self._failing_since is None:
            self._failing_since = now
        never_there = not self._was_opened and now - self._failing_since >= CONNECT_TIMEOUT
        if never_there or not is_worth_reconnecting(error):
            raise error
        after = self._cursor.reconnect_after
        delay = self._backoff.next_delay() + (after or 0.0)
        _log.info("a subscription is interrupted and goes on by itself in %.1f s: %s", delay, error)
        await asyncio.sleep(delay)

    def _drop(self) -> None:
        if self._call is not None:
            self._call.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._call = self._reading = None

    async def _decoder(self, type_name: str, version: int) -> Decode:
        decode = self._decoders.get((type_name, version))
        if decode is None:
            cls = self._classes.get(type_name)
            if cls is None:
                try:
                    cls = await self._schemas.message_class(type_name, version)
                except TidegateError as error:
                    return _refuse(error)  # only those who ask for `message` need the schema
            decode = self._decoders[type_name, version] = cls.FromString
        return decode


def _refuse(error: TidegateError) -> Decode:
    def decode(_data: bytes) -> Message:
        raise error

    return decode
