"""EventService: takes and gives raw bytes, so that batches are never decoded as a whole."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
from tidegate.v1 import event_service_pb2 as pb

from gateway.acknowledgement_messages import encode_settled, read_acknowledging
from gateway.entries import result_entry
from gateway.errors import Draining
from gateway.frames import DrainingFrame
from gateway.publish_stream import Outcome, PublishStream
from gateway.reading_messages import encode_page, read_reading
from gateway.status import stream_error
from gateway.subscription_messages import encode_frame, read_subscribing
from registry.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.event_pages import EventPages
    from gateway.groups.groups import Groups
    from gateway.groups.memberships import Memberships
    from gateway.log import Placed
    from gateway.publisher import Publisher
    from gateway.subscriber import Subscriber
    from registry.typed import TypedService

    Context = grpc.aio.ServicerContext[Any, Any]

SERVICE = "tidegate.v1.EventService"
RESPONSE_BYTES = 1024 * 1024
"""How large a response of several publish results becomes; a larger result is a response of its own."""


class EventService:
    """The RPCs of ``tidegate.v1.EventService``; with ``typed``, those of that typed service."""

    def __init__(
        self,
        publisher: Publisher,
        subscriber: Subscriber,
        pages: EventPages,
        groups: Groups,
        memberships: Memberships,
    ) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._pages = pages
        self._groups = groups
        self._memberships = memberships
        self._streams: set[PublishStream] = set()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Answers the RPCs, without deserializers and serializers: bytes in, bytes out."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Publish": grpc.unary_unary_rpc_method_handler(self.publish),
                "PublishStream": grpc.stream_stream_rpc_method_handler(self.publish_stream),
                "Subscribe": grpc.unary_stream_rpc_method_handler(self.subscribe),
                "Acknowledge": grpc.unary_unary_rpc_method_handler(self.acknowledge),
                "ReadEvents": grpc.unary_unary_rpc_method_handler(self.read_events),
            },
        )

    async def publish(self, raw: bytes, context: Context, typed: TypedService | None = None) -> bytes:
        """Appends all batches of a request, or none."""
        request = self._publisher.parse(raw)
        answer = await self._publisher.publish(request, caller(context), typed=typed)
        return _published(await asyncio.shield(answer)).SerializeToString()

    async def publish_stream(self, _: object, context: Context, typed: TypedService | None = None) -> None:
        """Serves pipelined publish requests."""

        async def read() -> bytes | None:
            raw: Any = await context.read()
            return None if raw is grpc.aio.EOF else raw

        async def write(outcomes: list[Outcome]) -> None:
            for response in _responses(outcomes):
                await context.write(response)

        stream = PublishStream(self._publisher, caller(context), read, write, typed)
        self._streams.add(stream)
        try:
            await stream.run()
        finally:
            self._streams.discard(stream)

    async def subscribe(self, raw: bytes, context: Context, typed: TypedService | None = None) -> None:
        """Serves one subscription, or one member of a group."""
        wanted = read_subscribing(raw, typed)
        source = self._memberships if wanted.group else self._subscriber
        async with aclosing(source.subscribe(wanted)) as frames:
            async for frame in frames:
                await context.write(encode_frame(frame))
                if isinstance(frame, DrainingFrame):
                    raise Draining

    async def acknowledge(self, raw: bytes, _: Context) -> bytes:
        """Takes what a member of a group says of events."""
        asked = read_acknowledging(raw)
        settled = self._groups.settle(asked.group, asked.member_id, asked.settlements, leaving=asked.leaving)
        return encode_settled(settled)

    async def read_events(self, raw: bytes, _: Context) -> bytes:
        """Answers a page of stored events."""
        return encode_page(await self._pages.page(read_reading(raw)))

    def drain(self) -> None:
        """Ends all publish streams, each behind the requests that it has taken."""
        for stream in tuple(self._streams):
            stream.drain()


def caller(context: Context) -> str:
    """Answers the identity that the transport proved, empty if it proved none."""
    identities = context.peer_identities()
    return b",".join(identities).decode(errors="replace") if identities else ""


def _published(placed: Iterable[Placed]) -> pb.PublishResponse:
    return pb.PublishResponse(
        results=[
            pb.PublishResult(first_sequence=p.first_sequence, count=p.count, schema_version=p.schema_version)
            for p in placed
        ]
    )


def _responses(outcomes: Iterable[Outcome]) -> Iterator[bytes]:
    """Encodes outcomes as few responses, each of which a client with default limits takes."""
    results: list[bytes] = []
    size = 0
    for outcome in outcomes:
        result = result_entry(_result(outcome).SerializeToString())
        if results and size + len(result) > RESPONSE_BYTES:
            yield b"".join(results)
            results, size = [], 0
        results.append(result)
        size += len(result)
    yield b"".join(results)


def _result(outcome: Outcome) -> pb.PublishStreamResult:
    if isinstance(outcome, TidegateError):
        return pb.PublishStreamResult(error=stream_error(outcome))
    return pb.PublishStreamResult(published=_published(outcome))
