"""The frames of a subscription, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

import grpc

from tidegate.connection import Backoff, is_worth_reconnecting
from tidegate.sender import CONNECT_TIMEOUT
from tidegate.v1 import event_service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.connection import Connection
    from tidegate.cursor import Cursor
    from tidegate.errors import TidegateError

_log = logging.getLogger("tidegate")

_PROGRESS = frozenset({"batches", "heartbeat"})
"""Frames of a stream that goes on."""


class FrameStream:
    """Reads one stream at a time, and opens the next one as the cursor says. Belongs to its event loop.

    Args:
        connection: What it reads over.
        cursor: What to ask each stream for, and how long one may be silent.
        on_break: Called when a stream broke, before the next one is tried.
    """

    def __init__(
        self, connection: Connection, cursor: Cursor, on_break: Callable[[], object] = lambda: None
    ) -> None:
        self._connection = connection
        self._cursor = cursor
        self._on_break = on_break
        self._backoff = Backoff()
        self._loop = asyncio.get_running_loop()
        self._call: grpc.aio.UnaryStreamCall[Any, Any] | None = None
        self._reading: asyncio.Future[Any] | None = None
        self._was_opened = False
        self._failing_since: float | None = None
        self.closed = False

    async def next_frame(self) -> event_service_pb2.SubscribeResponse | None:
        """Answers the next frame; None if the stream ended, or broke and another one is to be opened.

        A wait that is interrupted loses nothing.

        Raises:
            TidegateError: A new stream would be of no use, or no gateway was ever there.
        """
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
                return self._note_life(frame)
            await self._take_end()
        return None

    def close(self) -> None:
        """Ends the stream; none is opened after it."""
        self.closed = True
        self.drop()

    def drop(self) -> None:
        """Ends the present stream."""
        if self._call is not None:
            self._call.cancel()
        if self._reading is not None:
            self._reading.cancel()
        self._call = self._reading = None

    def __del__(self) -> None:
        # A loop that was left by `break` must not keep its stream; this may be any thread.
        call = getattr(self, "_call", None)
        if call is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call.cancel)

    def _note_life(self, frame: Any) -> event_service_pb2.SubscribeResponse:
        self._was_opened = True
        self._failing_since = None
        if (
            frame.WhichOneof("frame") in _PROGRESS
        ):  # others come also of one that breaks as soon as it is open
            self._backoff.reset()
        return cast("event_service_pb2.SubscribeResponse", frame)

    async def _take_end(self) -> None:
        """Deals with a stream that the gateway ended without an error."""
        if self._cursor.has_end and self._cursor.reconnect_after is None:
            self._cursor.finished = True
            self.drop()
        else:
            await self._reconnect(self._connection.ended())

    async def _reconnect(self, error: TidegateError) -> None:
        """Waits before the next stream.

        Raises:
            TidegateError: A new stream would be of no use, or no gateway was ever there.
        """
        self.drop()
        if self.closed:
            return
        self._on_break()
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
