"""Publishing many events with asyncio: batches by size and time, with a future an event."""

# ruff: noqa: A002 - `id` and `type` are the contract's words

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from tidegate.errors import LimitExceeded
from tidegate.outbox import Outbox, Published
from tidegate.outgoing import Lane, as_event, batch_entry
from tidegate.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.outgoing import NewEvent

MAX_BATCH_EVENTS = 1000
"""Events a batch; the gateway takes 10,000 by default."""
MAX_BATCH_BYTES = 1 << 20
"""Bytes a batch; the gateway takes 1 MiB by default."""
MAX_DELAY = 0.005
"""Seconds that an event waits for others of its batch."""
MAX_PENDING_BYTES = 32 << 20
"""Bytes that a publisher holds."""
DELIVERY_TIMEOUT = 120.0
"""Seconds that an event may wait for its acknowledgement."""
_MEMORY_OF_REQUESTS = 600.0  # the gateway knows a repeated request for at least this many seconds


class AsyncPublisher:
    """Publishes events in batches, in order, each with a future that resolves when it is durable.

    Made by ``AsyncClient.publisher``; use it with ``async with``, which flushes at the end.

    Guarantees: events of one topic and key are appended in the order in which they were handed in,
    whatever happens in between. A connection that breaks is made again, and what was not acknowledged is
    sent again under the same request ids, so that nothing is appended twice. An event that fails its schema
    fails alone: its future raises ``InvalidEvent``, and the others of its batch are sent again at once, still
    in order. Memory is bounded: ``publish`` waits while ``max_pending_bytes`` are held.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        source: str = "",
        max_batch_events: int = MAX_BATCH_EVENTS,
        max_batch_bytes: int = MAX_BATCH_BYTES,
        max_delay: float = MAX_DELAY,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        timeout: float = DELIVERY_TIMEOUT,
    ) -> None:
        self._outbox = make_outbox(source, max_batch_events, max_batch_bytes, max_delay, timeout)
        self._sender = Sender(connection, self._outbox, self._make_room)
        self._max_batch_bytes = max_batch_bytes
        self._max_pending_bytes = max_pending_bytes
        self._room = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def publish(
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
    ) -> asyncio.Future[Published]:
        """Hands one event in; waits only while ``max_pending_bytes`` are held.

        Args:
            topic: The topic's name.
            message: A Protobuf message, the bytes of one (then say ``type``), or a ``NewEvent``.
            key: What the event is about; events of one key stay in order.
            id: Names the event; a UUIDv7 is filled in.
            time: When it occurred, with its time zone; now, if absent.
            attributes: Free-form facts beside the data.
            type: The event type, where ``message`` is bytes.
            schema_version: The version that the message is written with; 0 means the latest one.

        Returns:
            A future: ``await`` it for the ``Published``, or for the ``TidegateError`` that says why not.

        Raises:
            LimitExceeded: The event alone is over ``max_batch_bytes``.
            RuntimeError: The publisher is closed.
        """
        event = as_event(message, key=key, id=id, time=time, attributes=attributes, type=type)
        lane = Lane(topic, event.type_name(), schema_version)
        entry = encode_entry(event, self._max_batch_bytes)
        while (
            self._outbox.pending_bytes + len(entry) > self._max_pending_bytes and self._outbox.pending_bytes
        ):
            self._room.clear()
            await self._room.wait()
        future: asyncio.Future[Published] = self._loop.create_future()
        self._sender.accept(lane, entry, event.key, future)
        return future

    async def flush(self) -> None:
        """Sends what waits, and returns when every event handed in before is settled, well or badly."""
        await self._sender.flush()

    async def close(self) -> None:
        """Flushes and releases the stream. Where it is cancelled, events that are not settled fail."""
        await self._sender.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _make_room(self) -> None:
        self._room.set()


def make_outbox(
    source: str, max_batch_events: int, max_batch_bytes: int, max_delay: float, timeout: float
) -> Outbox:
    """Answers an outbox with these settings.

    Raises:
        ValueError: A setting makes no sense; says which and why.
    """
    if max_batch_events < 1 or max_batch_bytes < 1:
        raise ValueError("max_batch_events and max_batch_bytes must be at least 1")
    if max_delay < 0:
        raise ValueError(f"max_delay must be at least 0 seconds, not {max_delay}")
    if not 0 < timeout <= _MEMORY_OF_REQUESTS:
        raise ValueError(
            f"timeout must be above 0 and at most {_MEMORY_OF_REQUESTS:.0f} seconds, not {timeout}: a "
            f"gateway is only sure to know a repeated request for that long"
        )
    return Outbox(
        source=source,
        max_batch_events=max_batch_events,
        max_batch_bytes=max_batch_bytes,
        max_delay=max_delay,
        timeout=timeout,
    )


def encode_entry(event: NewEvent, max_batch_bytes: int) -> bytes:
    """Answers an event as its batch holds it.

    Raises:
        LimitExceeded: It is over ``max_batch_bytes`` alone.
    """
    entry = batch_entry(event.encode())
    if len(entry) <= max_batch_bytes:
        return entry
    raise LimitExceeded(
        f"the event takes {len(entry):,} bytes, over max_batch_bytes = {max_batch_bytes:,}. Store large "
        f"payloads elsewhere and publish where they are.",
        facts={"limit": "max_batch_bytes", "maximum": str(max_batch_bytes), "actual": str(len(entry))},
    )
