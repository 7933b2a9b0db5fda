"""Events on their way out: what users hand in, and the bytes that the contract wants.

Events are encoded one by one as they are handed in, so that a publisher knows what it holds, and joined
to batches by concatenation: in Protobuf that is the same.
"""

# ruff: noqa: A002 - `id` and `type` are the contract's words

from __future__ import annotations

import os
import time as clock
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import uuid_utils
from google.protobuf.message import Message

from tidegate.v1 import event_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

# A forked child would otherwise draw the very ids that its parent draws.
os.register_at_fork(after_in_child=uuid_utils.reseed_rng)

_EVENTS = b"\x82\x01"  # the tag of EventBatch.events: field 16, length-delimited
_REQUEST_ID = b"\x0a"
_BATCHES = b"\x12"
_STOP_ON_ERROR = b"\x20\x01"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to publish, with everything that can be said about it.

    Attributes:
        message: A Protobuf message, or the bytes of one.
        type: The event type; needed with bytes, known from a message.
        key: What the event is about; events of one key stay in order. Empty means: no key.
        id: Names the event to its readers; a UUIDv7 is filled in if it is empty.
        time: When it occurred, with its time zone; now, if it is absent.
        attributes: Free-form facts beside the data.
    """

    message: Message | bytes
    type: str = ""
    key: str = ""
    id: str = ""
    time: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def type_name(self) -> str:
        """Answers the event type.

        Raises:
            TypeError: The message is bytes and no type was given, or is no message at all.
            ValueError: A message was given with the name of another type.
        """
        if isinstance(self.message, Message):
            name: str = self.message.DESCRIPTOR.full_name
            if self.type and self.type != name:
                raise ValueError(f"the message is a {name}, but type says {self.type}: leave type out")
            return name
        if not isinstance(self.message, bytes):
            raise TypeError(f"an event is a Protobuf message or bytes, not {type(self.message).__name__}")
        if not self.type:
            raise TypeError(
                "bytes do not say what they are: name their event type with type='package.Message'"
            )
        return self.type

    def encode(self) -> bytes:
        """Answers the bytes of its ``Event``, with id and time filled in."""
        data = self.message
        event = event_pb2.Event(
            id=self.id or new_id(),
            key=self.key,
            data=data if isinstance(data, bytes) else data.SerializePartialToString(),
            attributes=self.attributes or None,
        )
        seconds, nanos = divmod(_nanoseconds(self.time), 1_000_000_000)
        event.time.seconds, event.time.nanos = seconds, nanos
        return event.SerializeToString(deterministic=True)


def as_event(
    message: Message | bytes | NewEvent,
    *,
    key: str,
    id: str,
    time: datetime | None,
    attributes: Mapping[str, str] | None,
    type: str,
) -> NewEvent:
    """Answers what the arguments of a publish call mean; a ``NewEvent`` says everything itself.

    Raises:
        TypeError: Something is said beside a ``NewEvent``.
    """
    if not isinstance(message, NewEvent):
        return NewEvent(message, type, key, id, time, attributes or {})
    if key or id or time or attributes or type:
        raise TypeError("a NewEvent says key, id, time, attributes and type itself: leave them out beside it")
    return message


class Lane(NamedTuple):
    """What the events of one batch have in common. A schema version of 0 means: the latest one.

    A tuple, because it is a key that is looked up for every event.
    """

    topic: str
    type: str
    schema_version: int = 0


def new_id() -> str:
    """Answers a new UUIDv7: unique, and rising with time."""
    return str(uuid_utils.uuid7())


def batch_header(lane: Lane, source: str) -> bytes:
    """Answers the beginning of a batch, to which its events are appended."""
    return event_pb2.EventBatch(
        topic=lane.topic, type=lane.type, schema_version=lane.schema_version, source=source
    ).SerializeToString()


def batch_entry(event: bytes) -> bytes:
    """Answers an encoded event as a batch holds it."""
    return b"".join((_EVENTS, varint(len(event)), event))


def stream_request(request_id: str, batch: bytes) -> bytes:
    """Answers a ``PublishStreamRequest`` of one batch, with stop_on_error set.

    The flag stands on every request although only the first one's counts: a request that is repeated on
    a new stream then has the same bytes, wherever it stands.
    """
    name = request_id.encode()
    return b"".join(
        (_REQUEST_ID, varint(len(name)), name, _BATCHES, varint(len(batch)), batch, _STOP_ON_ERROR)
    )


def varint(value: int) -> bytes:
    """Encodes a non-negative integer as a Protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _nanoseconds(time: datetime | None) -> int:
    if time is None:
        return clock.time_ns()
    if time.tzinfo is None:
        raise ValueError(f"time {time} has no time zone: say datetime.now(UTC), or time.astimezone()")
    return round(time.timestamp() * 1_000_000) * 1000
