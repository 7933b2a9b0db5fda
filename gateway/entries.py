"""Finished entries: a batch with its trailer, made, joined to frames, and taken apart.

What stands in the log and what is delivered are the same bytes. Nothing here imports gRPC or the generated
stubs.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.wire import EventBatchTwin, EventTwin, KeyedBatchTwin, varint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_key = attrgetter("key")
_SEVEN = 0x7F
_EVENT_TAG = b"\x82\x01"
_TWO_BYTES = 1 << 14
"""From this length on the length itself takes more than two bytes."""


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


def envelope_size(size: int) -> int:
    """Answers how many bytes stand in front of the batch in a finished entry of ``size`` bytes."""
    length = 1
    while size - 1 - length >> 7 * length:
        length += 1
    return 1 + length


class OpenEntry:
    """A finished entry taken apart, so that others can be made of its events."""

    __slots__ = ("_batch", "events", "size")

    def __init__(self, entry: bytes) -> None:
        """Takes what ``Sealer.seal`` or ``pick`` made."""
        self._batch = EventBatchTwin.FromString(batch_of(entry))
        self.events: Sequence[bytes] = self._batch.events
        """The bytes of each ``Event``."""
        self.size = len(entry)
        """Bytes of the entry."""

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
        picked = EventBatchTwin(
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
    batch = EventBatchTwin.FromString(batch_of(entry))
    return Timestamp.FromString(b"".join(batch.append_time)).ToNanoseconds()


def pick(entry: bytes, indexes: Sequence[int]) -> bytes:
    """Answers a finished entry with some events of another one: ``OpenEntry.pick``."""
    return OpenEntry(entry).pick(indexes)


def replace_data(event: bytes, data: bytes | None) -> bytes:
    """Answers an event with other data; None for none at all."""
    twin = EventTwin.FromString(event)
    if data is None:
        twin.ClearField("data")
    else:
        twin.data = data
    replaced: bytes = twin.SerializePartialToString()
    return replaced


def data_of(event: bytes) -> bytes:
    """Answers the data of an event."""
    data: bytes = EventTwin.FromString(event).data
    return data


def event_keys(entry: bytes) -> list[bytes]:
    """Answers the key of each event of a finished entry, empty where it has none."""
    return list(map(_key, KeyedBatchTwin.FromString(batch_of(entry)).events))


def find_key(entry: bytes, key: str) -> list[int]:
    """Answers which events of a finished entry have a key; with an empty one, which have none."""
    wanted = key.encode()
    # As canonical events have it; one whose other fields happen to hold the same bytes is parsed, and told.
    encoded = b"\x12" + varint(len(wanted)) + wanted if wanted else b""
    if encoded not in entry:
        return []
    events = OpenEntry(entry).events
    candidates = [index for index, event in enumerate(events) if encoded in event]
    return [index for index in candidates if EventTwin.FromString(events[index]).key == wanted]


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
    batch = EventBatchTwin.FromString(data)
    sizes = list(map(len, batch.events))
    if min(sizes) > _SEVEN and max(sizes) < _TWO_BYTES:
        sizes = [size + 4 for size in sizes]
    else:
        sizes = [size + len(_EVENT_TAG) + len(varint(size)) for size in sizes]
    ends = list(accumulate(sizes))
    begin = len(data) - ends[-1]
    if begin < 0 or not data.startswith(_EVENT_TAG, begin):
        raise ValueError("the batch is not canonical")
    keys = list(map(_key, KeyedBatchTwin.FromString(data).events))
    return KeyedEvents(keys, ends, sizes, begin, bool(batch.source))


def keys_of(fields: Iterable[bytes]) -> list[bytes]:
    """Answers the keys of events that are given with their tag and length, as a batch has them."""
    return list(map(_key, KeyedBatchTwin.FromString(b"".join(fields)).events))
