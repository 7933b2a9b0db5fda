"""The bytes of the contract, where they are handled as bytes: the twins of its messages, and requests.

Requests and frames carry batches that are never decoded as a whole: twins of the contract's messages,
built here as private descriptors, declare those fields as bytes. ``tests/test_wire.py`` holds them
equal to ``proto/``. Nothing here imports gRPC or the generated stubs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from registry.errors import InvalidEvents, InvalidRequest, LimitExceeded, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Field = descriptor_pb2.FieldDescriptorProto

_SEVEN, _MORE = 0x7F, 0x80
_PAIRS = 1 << 14
_LAST_PAIR = tuple(
    bytes((pair,)) if pair <= _SEVEN else bytes((pair & _SEVEN | _MORE, pair >> 7)) for pair in range(_PAIRS)
)
_PAIR = tuple(bytes((pair & _SEVEN | _MORE, pair >> 7 | _MORE)) for pair in range(_PAIRS))


def varint(value: int) -> bytes:
    """Encodes a non-negative integer as a Protobuf varint.

    Looks up two bytes at a time: each batch that is stored needs several.
    """
    if value < 0:
        raise ValueError(f"{value} is negative")
    encoded = b""
    while value >= _PAIRS:
        encoded += _PAIR[value & _PAIRS - 1]
        value >>= 14
    return encoded + _LAST_PAIR[value]


def _twins() -> descriptor_pool.DescriptorPool:
    """Builds the twins: the contract's messages, with what is passed on unread declared as bytes."""
    file = descriptor_pb2.FileDescriptorProto(name="twins.proto", package="twins", syntax="proto3")
    string, uint64, uint32 = _Field.TYPE_STRING, _Field.TYPE_UINT64, _Field.TYPE_UINT32
    many, data = _Field.LABEL_REPEATED, _Field.TYPE_BYTES

    def message(name: str, *fields: tuple[str, int, int] | tuple[str, int, int, int]) -> Any:
        made = file.message_type.add(name=name)
        for field_name, number, kind, *label in fields:
            made.field.add(name=field_name, number=number, type=kind, label=label[0] if label else 1)
        return made

    position = message(
        "ExpectedPosition", ("topic", 1, string), ("expected_last_sequence", 2, uint64), ("key", 3, string)
    )
    _optional(position, 1)
    request = message(
        "PublishRequest",
        ("request_id", 1, string),
        ("batches", 2, data, many),
        ("expected_positions", 3, _Field.TYPE_MESSAGE, many),
        ("stop_on_error", 4, _Field.TYPE_BOOL),
    )
    request.field[2].type_name = ".twins.ExpectedPosition"
    message(
        "EventBatch",
        ("topic", 1, string),
        ("type", 2, string),
        ("schema_version", 3, uint32),
        ("source", 4, string),
        ("first_sequence", 5, uint64),
        ("append_time", 6, data, many),
        ("offsets", 7, uint32, many),
        ("events", 16, data, many),
    )
    event = message(
        "Event",
        ("id", 1, data),
        ("key", 2, data),
        ("data", 3, data),
        ("time", 4, data),
        ("attributes", 5, data, many),
    )
    _optional(event, 2, 3)
    message("KeyedEvent", ("key", 2, data))
    keyed = message("KeyedBatch", ("events", 16, _Field.TYPE_MESSAGE, many))
    keyed.field[0].type_name = ".twins.KeyedEvent"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _optional(message: Any, *fields: int) -> None:
    """Gives fields of a message presence: of length 0 they are there."""
    for field in map(message.field.__getitem__, fields):
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{field.name}")


_POOL = _twins()


def _twin(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"twins.{name}"))


PublishRequestTwin = _twin("PublishRequest")
EventBatchTwin = _twin("EventBatch")
EventTwin = _twin("Event")
KeyedBatchTwin = _twin("KeyedBatch")
"""An ``EventBatch`` of which only the events' keys are read."""


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """A publish request whose batches are still bytes.

    Attributes:
        request_id: Empty if the caller gave none.
        batches: The serialized ``EventBatch`` messages, in order.
        expected: From topic to the last sequence that it must have.
        expected_keys: From topic and key to the sequence that the last event of the key must have.
        stop_on_error: Only of ``PublishStreamRequest``.
        size: Bytes of the request.
    """

    request_id: str
    batches: tuple[bytes, ...]
    expected: Mapping[str, int]
    expected_keys: Mapping[tuple[str, str], int]
    stop_on_error: bool
    size: int


def parse_publish_request(raw: bytes, *, max_bytes: int, max_batches: int) -> PublishRequest:
    """Parses a ``PublishRequest`` or ``PublishStreamRequest``, without looking into its batches.

    What is over a limit is refused before it costs more than its bytes.

    Args:
        raw: The request.
        max_bytes: Of the request (the setting ``max_request_bytes``).
        max_batches: Of the request, and likewise of its expected positions.

    Raises:
        InvalidRequest: It does not parse, or an expected position is incomplete or doubled.
        LimitExceeded: It is too large.
    """
    if len(raw) > max_bytes:
        raise LimitExceeded("max_request_bytes", max_bytes, len(raw), "the request's size")
    try:
        twin = PublishRequestTwin.FromString(raw)
    except DecodeError as error:
        raise InvalidRequest("request", "the bytes are no PublishRequest") from error
    for field in ("batches", "expected_positions"):
        number = len(getattr(twin, field))
        if number > max_batches:
            raise LimitExceeded("max_batches", max_batches, number, f"the number of {field}", field)
    expected = _expected_positions(twin.expected_positions) if twin.expected_positions else {}
    topics = {topic: sequence for (topic, key), sequence in expected.items() if not key}
    keys = {named: sequence for named, sequence in expected.items() if named[1]}
    return PublishRequest(twin.request_id, tuple(twin.batches), topics, keys, twin.stop_on_error, len(raw))


def _expected_positions(positions: Iterable[Any]) -> dict[tuple[str, str], int]:
    """Answers the expected sequence by topic and key, which is empty where the topic as a whole is meant."""
    expected: dict[tuple[str, str], int] = {}
    for index, position in enumerate(positions):
        path = f"expected_positions[{index}]"
        if not position.topic:
            raise InvalidRequest(f"{path}.topic", "must name a topic")
        if not position.HasField("expected_last_sequence"):
            raise InvalidRequest(
                f"{path}.expected_last_sequence", "must be set; 0 means a topic without events"
            )
        named = position.topic, position.key
        if named in expected:
            of_key = f" with key {position.key!r}" if position.key else ""
            raise InvalidRequest(f"{path}.topic", f"topic {position.topic!r}{of_key} is named twice")
        expected[named] = position.expected_last_sequence
    return expected


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What stands on a batch, read without its events' content.

    Attributes:
        topic, type, schema_version, source: The fields of ``EventBatch``.
        events: How many events it has.
        largest_event: The bytes of its largest event.
    """

    topic: str
    type: str
    schema_version: int
    source: str
    events: int
    largest_event: int


def parse_batch_header(raw: bytes, path: str) -> BatchHeader:
    """Reads the header of a batch that a publisher sent.

    Raises:
        InvalidEvents: The bytes are no ``EventBatch``.
        InvalidRequest: It sets a field that only the gateway sets.
    """
    try:
        twin = EventBatchTwin.FromString(raw)
    except DecodeError as error:
        raise InvalidEvents([Violation(path, "the bytes are no EventBatch")], 1, at_least=True) from error
    if twin.first_sequence or twin.append_time or twin.offsets:
        raise _gateway_field(twin, path)
    events = twin.events
    return BatchHeader(
        twin.topic, twin.type, twin.schema_version, twin.source, len(events), max(map(len, events), default=0)
    )


def _gateway_field(twin: Any, path: str) -> InvalidRequest:
    name = next(name for name in ("first_sequence", "append_time", "offsets") if getattr(twin, name))
    return InvalidRequest(f"{path}.{name}", "is set by the gateway alone; leave it out")


@dataclass(frozen=True, slots=True)
class EventSizes:
    """The bytes of one event's id, of its key, and of its attributes' keys and values together."""

    id: int
    key: int
    attributes: int


def event_sizes(raw: bytes) -> Iterable[EventSizes]:
    """Measures each event of a batch whose header was parsed before; skips events that don't parse."""
    for data in EventBatchTwin.FromString(raw).events:
        try:
            event = EventTwin.FromString(data)
        except DecodeError:  # the check against the schema says what is wrong with it
            continue
        yield EventSizes(len(event.id), len(event.key), sum(map(len, event.attributes)))
