"""Protobuf's wire format, read and written by hand where C can't say what is wrong or where; and paths.

Slow: about a microsecond a record. Imports nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT: Final = 0
FIXED64: Final = 1
LENGTH_DELIMITED: Final = 2
START_GROUP: Final = 3
END_GROUP: Final = 4
FIXED32: Final = 5

_LONGEST_VARINT: Final = 10
_LARGEST_TAG: Final = 2**32 - 1


class Malformed(Exception):
    """The bytes are no records of a Protobuf message. ``str()`` says what is wrong, and at which byte."""


@dataclass(frozen=True, slots=True)
class Record:
    """One field as it stands on the wire.

    Attributes:
        number: The field's number.
        wire_type: How it is encoded.
        value: The integer of a varint; else 0.
        start: Where the payload begins, behind tag and length.
        end: Where the payload ends. A group's payload is read record by record: it ends where it starts.
    """

    number: int
    wire_type: int
    value: int
    start: int
    end: int


def varint(value: int) -> bytes:
    """Encodes a non-negative integer as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire_type: int) -> bytes:
    """Encodes a field's number and wire type."""
    return varint(number << 3 | wire_type)


def length_delimited(number: int, payload: bytes) -> bytes:
    """Encodes a field whose payload is bytes, text or a message."""
    return b"".join((tag(number, LENGTH_DELIMITED), varint(len(payload)), payload))


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Answers the varint at ``position`` and the position behind it.

    Raises:
        Malformed: It does not end before ``end``, or not within ten bytes.
    """
    value = shift = 0
    for at in range(position, min(end, position + _LONGEST_VARINT)):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + 1
        shift += 7
    what = "has more than ten bytes" if end - position > _LONGEST_VARINT else "is cut off"
    raise Malformed(f"the number at byte {position} {what}")


def read_record(data: bytes, position: int, end: int) -> Record:
    """Answers the record at ``position``; of a group only its start.

    Raises:
        Malformed: There is no record that ends before ``end``.
    """
    key, start = read_varint(data, position, end)
    number, wire_type, value = key >> 3, key & 7, 0
    if number == 0 or wire_type > FIXED32 or key > _LARGEST_TAG:
        raise Malformed(f"byte {position} begins no field")
    stop = start
    if wire_type == VARINT:
        value, stop = read_varint(data, start, end)
    elif wire_type == LENGTH_DELIMITED:
        length, start = read_varint(data, start, end)
        stop = start + length
    elif wire_type in (FIXED32, FIXED64):
        stop = start + (4 if wire_type == FIXED32 else 8)
    if stop > end:
        raise Malformed(
            f"field {number} at byte {position} needs {stop - start} bytes, {end - start} are left"
        )
    return Record(number, wire_type, value, start, stop)


def records(data: bytes) -> Iterator[Record]:
    """Answers the records of a message, groups as starts, contents and ends.

    Raises:
        Malformed: At the first byte that is no part of a record.
    """
    position = 0
    while position < len(data):
        record = read_record(data, position, len(data))
        yield record
        position = record.end


def numbers(data: bytes) -> set[int]:
    """Answers the numbers of a message's fields. Raises ``Malformed`` if it is none."""
    return {record.number for record in records(data)}


def subscript(key: object) -> str:
    """Writes a map's key as paths have it."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return f'"{key}"' if isinstance(key, str) else str(key)
