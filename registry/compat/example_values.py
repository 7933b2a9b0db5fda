"""Small payloads that show what becomes of a field: written by hand, so that any value can be had.

Values are chosen to show the trouble: numbers too large for smaller types, negative ones, text that is no
number, bytes that are no text, enum numbers without a name, several elements.
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor as Field

from registry.checking.wire import (
    END_GROUP,
    FIXED32,
    FIXED64,
    START_GROUP,
    VARINT,
    length_delimited,
    tag,
    varint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor import Descriptor

_FIELDS_TRIED = 8
_REQUIRED_DEPTH = 5
_NAMES_LOOKED_AT = 10_000
_FIXED = {
    Field.TYPE_DOUBLE: ("<d", FIXED64),
    Field.TYPE_FLOAT: ("<f", FIXED32),
    Field.TYPE_FIXED64: ("<Q", FIXED64),
    Field.TYPE_SFIXED64: ("<q", FIXED64),
    Field.TYPE_FIXED32: ("<I", FIXED32),
    Field.TYPE_SFIXED32: ("<i", FIXED32),
}
_ZIGZAG = {Field.TYPE_SINT32, Field.TYPE_SINT64}
_INT32 = (7, -7, 2**31 - 1)
_UINT32 = (7, 2**32 - 1)
_INT64 = (7, -7, 2**40)
_UINT64 = (7, 2**40, 2**64 - 1)
_VALUES: dict[int, Sequence[Any]] = {
    Field.TYPE_INT32: _INT32,
    Field.TYPE_SINT32: _INT32,
    Field.TYPE_SFIXED32: _INT32,
    Field.TYPE_UINT32: _UINT32,
    Field.TYPE_FIXED32: _UINT32,
    Field.TYPE_INT64: _INT64,
    Field.TYPE_SINT64: _INT64,
    Field.TYPE_SFIXED64: _INT64,
    Field.TYPE_UINT64: _UINT64,
    Field.TYPE_FIXED64: _UINT64,
    Field.TYPE_BOOL: (True, False),
    Field.TYPE_DOUBLE: (1.5, 1e300, 0.1),
    Field.TYPE_FLOAT: (1.5, 1e30),
    Field.TYPE_STRING: (b"text", b"7", b""),
    Field.TYPE_BYTES: (b"text", b"\xff\xfe", b""),
}
_WHOLE = {kind for kind, values in _VALUES.items() if 7 in values}
_WELL_KNOWN = {
    # JSON writes these in forms of their own, which do not take any value.
    "google.protobuf.Any": (b"",),
    "google.protobuf.Timestamp": (b"\x08\x07",),
    "google.protobuf.Duration": (b"\x08\x07",),
    "google.protobuf.FieldMask": (b"\x0a\x01a",),
    "google.protobuf.Struct": (b"\x0a\x05\x0a\x01a\x12\x00",),
    "google.protobuf.Value": (b"\x20\x01",),
    "google.protobuf.ListValue": (b"\x0a\x02\x20\x01",),
}


def record(field: Any, value: Any) -> bytes:
    """Encodes one value of a field, not packed: a number, bytes, or a message's own bytes."""
    if field.type in _FIXED:
        form, wire_type = _FIXED[field.type]
        return tag(field.number, wire_type) + struct.pack(form, value)
    if field.type == Field.TYPE_GROUP:
        return b"".join((tag(field.number, START_GROUP), value, tag(field.number, END_GROUP)))
    if isinstance(value, bytes):
        return length_delimited(field.number, value)
    number = (value << 1) ^ (value >> 63) if field.type in _ZIGZAG else value
    return tag(field.number, VARINT) + varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def payloads(field: Any, other: Any | None, depth: int = 1) -> Iterator[bytes]:
    """Answers payloads that set a field alone, as its message encodes it.

    Args:
        field: The writer's field.
        other: The reader's field of the same number; None if it has none.
        depth: How many levels of messages inside of it are filled, too.
    """
    values = list(_values(field, other, depth))
    if field.containing_type.GetOptions().message_set_wire_format:
        yield from (_message_set_item(field, value) for value in values)
    elif field.is_repeated:
        yield b"".join(record(field, value) for value in values[:2])
        yield from (record(field, value) for value in values)
    else:
        yield from (record(field, value) for value in values)


def _message_set_item(field: Any, value: bytes) -> bytes:
    inner = b"\x10" + varint(field.number) + length_delimited(3, value)
    return b"\x0b" + inner + b"\x0c"


def _values(field: Any, other: Any | None, depth: int) -> Iterator[Any]:
    if field.enum_type is not None:
        yield from _enum_numbers(field, other)
    elif field.message_type is not None and field.message_type.GetOptions().map_entry:
        yield from _entries(field, other, depth)
    elif field.message_type is not None:
        yield from _messages(field, other, depth)
    else:
        yield from _VALUES[field.type]
        if other is not None and other.enum_type is not None and field.type in _WHOLE:
            yield from (it.number for it in islice(other.enum_type.values, 3) if it.number > 0)


def _entries(field: Any, other: Any | None, depth: int) -> Iterator[bytes]:
    key, value = field.message_type.fields
    inside = None if other is None or other.message_type is None else other.message_type.fields_by_number
    keys = [record(key, it) for it in _values(key, None, 0)]
    values = [record(value, it) for it in _values(value, inside and inside.get(value.number), depth)]
    yield from (keys[0] + it for it in values[:_FIELDS_TRIED])
    yield from (it + values[0] for it in keys[1:])


def _enum_numbers(field: Any, other: Any | None) -> Iterator[int]:
    """Answers numbers that the other side does not name, then others, then one that nobody names."""
    names = [it.number for it in islice(field.enum_type.values, _NAMES_LOOKED_AT)]
    known = other.enum_type.values_by_number if other is not None and other.enum_type is not None else {}
    yield from islice((number for number in names if number not in known), 2)
    yield from islice((number for number in names if number), 3)
    yield names[0]
    if not field.enum_type.is_closed:
        yield min(max(names, default=0) + 1, 2**31 - 1)


def _messages(field: Any, other: Any | None, depth: int) -> Iterator[bytes]:
    message = field.message_type
    if message.full_name in _WELL_KNOWN:
        yield from _WELL_KNOWN[message.full_name]
        return
    required = required_payload(message)
    if depth and required is not None:
        reader = other.message_type if other is not None else None
        for inner in islice(message.fields, _FIELDS_TRIED):
            inside = None if reader is None else reader.fields_by_number.get(inner.number)
            yield from (required + payload for payload in islice(payloads(inner, inside, depth - 1), 3))
    yield required or b""


def required_payload(message: Descriptor, depth: int = _REQUIRED_DEPTH) -> bytes | None:
    """Answers the smallest payload that has all required fields; None if none is small."""
    parts = []
    for field in message.fields:
        if field.is_required:
            value = _smallest(field, depth)
            if value is None:
                return None
            parts.append(record(field, value))
    return b"".join(parts)


def _smallest(field: Any, depth: int) -> Any:
    if field.message_type is not None:
        return required_payload(field.message_type, depth - 1) if depth else None
    return field.enum_type.values[0].number if field.enum_type is not None else _VALUES[field.type][0]


def default_record(field: Any) -> bytes:
    """Encodes the default of a field that is no message."""
    value = field.default_value
    return record(field, value.encode() if isinstance(value, str) else value)
