"""The bytes of the contract, where they are handled as bytes.

Requests and frames carry batches that are never decoded as a whole: twins of the contract's messages,
built here as private descriptors, declare those fields as bytes. ``tests/test_wire.py`` holds them
equal to ``proto/``. Nothing here imports gRPC or the generated stubs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from registry.errors import InvalidEvents, InvalidRequest, LimitExceeded, Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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


@lru_cache(maxsize=16)  # all batches of a transaction have the same time
def _timestamp(nanoseconds: int) -> bytes:
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    return b"\x08" + varint(seconds) + b"\x10" + varint(nanos)


class Sealer:
    """Makes finished frame entries of one topic, event type and schema version.

    An entry is a batch's bytes followed by a trailer that always carries topic, type, schema_version,
    first_sequence and append_time, zeros written out: in Protobuf the last value wins, so nothing that
    a publisher wrote in front can stand against it.
    """

    __slots__ = ("_constant",)

    def __init__(self, topic: str, event_type: str, schema_version: int) -> None:
        name, kind = topic.encode(), event_type.encode()
        self._constant = b"".join(
            (
                b"\x0a",
                varint(len(name)),
                name,
                b"\x12",
                varint(len(kind)),
                kind,
                b"\x18",
                varint(schema_version),
            )
        )

    def seal(self, data: bytes, first_sequence: int, append_time: int) -> bytes:
        """Answers the entry: tag and length of ``Batches.batches``, the batch, the trailer.

        Args:
            data: The bytes of an ``EventBatch``.
            first_sequence: Of its first event.
            append_time: Nanoseconds since the epoch.
        """
        trailer = self._trailer(first_sequence, append_time)
        return b"".join((b"\x0a", varint(len(data) + len(trailer)), data, trailer))

    def unseal(self, entry: bytes, first_sequence: int, append_time: int) -> bytes:
        """Answers the bytes that ``seal`` made an entry of.

        Raises:
            ValueError: The entry is not what it makes of these values.
        """
        trailer = self._trailer(first_sequence, append_time)
        if not entry.endswith(trailer):
            raise ValueError("the entry was sealed with other values")
        return entry[envelope_size(len(entry)) : -len(trailer)]

    def _trailer(self, first_sequence: int, append_time: int) -> bytes:
        time = _timestamp(append_time)
        return b"".join((self._constant, b"\x28", varint(first_sequence), b"\x32", varint(len(time)), time))


def batches_frame(entries: list[bytes]) -> bytes:
    """Joins finished entries into one ``SubscribeResponse`` with a ``batches`` frame."""
    return b"".join((b"\x12", varint(sum(map(len, entries))), *entries))


def leased_frame(entries: list[bytes], epoch: int, attempt: int) -> bytes:
    """Joins finished entries as ``batches_frame`` does, and says under which lease they are delivered."""
    return batches_frame([*entries, b"".join((b"\x10", varint(epoch), b"\x18", varint(attempt)))])


def result_entry(result: bytes) -> bytes:
    """Makes a serialized ``PublishStreamResult`` a finished entry of ``PublishStreamResponse.results``."""
    return b"".join((b"\x0a", varint(len(result)), result))


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


_PublishRequest = _twin("PublishRequest")
_EventBatch = _twin("EventBatch")
_Event = _twin("Event")
_KeyedBatch = _twin("KeyedBatch")
_key = attrgetter("key")
_EVENT_TAG = b"\x82\x01"


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
        twin = _PublishRequest.FromString(raw)
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
        twin = _EventBatch.FromString(raw)
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
    for data in _EventBatch.FromString(raw).events:
        try:
            event = _Event.FromString(data)
        except DecodeError:  # the check against the schema says what is wrong with it
            continue
        yield EventSizes(len(event.id), len(event.key), sum(map(len, event.attributes)))


def envelope_size(size: int) -> int:
    """Answers how many bytes stand in front of the batch in a finished entry of ``size`` bytes."""
    length = 1
    while size - 1 - length >> 7 * length:
        length += 1
    return 1 + length


class OpenEntry:
    """A finished entry taken apart, so that others can be made of its events."""

    __slots__ = ("_batch", "events")

    def __init__(self, entry: bytes) -> None:
        """Takes what ``Sealer.seal`` or ``pick`` made."""
        self._batch = _EventBatch.FromString(batch_of(entry))
        self.events: Sequence[bytes] = self._batch.events
        """The bytes of each ``Event``."""

    def pick(
        self, indexes: Sequence[int], events: Sequence[bytes] | None = None, *, schema_version: int = 0
    ) -> bytes:
        """Answers a finished entry with some of the events, in the order of the indexes.

        Args:
            indexes: Which events; at least one.
            events: What to put in their place, one for each index; None for the events themselves.
            schema_version: What the entry says of its version; 0 for what it says now.
        """
        batch = self._batch
        offsets = batch.offsets or range(len(self.events))
        lowest = min(map(offsets.__getitem__, indexes))
        picked = _EventBatch(
            topic=batch.topic,
            type=batch.type,
            schema_version=schema_version or batch.schema_version,
            source=batch.source,
            first_sequence=batch.first_sequence + lowest,
            append_time=batch.append_time,
            events=[self.events[index] for index in indexes] if events is None else events,
        )
        apart = [offsets[index] - lowest for index in indexes]
        if apart != list(range(len(apart))):
            picked.offsets[:] = apart
        data = picked.SerializePartialToString()
        return b"".join((b"\x0a", varint(len(data)), data))


def batch_of(entry: bytes) -> bytes:
    """Answers the bytes of the ``EventBatch`` that a finished entry holds."""
    start = 1
    while entry[start] > _SEVEN:
        start += 1
    return entry[start + 1 :]


def append_time_of(entry: bytes) -> int:
    """Answers when the batch of a finished entry was appended, in nanoseconds since the epoch."""
    batch = _EventBatch.FromString(batch_of(entry))
    return Timestamp.FromString(b"".join(batch.append_time)).ToNanoseconds()


def pick(entry: bytes, indexes: Sequence[int]) -> bytes:
    """Answers a finished entry with some events of another one: ``OpenEntry.pick``."""
    return OpenEntry(entry).pick(indexes)


def cut(entry: bytes, skip: int, keep: int) -> bytes:
    """Cuts a run of events out of a finished entry and answers a finished entry.

    Args:
        entry: What ``Sealer.seal`` made.
        skip: How many events to leave out in front.
        keep: How many events to keep behind them.
    """
    return pick(entry, range(skip, skip + keep))


def replace_data(event: bytes, data: bytes | None) -> bytes:
    """Answers an event with other data; None for none at all."""
    twin = _Event.FromString(event)
    if data is None:
        twin.ClearField("data")
    else:
        twin.data = data
    replaced: bytes = twin.SerializePartialToString()
    return replaced


def data_of(event: bytes) -> bytes:
    """Answers the data of an event."""
    data: bytes = _Event.FromString(event).data
    return data


def event_keys(entry: bytes) -> list[bytes]:
    """Answers the key of each event of a finished entry, empty where it has none."""
    return list(map(_key, _KeyedBatch.FromString(batch_of(entry)).events))


def find_key(entry: bytes, key: str) -> list[int]:
    """Answers which events of a finished entry have a key; with an empty one, which have none."""
    wanted = key.encode()
    # As canonical events have it; one whose other fields happen to hold the same bytes is parsed, and told.
    encoded = b"\x12" + varint(len(wanted)) + wanted if wanted else b""
    if encoded not in entry:
        return []
    events = OpenEntry(entry).events
    candidates = [index for index, event in enumerate(events) if encoded in event]
    return [index for index in candidates if _Event.FromString(events[index]).key == wanted]


class KeyedEvents(NamedTuple):
    """Where the events of a batch stand in its bytes, and their keys.

    Attributes:
        keys: The key of each, empty for none.
        ends: Where each ends, counted from the first one's beginning.
        sizes: How many bytes each takes, with its tag and length.
        begin: Where the first one begins: what stands in front is the batch's own.
        has_source: Whether the batch says who produced it.
    """

    keys: list[bytes]
    ends: list[int]
    sizes: list[int]
    begin: int
    has_source: bool


def keyed_events(data: bytes) -> KeyedEvents:
    """Finds the events of a canonical ``EventBatch`` without a trailer, and their keys.

    Raises:
        ValueError: It is not canonical: its events are not the last that stands in it.
    """
    batch = _EventBatch.FromString(data)
    sizes = list(map(len, batch.events))
    if min(sizes) > _SEVEN and max(sizes) < _PAIRS:
        sizes = [size + 4 for size in sizes]
    else:
        sizes = [size + len(_EVENT_TAG) + len(varint(size)) for size in sizes]
    ends = list(accumulate(sizes))
    begin = len(data) - ends[-1]
    if begin < 0 or not data.startswith(_EVENT_TAG, begin):
        raise ValueError("the batch is not canonical")
    keys = list(map(_key, _KeyedBatch.FromString(data).events))
    return KeyedEvents(keys, ends, sizes, begin, bool(batch.source))


def keys_of(fields: Iterable[bytes]) -> list[bytes]:
    """Answers the keys of events that are given with their tag and length, as a batch has them."""
    return list(map(_key, _KeyedBatch.FromString(b"".join(fields)).events))
