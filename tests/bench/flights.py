"""The events that are measured with: departures of about 100 bytes, as the client library would send them."""

from __future__ import annotations

import functools
import random
import uuid
from dataclasses import dataclass

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tidegate.v1 import event_pb2, event_service_pb2, subscription_pb2

SUBJECT = "bench"
PLAIN, RULED = "bench.v1.Departed", "bench.v1.CheckedDeparted"
"""One shape twice: without rules, and with seven of them."""
REJECT, ALLOW, RULES = "bench.reject", "bench.allow", "bench.rules"
"""Topics: unknown fields rejected; allowed; rejected, and seven rules to hold."""

SCHEMA = """
syntax = "proto3";
package bench.v1;
import "buf/validate/validate.proto";
message Departed {
  string carrier = 1;
  int32 flight = 2;
  string origin = 3;
  string destination = 4;
  sint32 delay_minutes = 5;
  string tail_number = 6;
  double distance_miles = 7;
}
message CheckedDeparted {
  string carrier = 1 [(buf.validate.field).string.len = 2];
  int32 flight = 2 [(buf.validate.field).int32 = {gt: 0, lt: 10000}];
  string origin = 3 [(buf.validate.field).string.len = 3];
  string destination = 4 [(buf.validate.field).string.pattern = "^[A-Z]{3}$"];
  sint32 delay_minutes = 5 [(buf.validate.field).sint32.gte = -120];
  string tail_number = 6 [(buf.validate.field).string.max_len = 8];
  double distance_miles = 7 [(buf.validate.field).double.gt = 0];
}
"""

_CARRIERS = ("UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN", "9E")
_AIRPORTS = ("EWR", "JFK", "LGA", "IAH", "MIA", "ATL", "ORD", "FLL", "TPA", "LAX", "SFO", "BOS")
_FIELD = descriptor_pb2.FieldDescriptorProto
_FIRST_MOMENT = 1_357_020_000  # 2013-01-01, in New York


@dataclass(frozen=True, slots=True)
class Flow:
    """What a publisher sends, over and over.

    Attributes:
        requests: Serialized requests, each with one batch.
        events: Events of each batch.
    """

    requests: tuple[bytes, ...]
    events: int


def published(batch: event_pb2.EventBatch) -> bytes:
    """Answers the request that publishes a batch at a gateway."""
    return event_service_pb2.PublishStreamRequest(batches=[batch]).SerializeToString()


def delivered(batch: event_pb2.EventBatch) -> bytes:
    """Answers the frame that a batch arrives in; the bare relay is sent it, and passes it on."""
    frame = subscription_pb2.Batches(batches=[batch])
    return event_service_pb2.SubscribeResponse(batches=frame).SerializeToString()


@functools.lru_cache(2)
def flow(events: int, *, topic: str = REJECT, bare: bool = False) -> Flow:
    """Makes the requests of a publisher that sends ``events`` a batch: the same batches for both sides."""
    chance = random.Random(2013)
    batches = [batch(chance, events, topic) for _ in range(max(4, min(1_000, 20_000 // events)))]
    return Flow(tuple(map(delivered if bare else published, batches)), events)


def batch(chance: random.Random, events: int, topic: str = REJECT) -> event_pb2.EventBatch:
    """Makes one batch of departures."""
    kind = RULED if topic == RULES else PLAIN
    return event_pb2.EventBatch(topic=topic, type=kind, events=[_event(chance) for _ in range(events)])


def _event(chance: random.Random) -> event_pb2.Event:
    departed = _Departed(
        carrier=chance.choice(_CARRIERS),
        flight=chance.randint(1, 6_000),
        origin=chance.choice(_AIRPORTS[:3]),
        destination=chance.choice(_AIRPORTS[3:]),
        delay_minutes=max(-60, round(chance.gauss(12, 40))),
        tail_number=f"N{chance.randint(10_000, 99_999)}",
        distance_miles=float(chance.randint(80, 4_983)),
    )
    event = event_pb2.Event(
        id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        key=departed.tail_number,
        data=departed.SerializeToString(),
    )
    event.time.FromNanoseconds(
        (_FIRST_MOMENT + chance.randint(0, 31_000_000)) * 10**9 + chance.getrandbits(29)
    )
    return event


def _departed() -> type:
    """Builds the message class by hand, in a pool of its own: the schema is the gateway's to compile."""
    file = descriptor_pb2.FileDescriptorProto(name="departed.proto", package="bench.v1", syntax="proto3")
    message = file.message_type.add(name="Departed")
    fields = (
        ("carrier", _FIELD.TYPE_STRING),
        ("flight", _FIELD.TYPE_INT32),
        ("origin", _FIELD.TYPE_STRING),
        ("destination", _FIELD.TYPE_STRING),
        ("delay_minutes", _FIELD.TYPE_SINT32),
        ("tail_number", _FIELD.TYPE_STRING),
        ("distance_miles", _FIELD.TYPE_DOUBLE),
    )
    for number, (name, kind) in enumerate(fields, 1):
        message.field.add(name=name, number=number, type=kind, label=_FIELD.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(PLAIN))


_Departed = _departed()
