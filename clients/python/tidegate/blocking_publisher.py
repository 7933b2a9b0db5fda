"""Publishing many events from threads: the face of ``Sender`` for programs without an event loop."""

# ruff: noqa: A002 - `id` and `type` are the contract's words

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self

from tidegate.outbox import Outbox, Published
from tidegate.outgoing import Lane, as_event
from tidegate.publisher import encode_entry
from tidegate.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.loop_thread import LoopThread
    from tidegate.outgoing import NewEvent

_log = logging.getLogger("tidegate")


class PublishFuture(Future[Published]):
    """The fate of one event. A failure that nobody ever looks at is logged: it must not go unseen."""

    _unseen: BaseException | None = None

    def set_exception(self, exception: BaseException | None) -> None:
        """Says why the event stands nowhere."""
        self._unseen = exception
        super().set_exception(exception)

    def result(self, timeout: float | None = None) -> Published:
        """Answers where the event stands, or raises the ``TidegateError`` that says why it does not."""
        try:
            return super().result(timeout)
        finally:
            self._mark_seen()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Answers why the event stands nowhere; None if it stands."""
        try:
            return super().exception(timeout)
        finally:
            self._mark_seen()

    def _mark_seen(self) -> None:
        if self.done():
            self._unseen = None

    def __del__(self) -> None:
        if self._unseen is not None:
            _log.error("an event was not published, and nobody looked at its future: %s", self._unseen)


class Publisher:
    """Publishes events in batches, in order, each with a future that resolves when it is durable.

    Made by ``Client.publisher``; use it with ``with``, which flushes at the end. Any thread may publish; the
    order is kept for each thread. Guarantees as ``AsyncPublisher``.
    """

    def __init__(
        self,
        thread: LoopThread,
        connection: Connection,
        outbox: Outbox,
        *,
        max_batch_bytes: int,
        max_pending_bytes: int,
    ) -> None:
        self._thread = thread
        self._outbox = outbox
        self._max_batch_bytes = max_batch_bytes
        self._max_pending_bytes = max_pending_bytes
        self._lock = threading.Condition()
        self._inbox: deque[tuple[Lane, bytes, str, PublishFuture]] = deque()
        self._inbox_bytes = 0
        self._held_bytes = 0
        self._is_taking = False
        self._closed = False

        async def make_sender() -> Sender:
            return Sender(connection, outbox, self._make_room)

        self._sender = thread.run(make_sender())

    def publish(
        self,
        topic: str,
        message: Message | bytes | NewEvent,
        *,
        key: str = "",
        id: str = "",
        time: datetime | None = None,
        attributes: Mapping[str, str] | None = None,
        type: str = "",
        schema_version: int = 0,
    ) -> Future[Published]:
        """Hands one event in; blocks only while ``max_pending_bytes`` are held.

        Arguments as ``AsyncPublisher.publish``. Cancelling the future has no effect: the event is on its way.

        Raises:
            LimitExceeded: The event alone is over ``max_batch_bytes``.
            RuntimeError: The publisher is closed.
        """
        event = as_event(message, key=key, id=id, time=time, attributes=attributes, type=type)
        lane = Lane(topic, event.type_name(), schema_version)
        entry = encode_entry(event, self._max_batch_bytes)
        future = PublishFuture()
        future.set_running_or_notify_cancel()
        self._thread.check()
        with self._lock:
            while not self._closed and self._pending + len(entry) > self._max_pending_bytes and self._pending:
                self._lock.wait()
            if self._closed:
                raise RuntimeError("the publisher is closed")
            self._inbox.append((lane, entry, event.key, future))
            self._inbox_bytes += len(entry)
            if not self._is_taking:
                self._is_taking = True
                self._thread.call_soon(self._take)
        return future

    def flush(self) -> None:
        """Sends what waits, and returns when every event handed in before is settled, well or badly."""
        self._thread.run(self._flush())

    def close(self) -> None:
        """Flushes and releases the stream. Where it is interrupted, events that are not settled fail."""
        self._thread.run(self._close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def _pending(self) -> int:
        return self._inbox_bytes + self._held_bytes

    def _take(self) -> None:
        """Moves what was handed in to the sender, in the loop's thread."""
        with self._lock:
            taken = list(self._inbox)
            self._inbox.clear()
            self._inbox_bytes = 0
            self._is_taking = False
            for lane, entry, key, future in taken:
                self._sender.accept(lane, entry, key, future)
            self._held_bytes = self._outbox.pending_bytes

    def _make_room(self) -> None:
        with self._lock:
            self._held_bytes = self._outbox.pending_bytes
            self._lock.notify_all()

    async def _flush(self) -> None:
        self._take()
        await self._sender.flush()

    async def _close(self) -> None:
        with self._lock:
            was_closed, self._closed = self._closed, True
            self._lock.notify_all()
        if not was_closed:
            self._take()
            await self._sender.close()
