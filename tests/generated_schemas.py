"""Schemas as hypothesis draws them, and batches of events along them as unruly encoders would write them.

Schemas cover proto2 (required fields, groups, extensions, MessageSet, closed enums), proto3 and editions
(delimited messages, required presence, closed enums, text that is not checked), maps, oneofs and
recursion. Bytes are written by hand, not by Protobuf: fields out of order, twice, packed or not, in too
many bytes, of the wrong wire type, unknown, missing, cut off, or flipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

EVENT_TYPE = "t.M0"
SYNTAXES = ("proto2", "proto3", "editions")
INTEGERS = (
    Kind.TYPE_INT32,
    Kind.TYPE_INT64,
    Kind.TYPE_UINT32,
    Kind.TYPE_UINT64,
    Kind.TYPE_SINT32,
    Kind.TYPE_SINT64,
    Kind.TYPE_BOOL,
)
FIXED = (
    Kind.TYPE_DOUBLE,
    Kind.TYPE_FIXED64,
    Kind.TYPE_SFIXED64,
    Kind.TYPE_FLOAT,
    Kind.TYPE_FIXED32,
    Kind.TYPE_SFIXED32,
)
TEXTS = (Kind.TYPE_STRING, Kind.TYPE_BYTES)
KEYS = (Kind.TYPE_STRING, Kind.TYPE_INT32, Kind.TYPE_BOOL, Kind.TYPE_SINT64, Kind.TYPE_FIXED32)
NUMBERS = (*range(1, 10), 15, 16, 2047, 2048, 18_999, 2**29 - 1)
EXTENSIONS = range(100, 104)


@dataclass(frozen=True, slots=True)
class Schema:
    """Files in import order; the event type is ``EVENT_TYPE``."""

    files: tuple[pb.FileDescriptorProto, ...]

    def pool(self) -> DescriptorPool:
        """Answers a private pool that holds the files."""
        pool = DescriptorPool()
        for file in self.files:
            pool.Add(file)
        return pool


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    """Draws a schema of one to four messages that may refer to each other and to themselves."""
    syntax = draw(st.sampled_from(SYNTAXES))
    file = pb.FileDescriptorProto(name="t.proto", package="t", syntax=syntax, dependency=["closed.proto"])
    if syntax == "editions":
        file.edition = pb.EDITION_2023
        if draw(st.booleans()):
            file.options.features.utf8_validation = pb.FeatureSet.NONE
    enum = file.enum_type.add(name="Open" if syntax != "proto2" else "AlsoClosed")
    for number in (0, 1, 5):
        enum.value.add(name=f"VALUE_{number}", number=number)
    count = draw(st.integers(1, 4))
    for index in range(count):
        file.message_type.add(name=f"M{index}")
    for index in range(count):
        _fill(draw, file, index, count)
    if syntax != "proto3" and draw(st.booleans()):
        _extend(draw, file, count)
    if syntax == "proto2" and draw(st.integers(0, 3)) == 0:
        _add_message_set(file)
    return Schema((_closed_enums(), file))


def _closed_enums() -> pb.FileDescriptorProto:
    file = pb.FileDescriptorProto(name="closed.proto", package="t", syntax="proto2")
    enum = file.enum_type.add(name="Closed")
    for number in (1, 2, -7):
        enum.value.add(name=f"CLOSED_{'MINUS_' if number < 0 else ''}{abs(number)}", number=number)
    return file


def _fill(draw: st.DrawFn, file: pb.FileDescriptorProto, index: int, count: int) -> None:
    message = file.message_type[index]
    oneof = draw(st.booleans())
    if oneof:
        message.oneof_decl.add(name="choice")
    members = 0
    for number in sorted(draw(st.sets(st.sampled_from(NUMBERS), min_size=int(oneof), max_size=6))):
        if draw(st.integers(0, 6)) == 0:
            _add_map(draw, file, message, number, count)
            continue
        field = message.field.add(name=f"f{number}", number=number)
        _type(draw, file, field, count)
        if oneof and draw(st.booleans()):
            field.label, field.oneof_index = pb.FieldDescriptorProto.LABEL_OPTIONAL, 0
            members += 1
        else:
            _label(draw, file, field)
    if oneof and not members:
        field = message.field.add(name="f11", number=11, label=1, oneof_index=0)
        field.type = Kind.TYPE_INT32


def _type(draw: st.DrawFn, file: pb.FileDescriptorProto, field: pb.FieldDescriptorProto, count: int) -> None:
    kind = draw(st.sampled_from((*INTEGERS, *FIXED, *TEXTS, *TEXTS, "enum", "enum", *(["message"] * 6))))
    if kind == "message":
        field.type, field.type_name = Kind.TYPE_MESSAGE, f".t.M{draw(st.integers(0, count - 1))}"
        if file.syntax == "editions" and draw(st.integers(0, 3)) == 0:
            field.options.features.message_encoding = pb.FeatureSet.DELIMITED
        if file.syntax == "proto2" and draw(st.integers(0, 3)) == 0:
            field.type = Kind.TYPE_GROUP
    elif kind == "enum":
        own = f".t.{file.enum_type[0].name}"
        closed = [] if file.syntax == "proto3" else [".t.Closed"]
        field.type, field.type_name = Kind.TYPE_ENUM, draw(st.sampled_from([own, *closed]))
    else:
        field.type = kind


def _label(draw: st.DrawFn, file: pb.FileDescriptorProto, field: pb.FieldDescriptorProto) -> None:
    label = draw(st.sampled_from(("optional", "optional", "repeated", "required")))
    field.label = {"repeated": 3}.get(label, 1)
    if label == "required" and file.syntax == "proto2":
        field.label = pb.FieldDescriptorProto.LABEL_REQUIRED
    if label == "required" and file.syntax == "editions":
        field.options.features.field_presence = pb.FeatureSet.LEGACY_REQUIRED
    if label == "repeated" and field.type in (*INTEGERS, *FIXED) and file.syntax != "editions":
        field.options.packed = draw(st.booleans())


def _add_map(
    draw: st.DrawFn, file: pb.FileDescriptorProto, message: pb.DescriptorProto, number: int, count: int
) -> None:
    entry = message.nested_type.add(name=f"F{number}Entry")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1).type = draw(st.sampled_from(KEYS))
    value = entry.field.add(name="value", number=2, label=1)
    kind = draw(st.sampled_from((*INTEGERS[:2], *FIXED[:1], *TEXTS, "enum", "message", "message", "message")))
    if kind == "message":
        value.type, value.type_name = Kind.TYPE_MESSAGE, f".t.M{draw(st.integers(0, count - 1))}"
    elif kind == "enum":
        value.type, value.type_name = Kind.TYPE_ENUM, f".t.{file.enum_type[0].name}"
    else:
        value.type = kind
    field = message.field.add(
        name=f"f{number}", number=number, label=3, type_name=f".t.{message.name}.{entry.name}"
    )
    field.type = Kind.TYPE_MESSAGE


def _extend(draw: st.DrawFn, file: pb.FileDescriptorProto, count: int) -> None:
    file.message_type[draw(st.integers(0, count - 1))].extension_range.add(start=100, end=200)
    extendee = next(message.name for message in file.message_type if message.extension_range)
    for number in EXTENSIONS[: draw(st.integers(0, 4))]:
        field = file.extension.add(name=f"x{number}", number=number, extendee=f".t.{extendee}")
        _type(draw, file, field, count)
        field.label = draw(st.sampled_from((1, 3)))


def _add_message_set(file: pb.FileDescriptorProto) -> None:
    holder = file.message_type.add(name="Set")
    holder.options.message_set_wire_format = True
    holder.extension_range.add(start=4, end=2**31 - 1)
    for number, name in ((4, "M0"), (2**31 - 2, file.message_type[0].name)):
        field = file.extension.add(name=f"set{number}", number=number, label=1, extendee=".t.Set")
        field.type, field.type_name = Kind.TYPE_MESSAGE, f".t.{name}"
    field = file.message_type[0].field.add(name="set", number=12, label=1, type_name=".t.Set")
    field.type = Kind.TYPE_MESSAGE
    field = file.message_type[0].field.add(name="sets", number=13, label=3, type_name=".t.Set")
    field.type = Kind.TYPE_MESSAGE


class Encoder:
    """Writes messages along descriptors; the wilder, the more of what encoders should not do."""

    def __init__(self, random: Random, wildness: float) -> None:
        self._random = random
        self._wildness = wildness
        self._budget = 60

    def _wild(self) -> bool:
        return self._random.random() < self._wildness

    def batch(self, event_type: Descriptor, count: int) -> bytes:
        """Writes an ``EventBatch`` of ``count`` events, as a publisher would send it."""
        header = [(1, self.text(b"shop.orders")), (2, self.text(b"t.M0")), (3, self.varint(3))]
        events = [(16, self.sized(self.event(event_type))) for _ in range(count)]
        return self.fields(header + events, wire={3: 0})

    def event(self, event_type: Descriptor) -> bytes:
        """Writes an ``Event``."""
        self._budget = 60
        pieces = []
        if self._random.random() < 0.8:
            pieces.append((1, self.text(b"id")))
        if self._random.random() < 0.5:
            pieces.append((2, self.text(b"" if self._wild() else b"key")))
        if not self._wild():
            pieces.append((3, self.sized(self.message(event_type, 0))))
        if self._random.random() < 0.5:
            time = self.fields(
                [(1, self.varint(self._random.randrange(2**33))), (2, self.varint(5))], {1: 0, 2: 0}
            )
            pieces.append((4, self.sized(time)))
        pieces += [(5, self._attribute()) for _ in range(self._random.choice((0, 0, 1, 3)))]
        return self.fields(pieces, {})

    def _attribute(self) -> bytes:
        return self.sized(self.fields([(1, self.text(b"k")), (2, self.text(b"v"))], {}))

    def fields(self, pieces: list[tuple[int, bytes]], wire: dict[int, int]) -> bytes:
        """Joins fields, of which each payload is complete with its length."""
        encoded = [self.varint(number << 3 | wire.get(number, 2)) + payload for number, payload in pieces]
        return self._disorder(encoded)

    def _disorder(self, encoded: list[bytes]) -> bytes:
        if encoded and self._wild():
            encoded.append(self._random.choice(encoded))
        if encoded and self._wild():
            encoded.remove(self._random.choice(encoded))
        if self._wild():
            encoded.insert(self._random.randint(0, len(encoded)), self.unknown())
        if self._wild():
            self._random.shuffle(encoded)
        return b"".join(encoded)

    def unknown(self) -> bytes:
        """Writes a field of any number, most often one that no schema knows."""
        number = self._random.choice((77, 77, 78, 19_500, 100, 3, 1))
        wire = self._random.choice((0, 1, 2, 3, 5))
        payload = {0: self.varint(7), 1: bytes(8), 2: self.text(b"abc"), 5: bytes(4), 3: b""}[wire]
        if wire == 3:
            payload = (self.unknown() if self._random.random() < 0.5 else b"") + self.varint(number << 3 | 4)
        return self.varint(number << 3 | wire) + payload

    def varint(self, value: int) -> bytes:
        """Writes a number, sometimes in more bytes than it needs."""
        value &= 2**64 - 1
        out = bytearray()
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        if len(out) < 4 and self._wild():
            out[-1] |= 0x80
            out.append(0)
        return bytes(out)

    def sized(self, payload: bytes) -> bytes:
        """Writes a payload behind its length."""
        return self.varint(len(payload)) + payload

    def text(self, text: bytes) -> bytes:
        """Writes a text behind its length, sometimes not as UTF-8."""
        if self._wild() and self._wild():
            text += b"\xff"
        return self.sized(text)

    def message(self, descriptor: Descriptor, depth: int) -> bytes:
        """Writes a message: required fields, and others while the budget of fields lasts."""
        if descriptor.GetOptions().message_set_wire_format:
            return self._message_set(descriptor, depth)
        known = list(descriptor.fields)
        if descriptor.is_extendable:
            known += descriptor.file.pool.FindAllExtensions(descriptor)
        encoded = []
        for field in sorted(known, key=lambda field: field.number):
            if field.is_required or (
                self._budget > 0 and self._random.random() < (0.6 if depth < 5 else 0.2)
            ):
                if depth > 12 and field.message_type is not None:
                    continue
                encoded += self._field(field, depth)
        return self._disorder(encoded)

    def _field(self, field: FieldDescriptor, depth: int) -> list[bytes]:
        count = self._random.choice((1, 1, 2, 5)) if field.is_repeated else 1
        self._budget -= count
        values = [self._value(field, depth) for _ in range(count)]
        wire = _wire(field)
        if field.is_repeated and wire in (0, 1, 5) and self._random.random() < 0.5:
            return [self.varint(field.number << 3 | 2) + self.sized(b"".join(values))]
        if self._wild() and self._wild():
            wire = self._random.randrange(8)
        return [self.varint(field.number << 3 | wire) + value for value in values]

    def _value(self, field: FieldDescriptor, depth: int) -> bytes:
        wire = _wire(field)
        if field.message_type is not None:
            inner = self.message(field.message_type, depth + 1)
            return inner + self.varint(field.number << 3 | 4) if wire == 3 else self.sized(inner)
        if wire in (1, 5):
            return self._random.choice((bytes(8), self._random.randbytes(8)))[: 8 if wire == 1 else 4]
        if field.type == Kind.TYPE_BYTES:
            return self.sized(self._random.randbytes(self._random.randrange(4)))
        if wire == 2:
            return self.text(self._random.choice((b"", b"a", "é".encode())))
        if field.enum_type is not None and not self._wild():
            return self.varint(self._random.choice(list(field.enum_type.values_by_number)))
        return self.varint(self._random.choice((0, 1, -1, 5, 2**31, 2**40)))

    def _message_set(self, descriptor: Descriptor, depth: int) -> bytes:
        items = []
        for field in descriptor.file.pool.FindAllExtensions(descriptor):
            if self._random.random() < 0.5 and self._budget > 0:
                self._budget -= 1
                number = self.varint(77 if self._wild() else field.number)
                payload = self.message(field.message_type, depth + 1)
                parts = [b"\x10" + number, b"\x1a" + self.sized(payload)]
                if self._wild():
                    parts.reverse()
                items.append(b"\x0b" + b"".join(parts) + b"\x0c")
        return self._disorder(items)


def _wire(field: FieldDescriptor) -> int:
    if field.type in INTEGERS or field.enum_type is not None:
        return 0
    if field.type in FIXED:
        return 1 if field.type in FIXED[:3] else 5
    return 3 if field.type == Kind.TYPE_GROUP else 2


def damaged(random: Random, data: bytes) -> bytes:
    """Cuts, flips, doubles or inserts some bytes."""
    if not data:
        return data
    at = random.randrange(len(data))
    other = random.randrange(len(data))
    changes: tuple[Callable[[], Any], ...] = (
        lambda: data[:at],
        lambda: data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :],
        lambda: data[:at] + random.randbytes(1) + data[at + 1 :],
        lambda: data[:at] + data[at + 1 :],
        lambda: data[:at] + random.randbytes(random.randint(1, 3)) + data[at:],
        lambda: data[:at] + data[other : other + 9] + data[at:],
    )
    return bytes(random.choice(changes)())
