"""A schema as plain values: what of its descriptors decides how data is written and read.

Editions' features are resolved here; ``registry/compat/engine.py`` compares shapes.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
)

from registry.descriptors import build_pool, message_types
from registry.supplied import is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

_T = TypeVar("_T", DescriptorProto, EnumDescriptorProto, FieldDescriptorProto)


class Cardinality(Enum):
    """How many values a field has."""

    SINGULAR = "singular"
    REPEATED = "repeated"
    MAP = "a map"


@dataclass(frozen=True, slots=True)
class Span:
    """Numbers from ``first`` to ``last``, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


class Numbers:
    """A set of numbers, held as sorted spans. Questions cost the logarithm of their count."""

    __slots__ = ("_firsts", "_spans")

    def __init__(self, spans: Iterable[Span] = ()) -> None:
        self._spans: list[Span] = []
        for span in sorted(spans, key=lambda it: it.first):
            if self._spans and span.first <= self._spans[-1].last + 1:
                self._spans[-1] = Span(self._spans[-1].first, max(span.last, self._spans[-1].last))
            else:
                self._spans.append(span)
        self._firsts = [span.first for span in self._spans]

    def __contains__(self, number: int) -> bool:
        index = bisect_right(self._firsts, number) - 1
        return index >= 0 and number <= self._spans[index].last

    def without(self, other: Numbers) -> list[Span]:
        """Answers which of these numbers are not in ``other``, as spans."""
        left: list[Span] = []
        for span in self._spans:
            first = span.first
            for taken in other.overlapping(span):
                if first < taken.first:
                    left.append(Span(first, taken.first - 1))
                first = taken.last + 1
            if first <= span.last:
                left.append(Span(first, span.last))
        return left

    def overlapping(self, span: Span) -> list[Span]:
        """Answers the spans that share a number with ``span``."""
        start = max(bisect_right(self._firsts, span.first) - 1, 0)
        end = bisect_right(self._firsts, span.last)
        return [it for it in self._spans[start:end] if it.last >= span.first]


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field or extension.

    Attributes:
        path: Its full name.
        number: Its field number.
        type: As in Protobuf: ``int32``, ``string``, ``message``, ``group``, ``enum``, ...
        type_name: Full name of the message or enum; empty for scalars.
        cardinality: How many values it has.
        required: Whether data without it is malformed.
        oneof: Name of its oneof; empty if it is in none.
        entry: Key and value of a map.
    """

    path: str
    number: int
    type: str
    type_name: str
    cardinality: Cardinality
    required: bool
    oneof: str
    entry: tuple[FieldShape, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageShape:
    """One message: its fields by number, extensions of the same schema included, and reserved numbers."""

    name: str
    fields: dict[int, FieldShape]
    extensions: frozenset[int]
    reserved: Numbers
    message_set: bool


@dataclass(frozen=True, slots=True)
class EnumShape:
    """One enum: names by number, and reserved numbers; ``closed`` if unlisted numbers are no values of it."""

    name: str
    values: dict[int, str]
    reserved: Numbers
    closed: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """The messages and enums of a schema's own files, by full name; ``types`` can be event types."""

    types: frozenset[str]
    messages: dict[str, MessageShape]
    enums: dict[str, EnumShape]


def read_shape(descriptor_set: FileDescriptorSet) -> Shape:
    """Reads the shape of a compiled schema."""
    pool = build_pool(descriptor_set.SerializePartialToString())
    own = [file for file in descriptor_set.file if not is_supplied_name(file.name)]
    nested = [it for file in own for it in _with_nested(file.package, file.message_type)]
    extensions = _extensions(
        pool,
        [
            *((file.package, file.extension) for file in own),
            *((name, message.extension) for name, message in nested),
        ],
    )
    enums = [it for file in own for it in _scoped(file.package, file.enum_type)]
    enums += [it for name, message in nested for it in _scoped(name, message.enum_type)]
    return Shape(
        types=frozenset(message_types(own)),
        messages={
            name: _message(pool, name, message, extensions.get(name, ()))
            for name, message in nested
            if not message.options.map_entry
        },
        enums={name: _enum(pool, name, enum) for name, enum in enums},
    )


def _scoped(scope: str, items: Iterable[_T]) -> Iterator[tuple[str, _T]]:
    for item in items:
        yield f"{scope}.{item.name}" if scope else item.name, item


def _with_nested(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for name, message in _scoped(scope, messages):
        yield name, message
        yield from _with_nested(name, message.nested_type)


def _extensions(
    pool: DescriptorPool, declared: Iterable[tuple[str, Iterable[FieldDescriptorProto]]]
) -> dict[str, list[FieldDescriptor]]:
    """Answers extensions by the message that they extend; of the pool's own search each costs all."""
    found: dict[str, list[FieldDescriptor]] = {}
    for scope, extensions in declared:
        for name, _ in _scoped(scope, extensions):
            field = pool.FindExtensionByName(name)
            extended = field.containing_type
            found.setdefault(extended.full_name if extended else "", []).append(field)
    return found


def _message(
    pool: DescriptorPool, name: str, proto: DescriptorProto, extensions: Iterable[FieldDescriptor]
) -> MessageShape:
    fields = (*pool.FindMessageTypeByName(name).fields, *extensions)
    return MessageShape(
        name=name,
        fields={field.number: _field(field) for field in fields},
        extensions=frozenset(field.number for field in extensions),
        reserved=Numbers(Span(it.start, it.end - 1) for it in proto.reserved_range),
        message_set=proto.options.message_set_wire_format,
    )


def _field(field: FieldDescriptor) -> FieldShape:
    kind = FieldDescriptorProto.Type.Name(FieldDescriptorProto.Type.ValueType(field.type))
    message, enum, oneof = field.message_type, field.enum_type, field.containing_oneof
    named = message or enum
    is_map = field.is_repeated and message is not None and message.GetOptions().map_entry
    return FieldShape(
        path=field.full_name,
        number=field.number,
        type=kind.removeprefix("TYPE_").lower(),
        type_name=named.full_name if named else "",
        cardinality=Cardinality.MAP
        if is_map
        else Cardinality.REPEATED
        if field.is_repeated
        else Cardinality.SINGULAR,
        required=field.is_required,
        oneof=oneof.name if oneof else "",
        entry=_entry(message) if is_map and message else (),
    )


def _entry(message: Descriptor) -> tuple[FieldShape, ...]:
    return tuple(_field(field) for field in message.fields)


def _enum(pool: DescriptorPool, name: str, proto: EnumDescriptorProto) -> EnumShape:
    values: dict[int, str] = {}
    for value in proto.value:
        values.setdefault(value.number, value.name)
    return EnumShape(
        name=name,
        values=values,
        reserved=Numbers(Span(it.start, it.end) for it in proto.reserved_range),
        closed=pool.FindEnumTypeByName(name).is_closed,
    )
