"""EventService: takes and gives raw bytes, so that batches are never decoded as a whole."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import grpc
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import subscription_pb2 as frames

from gateway import wire
from gateway.errors import Draining
from gateway.frames import (
    DEFAULT_HEARTBEAT,
    MAX_HEARTBEAT,
    MIN_HEARTBEAT,
    CaughtUp,
    DrainingFrame,
    Frame,
    Gap,
    Heartbeat,
    Opened,
    Subscribing,
)
from gateway.publish_stream import Outcome, PublishStream
from gateway.status import stream_error
from registry.errors import InvalidRequest, TidegateError
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from google.protobuf.duration_pb2 import Duration
    from tidegate.v1.schema_pb2 import SchemaReference

    from gateway.log import Placed
    from gateway.publisher import Publisher
    from gateway.subscriber import Subscriber
    from registry.typed import TypedService

    Context = grpc.aio.ServicerContext[Any, Any]

SERVICE = "tidegate.v1.EventService"
ALL_TOPICS = ">"
MAX_CLIENT_NAME, MAX_BUILT_WITH = 255, 100
"""Bytes of a reader's name, and schema versions that it names."""
RESPONSE_BYTES = 1024 * 1024
"""How large a response of several publish results becomes; a larger result is a response of its own."""
LATEST_TIME = 2**63 - 1
"""The last time that the log can name, in nanoseconds: it lies in the year 2262."""


class EventService:
    """The RPCs of ``tidegate.v1.EventService``; with ``typed``, those of that typed service."""

    def __init__(self, publisher: Publisher, subscriber: Subscriber) -> None:
        self._publisher = publisher
        self._subscriber = subscriber
        self._streams: set[PublishStream] = set()

    def handlers(self) -> grpc.GenericRpcHandler:
        """Answers the RPCs, without deserializers and serializers: bytes in, bytes out."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Publish": grpc.unary_unary_rpc_method_handler(self.publish),
                "PublishStream": grpc.stream_stream_rpc_method_handler(self.publish_stream),
                "Subscribe": grpc.unary_stream_rpc_method_handler(self.subscribe),
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
        """Serves one subscription."""
        wanted = _typed(_subscribing(raw), typed) if typed else _subscribing(raw)
        async with aclosing(self._subscriber.subscribe(wanted)) as frames:
            async for frame in frames:
                await context.write(frame if isinstance(frame, bytes) else _encode(frame))
                if isinstance(frame, DrainingFrame):
                    raise Draining

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
        result = wire.result_entry(_result(outcome).SerializeToString())
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


def _subscribing(raw: bytes) -> Subscribing:
    """Reads a ``SubscribeRequest``.

    Raises:
        InvalidRequest: It does not parse, or a field has a value that it can't have.
    """
    try:
        request = pb.SubscribeRequest.FromString(raw)
    except Exception as error:  # DecodeError, or what protobuf raises for invalid UTF-8
        raise InvalidRequest("request", "the bytes are no SubscribeRequest") from error
    start = request.WhichOneof("start")
    if request.start_position not in pb.StartPosition.values():
        raise InvalidRequest("start_position", f"{request.start_position} is no value of StartPosition")
    if request.on_gap not in pb.OnGap.values():
        raise InvalidRequest("on_gap", f"{request.on_gap} is no value of OnGap")
    return Subscribing(
        topics=tuple(request.topics),
        types=tuple(request.types),
        from_sequence=request.from_sequence if start == "from_sequence" else None,
        from_time=_nanoseconds(request) if start == "from_time" else None,
        earliest=request.start_position == pb.START_POSITION_EARLIEST,
        end_sequence=request.end_sequence,
        skip_gaps=request.on_gap == pb.ON_GAP_SKIP,
        heartbeat=_heartbeat(request.heartbeat_interval)
        if request.HasField("heartbeat_interval")
        else DEFAULT_HEARTBEAT,
        client_name=_client_name(request.reader.client_name),
        built_with=_built_with(request.reader.built_with),
    )


def _client_name(name: str) -> str:
    if (size := len(name.encode())) > MAX_CLIENT_NAME:
        raise InvalidRequest(
            "reader.client_name", f"has {size:,} bytes; at most {MAX_CLIENT_NAME} are allowed"
        )
    if not name.isprintable():
        raise InvalidRequest("reader.client_name", "holds characters that can't be printed")
    return name


def _built_with(references: Sequence[SchemaReference]) -> dict[str, int]:
    if len(references) > MAX_BUILT_WITH:
        raise InvalidRequest(
            "reader.built_with", f"names {len(references):,} versions; at most {MAX_BUILT_WITH} are allowed"
        )
    built_with: dict[str, int] = {}
    for index, reference in enumerate(references):
        path = f"reader.built_with[{index}]"
        if not reference.version:
            raise InvalidRequest(f"{path}.version", "must name the version that the reader was built with")
        if reference.subject in built_with:
            raise InvalidRequest(f"{path}.subject", f"subject {shown(reference.subject)!r} is named twice")
        built_with[reference.subject] = reference.version
    return built_with


def _typed(wanted: Subscribing, typed: TypedService) -> Subscribing:
    """Answers what is wanted of a typed service.

    Raises:
        InvalidRequest: Another type than the service's is.
    """
    for index, event_type in enumerate(wanted.types):
        if event_type != typed.type:
            raise InvalidRequest(
                f"types[{index}]",
                f"is {shown(event_type)!r}, but this service is for {typed.type} alone: leave it out, or "
                f"subscribe with tidegate.v1.EventService",
            )
    return replace(
        wanted,
        topics=wanted.topics or (ALL_TOPICS,),
        types=(typed.type,),
        built_with={typed.subject: typed.version},
    )


def _nanoseconds(request: pb.SubscribeRequest) -> int:
    moment = request.from_time
    if not (0 <= moment.nanos < 1_000_000_000 and 0 <= moment.seconds < 253_402_300_800):
        raise InvalidRequest("from_time", "must be a time from 1970-01-01 to 9999-12-31")
    return min(moment.seconds * 1_000_000_000 + moment.nanos, LATEST_TIME)


def _heartbeat(interval: Duration) -> float:
    seconds = interval.seconds + interval.nanos / 1e9
    if not MIN_HEARTBEAT <= seconds <= MAX_HEARTBEAT:
        raise InvalidRequest("heartbeat_interval", f"is {seconds:g} s; must be 100 ms to 1 hour")
    return seconds


def _encode(frame: Frame) -> bytes:
    response = pb.SubscribeResponse()
    match frame:
        case Opened():
            response.opened.position = frame.position
            response.opened.head_sequence = frame.head
            response.opened.heartbeat_interval.FromMicroseconds(round(frame.heartbeat * 1e6))
        case Heartbeat():
            _encode_heartbeat(frame, response.heartbeat)
        case CaughtUp():
            response.caught_up.SetInParent()
            response.caught_up.position = frame.position
        case Gap():
            response.gap.first_sequence = frame.first_sequence
            response.gap.last_sequence = frame.last_sequence
            response.gap.topics.extend(frame.topics)
            response.gap.cause = frames.GapCause.Value(f"GAP_CAUSE_{frame.cause.name}")  # type: ignore[assignment]
        case DrainingFrame():
            response.draining.position = frame.position
            response.draining.reconnect_after.FromMicroseconds(round(frame.reconnect_after * 1e6))
    return response.SerializeToString()


def _encode_heartbeat(frame: Heartbeat, heartbeat: frames.Heartbeat) -> None:
    heartbeat.position = frame.position
    heartbeat.head_sequence = frame.head
    heartbeat.lag.FromNanoseconds(round(frame.lag * 1e9))
    heartbeat.lag_batches = frame.lag_batches
    heartbeat.time.FromNanoseconds(frame.now)
