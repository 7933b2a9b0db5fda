"""Gives an outbox a clock and a stream: sends its requests, reports the answers, reconnects.

Runs in one event loop; ``publisher`` (asyncio) and ``blocking_publisher`` (threads) are its faces.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import grpc

from tidegate.connection import Backoff, Connection, is_worth_reconnecting
from tidegate.errors import StreamStopped, TidegateError, error_of_message
from tidegate.v1 import event_service_pb2

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidegate.outbox import Outbox, Settlement
    from tidegate.outgoing import Lane

_log = logging.getLogger("tidegate")

CONNECT_TIMEOUT = 10.0
"""Seconds after which a gateway that never answered is given up."""
_LOOK_AROUND = 1.0
_WRITE_ERRORS = (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError)


class Sender:
    """Drives one outbox over one stream at a time. Belongs to the event loop that it is made in."""

    def __init__(self, connection: Connection, outbox: Outbox, settled: Callable[[], None]) -> None:
        self._connection = connection
        self._outbox = outbox
        self._loop = asyncio.get_running_loop()
        self._settled = settled
        self._work = asyncio.Event()
        self._progress = asyncio.Event()
        self._timer: asyncio.Handle | None = None
        self._task: asyncio.Task[None] | None = None
        self._backoff = Backoff(most=2.0)
        self._was_connected = False
        self._failing_since: float | None = None
        self._closed = False

    def accept(self, lane: Lane, entry: bytes, key: str, future: Settlement) -> None:
        """Takes an encoded event.

        Raises:
            RuntimeError: The sender is closed.
        """
        if self._closed:
            raise RuntimeError("the publisher is closed")
        self._outbox.add(lane, entry, key, future, self._loop.time())
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="tidegate-publisher")
            self._task.add_done_callback(self._note_end)
        if self._outbox.has_ready:
            self._work.set()
        if self._timer is None:
            self._timer = self._loop.call_soon(self._tick)

    async def flush(self) -> None:
        """Sends what waits; answers when every event accepted before is settled, well or badly."""
        target = self._outbox.accepted
        self._outbox.seal_all()
        self._work.set()
        while self._outbox.settled_before() < target:
            self._progress.clear()
            await self._progress.wait()

    async def close(self) -> None:
        """Flushes and ends the stream; if it is cancelled meanwhile, what is not settled fails."""
        if self._closed:
            return
        try:
            await self.flush()
        finally:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})
            self._outbox.fail_all(RuntimeError("the publisher was closed before the event was acknowledged"))
            self._announce()

    def _note_end(self, _task: asyncio.Task[None]) -> None:
        if not (self._closed or self._outbox.is_empty):
            _log.error("a publisher ended with unacknowledged events: close it, or use `async with`")

    def _tick(self) -> None:
        due = self._outbox.seal_due(self._loop.time())
        if self._outbox.has_ready:
            self._work.set()
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _announce(self) -> None:
        self._progress.set()
        self._settled()

    async def _run(self) -> None:
        while True:
            if not self._outbox.has_ready:
                self._work.clear()
                await self._work.wait()
            try:
                error = await self._stream()
            except Exception as fault:  # noqa: BLE001 - it is logged, and told to all who wait
                # Whoever waits for an event must hear of a fault of ours, too.
                _log.exception("publishing failed")
                self._outbox.fail_all(fault)
                error = None
            self._outbox.take_back()
            if error is not None and self._outbox.has_ready:
                self._judge(error)
                await asyncio.sleep(self._backoff.next_delay())
            self._announce()

    def _judge(self, error: TidegateError) -> None:
        """Decides what is not worth waiting for any longer."""
        now = self._loop.time()
        if self._failing_since is None:
            self._failing_since = now
        hopeless = not self._was_connected and now - self._failing_since >= CONNECT_TIMEOUT
        if hopeless or not is_worth_reconnecting(error):
            self._outbox.fail_all(error)
        else:
            _log.info("publishing is interrupted and goes on by itself: %s", error)
            self._outbox.expire(now, error)
        self._announce()

    async def _stream(self) -> TidegateError | None:
        """Holds one stream until it ends; answers why, None if a rejection was dealt with."""
        call = self._connection.stream_publish(event_service_pb2.PublishStreamResponse.FromString)
        writing = asyncio.create_task(self._write(call))
        try:
            return await self._read(call)
        except grpc.aio.AioRpcError as error:
            return self._connection.error(error)
        finally:
            call.cancel()
            writing.cancel()
            await asyncio.wait({writing})

    async def _write(self, call: grpc.aio.StreamStreamCall[bytes, Any]) -> None:
        while True:
            request = self._outbox.next_request()
            if request is None:
                self._work.clear()
                await self._work.wait()
                continue
            try:
                await call.write(request.encode())
            except _WRITE_ERRORS:
                return  # the reader learns why

    async def _read(self, call: grpc.aio.StreamStreamCall[bytes, Any]) -> TidegateError | None:
        while True:
            response = await self._next_response(call)
            if isinstance(response, TidegateError):
                return response
            self._was_connected = True
            self._failing_since = None
            for result in response.results:
                if not self._outbox.has_sent:
                    return TidegateError(
                        "the gateway answered a request that was not sent", reason="INTERNAL"
                    )
                if result.HasField("error"):
                    return self._take_error(error_of_message(result.error))
                self._outbox.publish(result.published)
                self._backoff.reset()
            self._announce()

    def _take_error(self, error: TidegateError) -> TidegateError | None:
        if error.is_transient or isinstance(error, StreamStopped):
            return error
        _log.debug("a request was rejected: %s", error)
        self._outbox.reject(error)
        return None

    async def _next_response(self, call: grpc.aio.StreamStreamCall[bytes, Any]) -> Any:
        """Answers the next response, or the error that stands for it."""
        reading = asyncio.ensure_future(call.read())
        try:
            while not (await asyncio.wait({reading}, timeout=_LOOK_AROUND))[0]:
                if self._outbox.is_overdue(self._loop.time()):
                    return self._connection.silent()
        finally:
            if not reading.done():
                reading.cancel()
        response = reading.result()
        return self._connection.ended() if response is grpc.aio.EOF else response
