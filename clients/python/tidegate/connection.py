"""The connection to a gateway: channel options, retries, and calls whose failures are typed.

Everything that another gRPC client in Python would want to copy stands in ``CHANNEL_OPTIONS``.
"""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import Message

from tidegate.errors import Draining, StreamStopped, TidegateError, Unreachable, error_of_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

DEFAULT_SERVER = "127.0.0.1:7420"
"""Where a gateway listens unless it is told otherwise."""
_PORT = 7420

_RETRIES = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
SERVICE_CONFIG = {
    "methodConfig": [
        # If these were repeated they would report their own first attempt as an error.
        {
            "name": [
                {"service": "tidegate.v1.TopicService", "method": "CreateTopic"},
                {"service": "tidegate.v1.TopicService", "method": "DeleteTopic"},
                {"service": "tidegate.v1.SchemaService", "method": "DeleteSchema"},
                {"service": "tidegate.v1.SchemaService", "method": "UpdateSubject"},
            ]
        },
        {
            "name": [
                {"service": "tidegate.v1.GroupService", "method": method}
                for method in ("GetGroup", "ListGroups", "UpdateGroup", "ListDeadLetters", "GetDeadLetter")
            ],
            "retryPolicy": _RETRIES,
        },
        {
            "name": [
                {"service": "tidegate.v1.TopicService"},
                {"service": "tidegate.v1.SchemaService"},
                {"service": "tidegate.v1.EventService", "method": "Publish"},
                {"service": "tidegate.v1.EventService", "method": "ReadEvents"},
            ],
            "retryPolicy": _RETRIES,
        },
    ]
}
"""Which calls gRPC itself repeats: those for which that is safe. Streams are resumed by the client."""

CHANNEL_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    # Finds a peer that vanished without a word; silent while no call is open. What gRPC goes by is the ping's
    # timeout, whose default is 60 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.http2.max_pings_without_data", 0),
    # What is streamed fits the default of 4 MiB; a schema with its sources need not.
    ("grpc.max_receive_message_length", 256 * 1024 * 1024),
    # gRPC's own default grows to two minutes: too long to notice that a gateway is back.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
)
"""The options of every channel."""

_Answer = TypeVar("_Answer", bound=Message)

_TRANSPORT_CODES = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)


def is_worth_reconnecting(error: TidegateError) -> bool:
    """Tells whether a stream that ended with ``error`` may go on over a new connection.

    An error with a reason is the gateway's own word; one without comes from the transport or from a proxy.
    """
    if error.reason:
        return error.is_transient or isinstance(error, StreamStopped)
    return error.code in _TRANSPORT_CODES


class Backoff:
    """Grows the time between attempts, with full jitter so that many clients do not return at once."""

    __slots__ = ("_attempt", "_first", "_most")

    def __init__(self, first: float = 0.1, most: float = 5.0) -> None:
        self._first = first
        self._most = most
        self._attempt = 0

    def next_delay(self) -> float:
        """Answers the seconds to wait before the next attempt."""
        ceiling = min(self._most, self._first * 2.0 ** min(self._attempt, 32))
        self._attempt += 1
        return ceiling * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, keeps no secret

    def reset(self) -> None:
        """Begins anew, after an attempt that succeeded."""
        self._attempt = 0


class Connection:
    """One channel to one gateway, opened at the first call. Belongs to one event loop.

    An empty ``server`` means the environment's ``TIDEGATE_SERVER``, or else ``DEFAULT_SERVER``.
    """

    def __init__(self, server: str = "", *, timeout: float = 30.0) -> None:
        if timeout <= 0:
            raise ValueError(f"timeout must be above 0 seconds, not {timeout}")
        server = server or os.environ.get("TIDEGATE_SERVER") or DEFAULT_SERVER
        self.server = server if ":" in server else f"{server}:{_PORT}"
        self._timeout = timeout
        self._channel: grpc.aio.Channel | None = None
        self._closed = False

    async def call(
        self, method: str, request: Message, answer: type[_Answer], *, patience: float | None = None
    ) -> _Answer:
        """Calls a unary method, such as ``TopicService/GetTopic``.

        ``patience`` is how many seconds it may take, if not as many as all others.

        Raises:
            TidegateError: The call failed; its class says why.
        """
        call = self._open().unary_unary(
            f"/tidegate.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            return await call(request, timeout=patience or self._timeout)
        except grpc.aio.AioRpcError as error:
            # All that gRPC's error says is in ours; its traceback would only bury it.
            raise error_of_call(error, self.server) from None

    async def pages(self, method: str, request: Any, answer: type[_Answer]) -> AsyncIterator[Any]:
        """Calls a method that lists, page by page; ``request`` has a page_token.

        Raises:
            TidegateError: A call failed; its class says why.
        """
        while True:
            page: Any = await self.call(method, request, answer)
            yield page
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    async def stream(
        self, method: str, request: Message, answer: type[_Answer], *, endless: bool = False
    ) -> AsyncIterator[_Answer]:
        """Calls a method that answers a stream, and yields its parts; to close the iterator ends the call.

        Args:
            method: As in ``call``.
            request: What it takes.
            answer: What it answers, part by part.
            endless: Whether it may take longer than any other call.

        Raises:
            TidegateError: The call failed; its class says why.
        """
        open_stream = self._open().unary_stream(
            f"/tidegate.v1.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        call = open_stream(request, timeout=None if endless else self._timeout)
        try:
            async for part in call:
                yield part
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error, self.server) from None
        finally:
            call.cancel()

    def stream_publish(self, answer: Callable[[bytes], Any]) -> grpc.aio.StreamStreamCall[bytes, Any]:
        """Opens a PublishStream; requests are given as bytes."""
        method: grpc.aio.StreamStreamMultiCallable[bytes, Any] = self._open().stream_stream(
            "/tidegate.v1.EventService/PublishStream", request_serializer=None, response_deserializer=answer
        )
        return method()

    def stream_subscribe(
        self, request: Message, answer: Callable[[bytes], Any]
    ) -> grpc.aio.UnaryStreamCall[Any, Any]:
        """Opens a Subscribe stream."""
        method = self._open().unary_stream(
            "/tidegate.v1.EventService/Subscribe",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer,
        )
        return method(request)

    def error(self, error: grpc.aio.AioRpcError) -> TidegateError:
        """Answers what a stream's failure means."""
        return error_of_call(error, self.server)

    def ended(self) -> TidegateError:
        """Answers what it means that the gateway ended a stream which had more to say."""
        return Draining(f"the gateway at {self.server} ended the stream")

    def silent(self) -> TidegateError:
        """Answers what it means that nothing came for too long."""
        return Unreachable(f"the gateway at {self.server} fell silent")

    async def close(self) -> None:
        """Ends all calls and closes the channel."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    def _open(self) -> grpc.aio.Channel:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._channel is None:
            self._channel = grpc.aio.insecure_channel(self.server, options=CHANNEL_OPTIONS)
        return self._channel
