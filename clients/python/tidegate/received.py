"""Events as they come in: thin faces over the delivered batch, decoded when they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

    from tidegate.v1 import event_pb2

    Decode = Callable[[bytes], Message]


class Event:
    """One delivered event. Cheap: everything but ``sequence`` is read when it is asked for."""

    __slots__ = ("_batch", "_envelope", "_message", "sequence")

    def __init__(self, batch: Batch, envelope: event_pb2.Event, sequence: int) -> None:
        self._batch = batch
        self._envelope = envelope
        self._message: Any = None
        self.sequence = sequence
        """Its position in the log."""

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._batch.topic

    @property
    def type(self) -> str:
        """The event type: the full name of the message."""
        return self._batch.type

    @property
    def schema_version(self) -> int:
        """The version that the event was checked against."""
        return self._batch.schema_version

    @property
    def source(self) -> str:
        """Who produced it; may be empty."""
        return self._batch.source

    @property
    def append_time(self) -> datetime:
        """When the gateway appended it."""
        return self._batch.append_time

    @property
    def id(self) -> str:
        """Names the event; its sequence, where the producer gave no id."""
        return self._envelope.id or str(self.sequence)

    @property
    def key(self) -> str:
        """What it is about; empty if it has no key."""
        return self._envelope.key

    @property
    def time(self) -> datetime:
        """When it occurred by the producer's clock; ``append_time``, where the producer did not say."""
        return _utc(self._envelope.time) if self._envelope.HasField("time") else self.append_time

    @property
    def attributes(self) -> Mapping[str, str]:
        """Free-form facts beside the data."""
        return dict(self._envelope.attributes)

    @property
    def envelope(self) -> event_pb2.Event:
        """The event as the contract has it, with its times to the nanosecond. Not to be changed."""
        return self._envelope

    @property
    def data(self) -> bytes:
        """The serialized message."""
        return self._envelope.data

    @property
    def message(self) -> Any:
        """The message: of the class given in ``types``, else of one made from the gateway's schema.

        Decoded at the first use. Typed as ``Any``: its class is only known when the program runs.

        Raises:
            TidegateError: The schema could not be had from the gateway.
            google.protobuf.message.DecodeError: The class given in ``types`` can't read the data.
        """
        if self._message is None:
            self._message = self._batch.decode(self._envelope.data)
        return self._message

    def __repr__(self) -> str:
        return f"<Event {self.sequence} {self.topic} {self.type} id={self.id!r} key={self.key!r}>"


class Batch:
    """A run of delivered events of one topic, one event type and one schema version. Iterates over events."""

    __slots__ = ("_decode", "_delivered", "_skip")

    def __init__(self, delivered: event_pb2.EventBatch, decode: Decode, after: int = 0) -> None:
        self._delivered = delivered
        self._decode = decode
        self._skip = _count_through(delivered, after)

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._delivered.topic

    @property
    def type(self) -> str:
        """The event type."""
        return self._delivered.type

    @property
    def schema_version(self) -> int:
        """The version that the events were checked against."""
        return self._delivered.schema_version

    @property
    def source(self) -> str:
        """Who produced the events; may be empty."""
        return self._delivered.source

    @property
    def append_time(self) -> datetime:
        """When the gateway appended them."""
        return _utc(self._delivered.append_time)

    @property
    def envelope(self) -> event_pb2.EventBatch:
        """The batch as the contract has it. Not to be changed."""
        return self._delivered

    @property
    def first_sequence(self) -> int:
        """The sequence of the first event."""
        return self._sequence(self._skip)

    @property
    def last_sequence(self) -> int:
        """The sequence of the last event."""
        return self._sequence(len(self._delivered.events) - 1)

    def decode(self, data: bytes) -> Message:
        """Decodes the data of one of its events."""
        return self._decode(data)

    def after(self, sequence: int) -> Batch:
        """Answers the part of it behind ``sequence``; may be empty."""
        return Batch(self._delivered, self._decode, sequence)

    def __len__(self) -> int:
        return len(self._delivered.events) - self._skip

    def __iter__(self) -> Iterator[Event]:
        delivered = self._delivered
        events = delivered.events[self._skip :] if self._skip else delivered.events
        if delivered.offsets:
            first = delivered.first_sequence
            sequences: Any = (first + offset for offset in delivered.offsets[self._skip :])
        else:
            sequences = range(
                delivered.first_sequence + self._skip, delivered.first_sequence + len(delivered.events)
            )
        for sequence, envelope in zip(sequences, events, strict=True):
            yield Event(self, envelope, sequence)

    def __repr__(self) -> str:
        return f"<Batch {self.first_sequence}-{self.last_sequence} {self.topic} {self.type}>"

    def _sequence(self, index: int) -> int:
        offsets = self._delivered.offsets
        return self._delivered.first_sequence + (offsets[index] if offsets else index)


def _count_through(delivered: event_pb2.EventBatch, sequence: int) -> int:
    """Answers how many of the events stand at or below ``sequence``."""
    above = sequence - delivered.first_sequence
    if delivered.offsets:
        return sum(offset <= above for offset in delivered.offsets)
    return min(max(above + 1, 0), len(delivered.events))


def _utc(time: Timestamp) -> datetime:
    return time.ToDatetime(tzinfo=UTC)
