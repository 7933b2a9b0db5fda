"""The client for programs without an event loop.

It is ``AsyncClient`` on an event loop in a thread of its own, not a second client over gRPC's blocking API:
what is hard (batching, order, resumption) exists once, and behaves and is proven the same in both. Every
event of a publisher and every batch of a subscription crosses to that thread once; single calls pay about
0.1 ms.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Self, overload

from tidegate.aio import AsyncClient
from tidegate.blocking_admin import Admin
from tidegate.blocking_publisher import Publisher
from tidegate.blocking_reading import Reading
from tidegate.loop_thread import LoopThread
from tidegate.publisher import (
    DELIVERY_TIMEOUT,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    MAX_DELAY,
    MAX_PENDING_BYTES,
    make_outbox,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from types import TracebackType

    from google.protobuf.message import Message

    from tidegate.outbox import Published
    from tidegate.outgoing import NewEvent
    from tidegate.v1 import event_service_pb2

_EXIT_TIMEOUT = 5.0


class Client(Reading, Admin):
    """Speaks to a gateway: ``with Client("127.0.0.1:7420") as client``. Any thread may use it.

    Connects at the first call. Make it after a fork, one in each process. A client that is not closed is
    closed when the interpreter exits; its publishers then get five seconds to flush. Arguments, guarantees
    and errors are those of ``AsyncClient``.
    """

    def __init__(self, server: str = "", *, timeout: float = 30.0) -> None:
        self._client = AsyncClient(server, timeout=timeout)
        self._thread = LoopThread()
        self._publishers: weakref.WeakSet[Publisher] = weakref.WeakSet()
        self._finalizer = weakref.finalize(self, _shut_down, self._thread, self._client, self._publishers)

    @property
    def server(self) -> str:
        """The gateway's address."""
        return self._client.server

    @overload
    def publish(
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
    def publish(
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

    def publish(self, topic: str, message: Any, **options: Any) -> Any:
        """Publishes one message, or several of them as one; returns when they are durable.

        See ``AsyncClient.publish``.
        """
        return self._thread.run(self._client.publish(topic, message, **options))

    def publish_request(self, request: event_service_pb2.PublishRequest) -> event_service_pb2.PublishResponse:
        """Publishes a request of the contract as it is; see ``AsyncClient.publish_request``."""
        return self._thread.run(self._client.publish_request(request))

    def publisher(
        self,
        *,
        source: str = "",
        max_batch_events: int = MAX_BATCH_EVENTS,
        max_batch_bytes: int = MAX_BATCH_BYTES,
        max_delay: float = MAX_DELAY,
        max_pending_bytes: int = MAX_PENDING_BYTES,
        timeout: float = DELIVERY_TIMEOUT,
    ) -> Publisher:
        """Makes a publisher, which batches events and gives a ``concurrent.futures.Future`` for each.

        See ``AsyncClient.publisher``.
        """
        publisher = Publisher(
            self._thread,
            self._client._connection,  # noqa: SLF001 - the two clients are one
            make_outbox(source, max_batch_events, max_batch_bytes, max_delay, timeout),
            max_batch_bytes=max_batch_bytes,
            max_pending_bytes=max_pending_bytes,
        )
        self._publishers.add(publisher)
        return publisher

    def message_class(self, type_name: str, version: int = 0) -> type[Message]:
        """Answers a message class for an event type, made from the gateway's schema; 0: the latest."""
        return self._thread.run(self._client.message_class(type_name, version))

    def close(self) -> None:
        """Flushes the publishers, ends the subscriptions, closes the connection and ends the thread."""
        if self._finalizer.detach():
            _shut_down(self._thread, self._client, self._publishers, timeout=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _shut_down(
    thread: LoopThread,
    client: AsyncClient,
    publishers: weakref.WeakSet[Publisher],
    *,
    timeout: float | None = _EXIT_TIMEOUT,
) -> None:
    async def close() -> None:
        for publisher in list(publishers):
            await publisher._close()  # noqa: SLF001 - closes in the thread that this runs in
        await client.close()

    try:
        thread.run(close(), timeout)
    except (TimeoutError, RuntimeError):
        if timeout is None:
            raise
    finally:
        thread.stop()
