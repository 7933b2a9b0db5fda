"""The shop whose events the tests publish: its schema, its topics, and a client of plain stubs.

What a test sends goes through the generated stubs over a real socket; nothing here knows the server.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from tidegate.v1 import (
    event_pb2,
    event_service_pb2_grpc,
    schema_service_pb2_grpc,
    topic_service_pb2_grpc,
)
from tidegate.v1 import (
    event_service_pb2 as pb,
)
from tidegate.v1 import (
    schema_service_pb2 as schemas,
)
from tidegate.v1 import (
    topic_service_pb2 as topics,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SUBJECT = "shop"
PLACED, PAID, STAMPED = "shop.v1.OrderPlaced", "shop.v1.OrderPaid", "shop.v1.Stamped"
ORDERS, PAYMENTS, RETURNS = "shop.orders", "shop.payments", "shop.eu.returns"
PATIENCE = 20.0
"""Seconds after which something that should have come counts as missing."""
NEVER = Duration(seconds=3600)
"""The longest heartbeat interval: a stream without heartbeats."""

_ORDER = """
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
message OrderPlaced {
  string order_id = 1;
  int64 amount_cents = 2;
  %s
}
message OrderPaid {
  string order_id = 1 [(buf.validate.field).string.min_len = 1];
  int64 amount_cents = 2 [(buf.validate.field).int64.gt = 0];
}
"""
_STAMP = """
syntax = "proto2";
package shop.v1;
message Stamped {
  required string code = 1;
  optional bytes seal = 2;
}
"""
SCHEMA = {"shop/v1/order.proto": _ORDER % "", "shop/v1/stamp.proto": _STAMP}
SCHEMA_2 = {"shop/v1/order.proto": _ORDER % "string note = 3;", "shop/v1/stamp.proto": _STAMP}


def order(order_id: str, amount_cents: int = 1, note: str = "") -> bytes:
    """The data of an order event; ``note`` is a field that only version 2 of the schema has."""
    identity = order_id.encode()
    data = b"\x0a" + bytes([len(identity)]) + identity if identity else b""
    data += b"\x10" + _varint(amount_cents % 2**64) if amount_cents else b""
    return data + (b"\x1a" + bytes([len(note)]) + note.encode() if note else b"")


def _varint(value: int) -> bytes:
    return event_pb2.EventBatch(first_sequence=value).SerializeToString()[1:]


def batch(
    topic: str,
    *data: bytes,
    type: str = PLACED,  # noqa: A002 - the name that the contract gives it
    version: int = 0,
    **fields: Any,
) -> event_pb2.EventBatch:
    """A batch with one event for each of ``data``."""
    events = [event_pb2.Event(data=each) for each in data]
    return event_pb2.EventBatch(topic=topic, type=type, schema_version=version, events=events, **fields)


def expect(**last_sequences: int) -> list[pb.ExpectedPosition]:
    """Expected positions; ``__`` stands for the dot of a topic's name."""
    return [
        pb.ExpectedPosition(topic=name.replace("__", "."), expected_last_sequence=last)
        for name, last in last_sequences.items()
    ]


class Delivered(NamedTuple):
    """One event as a subscription delivered it."""

    sequence: int
    topic: str
    data: bytes


def events_of(frame: pb.SubscribeResponse) -> list[Delivered]:
    """The events of a frame, none if it is no frame of batches."""
    return [
        Delivered(found.first_sequence + offset, found.topic, event.data)
        for found in frame.batches.batches
        for offset, event in zip(found.offsets or range(len(found.events)), found.events, strict=True)
    ]


@dataclass(frozen=True)
class Refusal:
    """A refusal as a caller sees it: the parts of its status."""

    code: str
    reason: str
    message: str
    facts: dict[str, str]
    fields: list[str] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)


def refusal(error: grpc.RpcError) -> Refusal:
    """Reads the status of a failed call."""
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, fields = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert info.domain == "tidegate"
    assert status.code == error.code().value[0]
    if len(status.details) > 1:
        assert status.details[1].Unpack(fields)
    violations = fields.field_violations
    return Refusal(
        error.code().name,
        info.reason,
        error.details(),
        dict(info.metadata),
        [v.field for v in violations],
        [v.description for v in violations],
        [v.reason for v in violations],
    )


async def refused(call: Any) -> Refusal:
    """Awaits a call that must fail, and answers why it did."""
    try:
        answer = await asyncio.wait_for(call, PATIENCE)
    except grpc.aio.AioRpcError as error:
        return refusal(error)
    raise AssertionError(f"was not refused, but answered {answer}")


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something holds on the other side of a socket; fails if it never does."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - there is nothing here that could tell
            await asyncio.sleep(0.02)


class Subscription:
    """A subscription read frame by frame."""

    def __init__(self, call: Any) -> None:
        self.call = call

    async def frame(self) -> pb.SubscribeResponse | None:
        """The next frame, None at the end of the stream."""
        read = await asyncio.wait_for(self.call.read(), PATIENCE)
        return None if read is grpc.aio.EOF else read

    async def next(self, kind: str) -> Any:
        """The content of the next frame, which must be of a kind."""
        frame = await self.frame()
        assert frame is not None, "the stream ended"
        assert frame.WhichOneof("frame") == kind, frame
        return getattr(frame, kind)

    async def until(self, kind: str) -> tuple[list[Delivered], Any]:
        """All events up to the next frame of a kind, and that frame's content."""
        events: list[Delivered] = []
        while (frame := await self.frame()) is not None:
            if frame.WhichOneof("frame") == kind:
                return events, getattr(frame, kind)
            events += events_of(frame)
        raise AssertionError(f"the stream ended without {kind}; events: {events}")

    async def events(self, count: int) -> list[Delivered]:
        """At least ``count`` events; other frames are passed over."""
        events: list[Delivered] = []
        while len(events) < count:
            frame = await self.frame()
            assert frame is not None, f"the stream ended behind {len(events)} of {count} events"
            events += events_of(frame)
        return events

    async def rest(self) -> list[pb.SubscribeResponse]:
        """All frames up to the end of the stream, which must be OK."""
        frames = []
        while (frame := await self.frame()) is not None:
            frames.append(frame)
        assert await self.call.code() is grpc.StatusCode.OK
        return frames

    async def refused(self) -> Refusal:
        """Why the stream fails; its frames before that are passed over."""
        try:
            while await self.frame() is not None:
                pass
        except grpc.aio.AioRpcError as error:
            return refusal(error)
        raise AssertionError(f"the stream ended with {await self.call.code()}")


class Shop:
    """A client of a gateway, made of nothing but stubs."""

    def __init__(self, channel: grpc.aio.Channel, gateway: Any = None) -> None:
        self.channel = channel
        self.gateway = gateway
        self.stub = event_service_pb2_grpc.EventServiceStub(channel)
        self.schemas = schema_service_pb2_grpc.SchemaServiceStub(channel)
        self.topics = topic_service_pb2_grpc.TopicServiceStub(channel)

    async def open(self) -> None:
        """Registers the schema and makes the topics."""
        await self.register(SCHEMA)
        for name in (ORDERS, PAYMENTS, RETURNS):
            await self.create_topic(name)

    async def register(self, files: dict[str, str], subject: str = SUBJECT) -> int:
        """Registers sources; answers the version."""
        request = schemas.RegisterSchemaRequest(subject=subject)
        request.sources.files.update(files)
        return (await self.schemas.RegisterSchema(request)).schema.version

    async def create_topic(self, name: str, **settings: Any) -> Any:
        """Makes a topic of the shop's subject."""
        request = topics.CreateTopicRequest(topic={"name": name, "subject": SUBJECT, **settings})
        return (await self.topics.CreateTopic(request)).topic

    async def topic(self, name: str) -> Any:
        """A topic as it is now."""
        return (await self.topics.GetTopic(topics.GetTopicRequest(name=name))).topic

    async def update_topic(self, name: str, paths: list[str], **settings: Any) -> Any:
        """Changes the fields of a topic that the paths name."""
        request = topics.UpdateTopicRequest(topic={"name": name, **settings}, update_mask={"paths": paths})
        return (await self.topics.UpdateTopic(request)).topic

    async def keep(self, name: str, max_bytes: int) -> int:
        """Limits what a topic keeps, waits until that holds, and answers its removed_through."""
        await self.update_topic(name, ["retention.max_bytes"], retention={"max_bytes": max_bytes})

        async def holds() -> bool:
            return (await self.topic(name)).stats.size_bytes <= max_bytes

        await wait_until(holds)
        return (await self.topic(name)).stats.removed_through

    async def delete_topic(self, name: str, **fields: Any) -> None:
        """Deletes a topic."""
        await self.topics.DeleteTopic(topics.DeleteTopicRequest(name=name, **fields))

    async def publish(self, *batches: event_pb2.EventBatch, **fields: Any) -> list[pb.PublishResult]:
        """Publishes batches in one request."""
        request = pb.PublishRequest(batches=batches, **fields)
        return list((await asyncio.wait_for(self.stub.Publish(request), PATIENCE)).results)

    async def place(self, *names: str, topic: str = ORDERS) -> int:
        """Publishes an order each, in one batch; answers the first sequence."""
        (placed,) = await self.publish(batch(topic, *map(order, names)))
        return placed.first_sequence

    async def head(self) -> int:
        """The last sequence of the log."""
        subscription = self.subscribe(">")
        opened = await subscription.next("opened")
        subscription.call.cancel()
        return opened.head_sequence

    def subscribe(self, *names: str, **fields: Any) -> Subscription:
        """Subscribes, without heartbeats unless an interval is given."""
        fields.setdefault("heartbeat_interval", NEVER)
        return Subscription(self.stub.Subscribe(pb.SubscribeRequest(topics=names, **fields)))

    async def everything(self, *names: str) -> list[Delivered]:
        """All events of the topics that are kept now."""
        subscription = self.subscribe(
            *(names or (">",)), start_position=pb.START_POSITION_EARLIEST, on_gap=pb.ON_GAP_SKIP
        )
        events, _ = await subscription.until("caught_up")
        subscription.call.cancel()
        return events
