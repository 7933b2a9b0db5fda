"""Finds out what is wrong with an event that failed its schema, and says it.

Runs only where a batch was rejected, on at most as many events as an error lists. It decides nothing:
the verdict is the parser's, and these are the words for it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from registry.checking.envelope import DEEPEST
from registry.checking.fields import checks_text, is_map_entry, is_message_set, known_fields
from registry.checking.wire import (
    END_GROUP,
    FIXED32,
    FIXED64,
    LENGTH_DELIMITED,
    START_GROUP,
    VARINT,
    Malformed,
    Record,
    read_record,
    read_varint,
    subscript,
)
from registry.errors import Violation

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

RECORDS: Final = 20_000
"""How many records the words for one rejection are worth; under 0.1 s."""

_WIRE_TYPES: Final = {
    FieldDescriptor.TYPE_DOUBLE: FIXED64,
    FieldDescriptor.TYPE_FIXED64: FIXED64,
    FieldDescriptor.TYPE_SFIXED64: FIXED64,
    FieldDescriptor.TYPE_FLOAT: FIXED32,
    FieldDescriptor.TYPE_FIXED32: FIXED32,
    FieldDescriptor.TYPE_SFIXED32: FIXED32,
    FieldDescriptor.TYPE_STRING: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_BYTES: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_MESSAGE: LENGTH_DELIMITED,
    FieldDescriptor.TYPE_GROUP: START_GROUP,
}
_ITEM: Final = (1, START_GROUP)
_NAMES: Final = ("a varint", "64 bits", "length-delimited", "a group", "the end of a group", "32 bits")


class _Fault(Exception):
    """What is wrong with the field at a path. Ends a walk."""

    def __init__(self, path: str, description: str) -> None:
        super().__init__(description)
        self.path = path


class _TooLong(Exception):
    """The walk would take too long. Ends it."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a walk asks of a message type again and again."""

    known: dict[int, FieldDescriptor]
    is_set: bool
    is_entry: bool

    def below(self, path: str, field: FieldDescriptor, index: int) -> str:
        """Writes the path of a field's occurrence; the value of a map's entry goes by the entry's own."""
        if self.is_entry and field.number == 2:
            return path
        name = f"[{field.full_name}]" if field.is_extension else field.name
        return f"{path}.{name}[{index}]" if field.is_repeated else f"{path}.{name}"


def in_version(schema_version: int) -> str:
    """Answers the words that name a schema version behind a sentence; none for 0."""
    return f" in schema version {schema_version}" if schema_version else ""


class Diagnosis:
    """Walks the bytes of messages along their descriptors, to say what a parser would only refuse.

    One a rejection: all its walks together look at ``RECORDS`` records at most, for a publisher decides
    how many there are.
    """

    __slots__ = ("_allow_unknown", "_data", "_in_version", "_kinds", "_left", "_required")

    def __init__(self, schema_version: int = 0) -> None:
        """Takes the version to name, 0 for messages that are not of a schema."""
        self._in_version = in_version(schema_version)
        self._kinds: dict[str, _Kind] = {}
        self._left = RECORDS

    def first_fault(
        self,
        descriptor: Descriptor,
        data: bytes,
        path: str,
        depth: int,
        *,
        allow_unknown: bool = False,
        required: bool = False,
    ) -> Violation | None:
        """Words the first malformed, too deep or unknown field; None if there is none, or none was reached.

        Args:
            descriptor: Of the message that the bytes are meant to be.
            data: The bytes.
            path: Of the message, in the request.
            depth: How many messages it lies in, in what readers parse.
            allow_unknown: Pass over unknown fields.
            required: Word missing required fields too. They may stand in another occurrence of the same
                message, so ask only where the parser says that some are missing.
        """
        self._data, self._allow_unknown, self._required = data, allow_unknown, required
        try:
            self._message(descriptor, 0, len(data), path, depth)
        except _Fault as fault:
            return Violation(fault.path, str(fault))
        except _TooLong:
            pass
        return None

    def _message(
        self, descriptor: Descriptor, position: int, end: int, path: str, depth: int, *, group: int = 0
    ) -> int:
        """Walks one message and answers the position behind it; ``group`` is its number if it is one."""
        if depth > DEEPEST:
            raise _Fault(
                path, f"lies deeper than {DEEPEST} messages, counted from the frame of a subscription"
            )
        kind, seen = self._kind(descriptor), Counter[int]()
        while position < end:
            record = self._record(position, end, path, descriptor.full_name)
            if record.wire_type == END_GROUP and record.number == group:
                self._check_required(kind, seen, path)
                return record.end
            if kind.is_set and (record.number, record.wire_type) == _ITEM:
                position = self._item(descriptor, record.start, end, path, depth)
                continue
            field = kind.known.get(record.number)
            if field is None or not _fits(field, record.wire_type):
                position = self._unknown(descriptor, field, record, end, path)
                continue
            position = self._field(field, record, end, kind.below(path, field, seen[field.number]), depth)
            seen[field.number] += 1
        if group:
            raise _Fault(path, f"the group of field {group} does not end")
        self._check_required(kind, seen, path)
        return position

    def _kind(self, descriptor: Descriptor) -> _Kind:
        found = self._kinds.get(descriptor.full_name)
        if found is None:
            known = {field.number: field for field in known_fields(descriptor)}
            found = _Kind(known, is_message_set(descriptor), is_map_entry(descriptor))
            self._kinds[descriptor.full_name] = found
        return found

    def _check_required(self, kind: _Kind, seen: Counter[int], path: str) -> None:
        value = kind.known[2].message_type if kind.is_entry and not seen[2] else None
        if value is not None:  # an entry without a value has an empty one
            self._check_required(self._kind(value), Counter(), path)
        for field in kind.known.values() if self._required else ():
            if field.is_required and not seen[field.number]:
                raise _Fault(f"{path}.{field.name}", f"required field {field.number} is missing")

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _TooLong

    def _record(self, position: int, end: int, path: str, type_name: str) -> Record:
        self._count()
        try:
            return read_record(self._data, position, end)
        except Malformed as error:
            raise _Fault(path, f"does not parse as {type_name}: {error}") from None

    def _field(self, field: FieldDescriptor, record: Record, end: int, path: str, depth: int) -> int:
        if field.message_type is not None:
            if field.type == FieldDescriptor.TYPE_GROUP:
                return self._message(
                    field.message_type, record.start, end, path, depth + 1, group=record.number
                )
            path = self._keyed(field, record, path)
            return self._message(field.message_type, record.start, record.end, path, depth + 1)
        if field.type == FieldDescriptor.TYPE_STRING:
            self._text(field, record, path)
        elif record.wire_type == LENGTH_DELIMITED and field.type != FieldDescriptor.TYPE_BYTES:
            self._packed(field, record, path)
        elif field.enum_type is not None:
            self._enum(field, record.value, path)
        return record.end

    def _text(self, field: FieldDescriptor, record: Record, path: str) -> None:
        try:
            self._data[record.start : record.end].decode()
        except UnicodeDecodeError as error:
            if checks_text(field):
                raise _Fault(
                    path, f"is not UTF-8: {error.reason} at byte {error.start} of the text"
                ) from None

    def _packed(self, field: FieldDescriptor, record: Record, path: str) -> None:
        width = {FIXED64: 8, FIXED32: 4}.get(_WIRE_TYPES.get(field.type, VARINT))
        if width:
            if (record.end - record.start) % width:
                raise _Fault(path, f"is packed, but its length is no multiple of {width}")
            return
        position = record.start
        while position < record.end:
            self._count()
            try:
                value, position = read_varint(self._data, position, record.end)
            except Malformed as error:
                raise _Fault(path, f"is packed, and {error}") from None
            self._enum(field, value, path)

    def _enum(self, field: FieldDescriptor, value: int, path: str) -> None:
        if field.enum_type is None or not field.enum_type.is_closed or self._allow_unknown:
            return
        number = (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
        if number not in field.enum_type.values_by_number:
            raise _Fault(
                path,
                f"{number} is no value of the closed enum {field.enum_type.full_name}{self._in_version}",
            )

    def _unknown(
        self, descriptor: Descriptor, field: FieldDescriptor | None, record: Record, end: int, path: str
    ) -> int:
        if record.wire_type == END_GROUP:
            raise _Fault(path, f"does not parse as {descriptor.full_name}: a group ends that did not begin")
        if self._allow_unknown:
            return self._skip(record, end, path, descriptor.full_name)
        if field is None:
            what = f"unknown field {record.number}: {descriptor.full_name} has no such field"
            raise _Fault(path, f"{what}{self._in_version}")
        raise _Fault(
            f"{path}.{field.name}",
            f"unknown field: number {record.number} is encoded as {_NAMES[record.wire_type]}, "
            f"which {field.full_name} is not{self._in_version}",
        )

    def _skip(self, record: Record, end: int, path: str, type_name: str) -> int:
        """Answers the position behind a record; of a group, behind its end."""
        groups = [record.number] if record.wire_type == START_GROUP else []
        position = record.end
        while groups:
            inner = self._record(position, end, path, type_name)
            position = inner.end
            if inner.wire_type == START_GROUP:
                groups.append(inner.number)
            elif inner.wire_type == END_GROUP and inner.number != groups.pop():
                raise _Fault(path, f"does not parse as {type_name}: group {inner.number} ends inside another")
        return position

    def _item(self, descriptor: Descriptor, position: int, end: int, path: str, depth: int) -> int:
        """Walks one item of a MessageSet: a group of the payload's type, as a number, and the payload."""
        number, payload = 0, None
        record = self._record(position, end, path, descriptor.full_name)
        while record.wire_type != END_GROUP:
            if (record.number, record.wire_type) == (2, VARINT):
                number = record.value
            elif (record.number, record.wire_type) == (3, LENGTH_DELIMITED):
                payload = record
            record = self._record(
                self._skip(record, end, path, descriptor.full_name), end, path, descriptor.full_name
            )
        field = self._kind(descriptor).known.get(number)
        if field is not None and field.message_type is not None and payload is not None:
            inner = f"{path}.[{field.full_name}]"
            self._message(field.message_type, payload.start, payload.end, inner, depth + 1)
        elif not self._allow_unknown:
            what = f"unknown item {number}: {descriptor.full_name} has no such extension"
            raise _Fault(path, f"{what}{self._in_version}")
        return record.end

    def _keyed(self, field: FieldDescriptor, record: Record, path: str) -> str:
        """Writes a map's key instead of the entry's place, where the entry has a key that can be read."""
        if field.message_type is None or not self._kind(field.message_type).is_entry:
            return path
        if not field.is_repeated:  # descriptors may hold an entry that is in no map
            return path
        try:
            entry: Any = GetMessageClass(field.message_type).FromString(self._data[record.start : record.end])
            return f"{path.rpartition('[')[0]}[{subscript(entry.key)}]"
        except (DecodeError, UnicodeDecodeError):
            return path


def _fits(field: FieldDescriptor, wire_type: int) -> bool:
    own = _WIRE_TYPES.get(field.type, VARINT)
    packable = field.is_repeated and own in (VARINT, FIXED32, FIXED64)
    return wire_type == own or (packable and wire_type == LENGTH_DELIMITED)
