"""What the check of a batch must decide, written the plain way: event by event, field by field, in Python.

The reference for ``registry.checking.validator``; shares no code with it. Parsing is Protobuf's own, with the
contract's generated classes and each event's own class; everything else is a walk over the bytes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from tidegate.v1 import event_pb2

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

_PACKABLE = {
    Kind.TYPE_DOUBLE: 8,
    Kind.TYPE_FIXED64: 8,
    Kind.TYPE_SFIXED64: 8,
    Kind.TYPE_FLOAT: 4,
    Kind.TYPE_FIXED32: 4,
    Kind.TYPE_SFIXED32: 4,
}


class Naive:
    """Checks batches of one event type."""

    def __init__(self, pool: DescriptorPool, type_name: str) -> None:
        self.type = pool.FindMessageTypeByName(type_name)
        self._nested = _nested(pool, self.type)

    def accepts(self, batch: bytes, *, allow_unknown: bool) -> bool:
        """Tells whether every event of a batch is in order."""
        try:
            plain = event_pb2.EventBatch.FromString(batch)
        except DecodeError:
            return False
        if _has_unknown(event_pb2.EventBatch.DESCRIPTOR, batch, 0, len(batch)):
            return False
        return all(self._accepts_event(event, allow_unknown=allow_unknown) for event in plain.events)

    def parses(self, data: bytes) -> bool:
        """Tells whether data parses as the event type, where it lies in what readers parse."""
        try:
            # Readers of typed streams meet the data four messages deep.
            self._nested.FromString(_wrapped(_wrapped(_wrapped(_wrapped(data)))))
        except DecodeError:
            return False
        return True

    def is_complete(self, data: bytes) -> bool:
        """Tells whether data that parses lacks no required field."""
        message = GetMessageClass(self.type).FromString(data)
        if not message.IsInitialized():
            return False
        with suppress(UnicodeDecodeError):  # Python can't list a map with a proto2 key that is not text
            assert _is_complete(message)
        return True

    def has_unknown(self, data: bytes) -> bool:
        """Tells whether data that parses has a field that the event type does not know."""
        return _has_unknown(self.type, data, 0, len(data))

    def _accepts_event(self, event: event_pb2.Event, *, allow_unknown: bool) -> bool:
        data = event.data
        if not event.HasField("data") or not self.parses(data) or not self.is_complete(data):
            return False
        return allow_unknown or not self.has_unknown(data)


def _nested(pool: DescriptorPool, event_type: Descriptor) -> type[Message]:
    file = pb.FileDescriptorProto(name="nested.proto", package="nested", dependency=[event_type.file.name])
    names = [f".nested.L{level}" for level in (1, 2, 3)] + [f".{event_type.full_name}"]
    for level, name in enumerate(names):
        field = file.message_type.add(name=f"L{level}").field.add(
            name="below", number=1, label=1, type_name=name
        )
        field.type = Kind.TYPE_MESSAGE
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("nested.L0"))


def _wrapped(data: bytes) -> bytes:
    length, out = len(data), bytearray(b"\x0a")
    while length > 0x7F:
        out.append(length & 0x7F | 0x80)
        length >>= 7
    out.append(length)
    return bytes(out) + data


def _is_complete(message: Message) -> bool:
    """Tells whether no required field is missing, down to the last message."""
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            return False
    return all(
        _is_complete(below)
        for field, value in message.ListFields()
        for below in ([value] if not field.is_repeated else _items(field, value))
        if hasattr(below, "DESCRIPTOR")
    )


def _items(field: FieldDescriptor, value: object) -> list[Message]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return list(value.values())
    return list(value)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value & (2**64 - 1), at


def _end(data: bytes, at: int, number: int, wire: int) -> int:
    """Answers where the payload ends that begins at ``at``; of a group, its end tag excluded."""
    if wire == 0:
        return _varint(data, at)[1]
    if wire in (1, 5):
        return at + (8 if wire == 1 else 4)
    if wire == 2:
        length, at = _varint(data, at)
        return at + length
    while True:
        key, start = _varint(data, at)
        if key == number << 3 | 4:
            return at
        at = _end(data, start, key >> 3, key & 7)
        if key & 7 == 3:
            at = _varint(data, at)[1]


def _has_unknown(descriptor: Descriptor, data: bytes, at: int, end: int) -> bool:
    """Tells whether a message that parses has a field that its descriptor, or one below, does not know."""
    if descriptor.GetOptions().message_set_wire_format:
        return _set_has_unknown(descriptor, data, at, end)
    known = {field.number: field for field in _fields(descriptor)}
    while at < end:
        key, start = _varint(data, at)
        number, wire = key >> 3, key & 7
        stop = _end(data, start, number, wire)
        at = stop if wire != 3 else _varint(data, stop)[1]
        if wire == 2:
            start = _varint(data, start)[1]
        if number not in known or _value_is_unknown(known[number], wire, data, start, stop):
            return True
    return False


def _fields(descriptor: Descriptor) -> list[FieldDescriptor]:
    return [*descriptor.fields, *descriptor.file.pool.FindAllExtensions(descriptor)]


def _value_is_unknown(field: FieldDescriptor, wire: int, data: bytes, at: int, end: int) -> bool:
    if field.type in (Kind.TYPE_MESSAGE, Kind.TYPE_GROUP):
        expected = 3 if field.type == Kind.TYPE_GROUP else 2
        return wire != expected or _has_unknown(field.message_type, data, at, end)
    if field.type in (Kind.TYPE_STRING, Kind.TYPE_BYTES):
        return wire != 2
    own = {None: 0, 4: 5, 8: 1}[_PACKABLE.get(field.type)]
    if wire != own and not (wire == 2 and field.is_repeated):
        return True
    return field.type == Kind.TYPE_ENUM and field.enum_type.is_closed and _has_no_name(field, data, at, end)


def _has_no_name(field: FieldDescriptor, data: bytes, at: int, end: int) -> bool:
    """Tells whether one of the numbers is no value of the field's enum."""
    while at < end:
        value, at = _varint(data, at)
        value &= 2**32 - 1
        if (value - 2**32 if value >= 2**31 else value) not in field.enum_type.values_by_number:
            return True
    return False


def _set_has_unknown(descriptor: Descriptor, data: bytes, at: int, end: int) -> bool:
    """Walks a MessageSet; of several items of one type only the last one counts, as the parser has it."""
    known = {field.number: field for field in _fields(descriptor)}
    last: dict[int, tuple[int, int]] = {}
    while at < end:
        key, start = _varint(data, at)
        number, wire = key >> 3, key & 7
        stop = _end(data, start, number, wire)
        at = stop if wire != 3 else _varint(data, stop)[1]
        if wire == 2:
            start = _varint(data, start)[1]
        if (number, wire) == (1, 3):
            item = _item(data, start, stop)
            if item is None:
                continue
            number, start, stop = item
        elif wire != 2:
            return True
        if number not in known:
            return True
        last[number] = start, stop
    return any(_has_unknown(known[number].message_type, data, *where) for number, where in last.items())


def _item(data: bytes, at: int, end: int) -> tuple[int, int, int] | None:
    """Answers the type and payload of an item of a MessageSet, of each the first; None if it lacks one."""
    number, payload = None, None
    while at < end:
        key, start = _varint(data, at)
        at = _end(data, start, key >> 3, key & 7)
        if key == 0x10 and number is None:
            number = _varint(data, start)[0] & (2**32 - 1)
        elif key == 0x1A and payload is None:
            payload = _varint(data, start)[1], at
        if key & 7 == 3:
            at = _varint(data, at)[1]
    return None if number is None or payload is None else (number, *payload)
