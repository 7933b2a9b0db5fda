"""The client for asyncio."""

# ruff: noqa: A002 - `id` and `type` are the contract's words

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Self, overload

from google.protobuf.message import Message

from tidegate.admin import AsyncAdmin
from tidegate.connection import Connection
from tidegate.outbox import Published
from tidegate.outgoing import Lane, NewEvent, as_event, batch_entry, batch_header, new_id
from tidegate.publisher import (
    DELIVERY_TIMEOUT,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_DELAY,
    MAX_PENDING_BYTES,
    AsyncPublisher,
)
from tidegate.reading import AsyncReading
from tidegate.schemas import SchemaCache
from tidegate.v1 import event_service_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import TracebackType


class AsyncClient(AsyncReading, AsyncAdmin):
    """Speaks to a gateway: ``async with AsyncClient("127.0.0.1:7420") as client``.

    Connects at the first call. Belongs to the event loop in which it is first used; one client is enough for
    a process. Calls fail with a ``tidegate.errors.TidegateError``; those that it is safe to repeat are
    repeated a few times while the gateway is unavailable.

    Args:
        server: The gateway's address, ``HOST:PORT``; empty means the environment's ``TIDEGATE_SERVER``, or
            else ``127.0.0.1:7420``.
        timeout: Seconds that a single call (all but subscriptions and publishers) may take.
    """

    def __init__(self, server: str = "", *, timeout: float = 30.0) -> None:
        self._connection = Connection(server, timeout=timeout)
        self._schemas = SchemaCache(self._connection)
        self._publishers: weakref.WeakSet[AsyncPublisher] = weakref.WeakSet()
        self._subscriptions = weakref.WeakSet()

    @property
    def server(self) -> str:
        """The gateway's address."""
        return self._connection.server

    @overload
    async def publish(
        self,
        topic: str,
        message: Message | bytes | NewEvent,
        *,
        key: str = ...,
        id: str = ...,
        time: datetime | None = ...,
        attributes: Mapping[str, str] | None = ...,
        type: str = ...,
        schema_version: int = ...,
        source: str = ...,
        expected_last_sequence: int | None = ...,
        expected_key_sequence: int | None = ...,
        request_id: str = ...,
    ) -> Published: ...

    @overload
    async def publish(
        self,
        topic: str,
        message: Sequence[Message | bytes | NewEvent],
        *,
        key: str = ...,
        id: str = ...,
        time: datetime | None = ...,
        attributes: Mapping[str, str] | None = ...,
        type: str = ...,
        schema_version: int = ...,
        source: str = ...,
        expected_last_sequence: int | None = ...,
        expected_key_sequence: int | None = ...,
        request_id: str = ...,
    ) -> list[Published]: ...

    async def publish(
        self,
        topic: str,
        message: Message | bytes | NewEvent | Sequence[Message | bytes | NewEvent],
        *,
        key: str = "",
        id: str = "",
        time: datetime | None = None,
        attributes: Mapping[str, str] | None = None,
        type: str = "",
        schema_version: int = 0,
        source: str = "",
        expected_last_sequence: int | None = None,
        expected_key_sequence: int | None = None,
        request_id: str = "",
    ) -> Published | list[Published]:
        """Publishes one message, or several of them as one: all are appended, in order, or none.

        Returns when they are durable. For many events, one after the other, ``publisher`` is faster.

        Args:
            topic: The topic's name.
            message: A Protobuf message, the bytes of one (then say ``type``), a ``NewEvent``, or a sequence
                of these, of any event types.
            key: What the event is about; of several, each of them.
            id: Names the event; a UUIDv7 is filled in. Not with several.
            time: When it occurred, with its time zone; now, if absent.
            attributes: Free-form facts beside the data.
            type: The event type, where ``message`` is bytes.
            schema_version: The version that the messages are written with; 0 means the latest.
            source: Who produced them, as a URI reference.
            expected_last_sequence: Append only if the topic's last sequence is this one; 0 means that it
                never had an event.
            expected_key_sequence: Append only if the last event of ``key`` in the topic has this sequence; 0
                means that the key has none. The topic must index its keys.
            request_id: The same id with the same content is appended once, however often it is published;
                a new one is made, if it is empty. Say ``id`` and ``time`` with it: they are content.

        Raises:
            InvalidEvent: An event fails its schema; the violations name event, field and rule.
            UnexpectedSequence: The last sequence of the topic, or of the key, is not the expected one.
            KeysNotIndexed: The topic does not index its keys.
            TidegateError: Any other reason of the catalogue.
        """
        is_single = isinstance(message, (Message, bytes, NewEvent))
        messages = [message] if isinstance(message, (Message, bytes, NewEvent)) else message
        if id and not is_single:
            raise ValueError(
                "id names one event: with several messages, wrap each in NewEvent(message, id=...)"
            )
        events = [
            as_event(each, key=key, id=id, time=time, attributes=attributes, type=type) for each in messages
        ]
        if not events:
            return []
        request = event_service_pb2.PublishRequest(request_id=request_id or new_id())
        for batch in _batches(topic, events, schema_version, source):
            request.batches.add().ParseFromString(batch)
        if expected_last_sequence is not None:
            request.expected_positions.add(topic=topic, expected_last_sequence=expected_last_sequence)
        if expected_key_sequence is not None:
            request.expected_positions.add(
                topic=topic, key=_one_key(events), expected_last_sequence=expected_key_sequence
            )
        answer = await self.publish_request(request)
        published = [
            Published(topic, result.first_sequence + index, result.schema_version)
            for result in answer.results
            for index in range(result.count)
        ]
        return published[0] if is_single else published

    async def publish_request(
        self, request: event_service_pb2.PublishRequest
    ) -> event_service_pb2.PublishResponse:
        """Publishes a request of the contract as it is; give it a ``request_id``, since it may be repeated.

        Raises:
            TidegateError: As ``publish``.
        """
        return await self._connection.call("EventService/Publish", request, event_service_pb2.PublishResponse)

    def publisher(
        self,
        *,
        source: str = "",
        max_batch_events: int = MAX_BATCH_EVENTS,
        max_batch_bytes: int = MAX_BATCH_BYTES,
        max_delay: float = MAX_DELAY,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        timeout: float = DELIVERY_TIMEOUT,
    ) -> AsyncPublisher:
        """Makes a publisher, which batches events and gives a future for each.

        Args:
            source: Who produces the events, as a URI reference.
            max_batch_events: Events a batch.
            max_batch_bytes: Bytes a batch, and so of an event.
            max_delay: Seconds that an event waits for others to travel with.
            max_pending_bytes: Bytes under way, above which ``publish`` waits.
            timeout: Seconds after which an event that is not acknowledged fails with ``Unreachable``; whether
                it was stored is then not known. At most 600.
        """
        publisher = AsyncPublisher(
            self._connection,
            source=source,
            max_batch_events=max_batch_events,
            max_batch_bytes=max_batch_bytes,
            max_delay=max_delay,
            max_pending_bytes=max_pending_bytes,
            timeout=timeout,
        )
        self._publishers.add(publisher)
        return publisher

    async def message_class(self, type_name: str, version: int = 0) -> type[Message]:
        """Answers a message class for an event type, made from the gateway's schema; 0 means the latest.

        Raises:
            EventTypeNotFound, SchemaVersionNotFound: It does not exist.
        """
        return await self._schemas.message_class(type_name, version)

    async def close(self) -> None:
        """Flushes the publishers, ends the subscriptions and closes the connection."""
        try:
            for publisher in list(self._publishers):
                await publisher.close()
        finally:
            for subscription in list(self._subscriptions):
                await subscription.close()
            await self._connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _one_key(events: Sequence[NewEvent]) -> str:
    """Answers the key that all events have."""
    keys = {event.key for event in events}
    if len(keys) > 1 or not all(keys):
        raise ValueError("expected_key_sequence is about one key: say key=, or give all events the same one")
    return keys.pop()


def _batches(topic: str, events: Sequence[NewEvent], schema_version: int, source: str) -> list[bytes]:
    """Makes a batch of each run of events of one type."""
    batches: list[list[bytes]] = []
    last = ""
    for event in events:
        name = event.type_name()
        if name != last:
            batches.append([batch_header(Lane(topic, name, schema_version), source)])
            last = name
        batches[-1].append(batch_entry(event.encode()))
    return [b"".join(parts) for parts in batches]
