"""Lines that can be pasted into a .proto file, and how values look to readers that don't see them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from registry.compat.shape import Cardinality, Numbers, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.shape import EnumShape, FieldShape, MessageShape, Shape

HIGHEST_NUMBER = 2**29 - 1
_OF_PROTOBUF = Span(19_000, 19_999)
_ZEROS = {"string": '""', "bytes": '""', "bool": "false"}


def reserve(number: int | None, names: Iterable[str], syntax: str) -> str:
    """Answers the lines that reserve a number, if it is given, and names."""
    lines = [] if number is None else [f"reserved {number};"]
    lines += [f"reserved {name};" if syntax == "editions" else f'reserved "{name}";' for name in names]
    return " ".join(lines)


def reserve_span(span: Span, highest: int) -> str:
    """Answers the line that reserves numbers, of which ``highest`` is the highest that there can be."""
    last = "max" if span.last >= highest else str(span.last)
    return f"reserved {span.first if span.first == span.last else f'{span.first} to {last}'};"


def declaration(
    field: FieldShape, message: MessageShape, shape: Shape, *, name: str = "", number: int = 0
) -> str:
    """Answers how a field is declared in a message, under its own name and number or others."""
    written = f"{_label(field, message, is_new=bool(name))}{_type(field, message, shape)}"
    return f"{written} {name or field.name} = {number or field.number};"


class Room:
    """What is free in a message, and was in an older version of it: its names and numbers stay reserved.

    Worked out once: a message may have tens of thousands of fields.
    """

    def __init__(self, message: MessageShape, older: MessageShape, shape: Shape) -> None:
        self._message = message
        self._older = older
        self._shape = shape
        self._given: dict[int, int] = {}

    def declared(self, field: FieldShape, shape: Shape) -> str:
        """Answers how a field of an older shape was declared in the message."""
        return declaration(field, self._message, shape)

    def replacement(self, field: FieldShape) -> str:
        """Answers the declaration of a new field that is as ``field`` is, but for its name and number.

        Each field gets a number of its own, so that all that is suggested can be written at once. Empty if
        the message has no number left.
        """
        number = self._given.get(field.number) or next(self._free, 0)
        if not number:
            return ""
        self._given[field.number] = number
        return declaration(field, self._message, self._shape, name=self._name(field), number=number)

    def _name(self, field: FieldShape) -> str:
        is_map = field.cardinality is Cardinality.MAP
        kind = "map" if is_map else field.type_name.rpartition(".")[2].lower() or field.type
        names = (f"{field.name}_{kind}{index or ''}" for index in range(len(self._names) + 1))
        return next(name for name in names if _squeezed(name) not in self._names)

    @cached_property
    def _names(self) -> frozenset[str]:
        fields = (*self._message.fields.values(), *self._older.fields.values())
        names = (*self._message.reserved_names, *(it.name for it in fields), *(it.json_name for it in fields))
        return frozenset(map(_squeezed, names))

    @cached_property
    def _free(self) -> Iterator[int]:
        fields = {**self._message.fields, **self._older.fields}
        taken = (_OF_PROTOBUF, *(Span(it, it) for it in fields))
        spans = (*taken, *self._message.reserved.spans, *self._message.extendable.spans)
        return _numbers_beside(Numbers(spans), max(fields, default=0))


def _numbers_beside(taken: Numbers, last: int) -> Iterator[int]:
    """Answers the numbers that are free, first those behind ``last``."""
    for first, end in ((last + 1, HIGHEST_NUMBER), (1, last)):
        number = taken.first_free(first)
        while number <= end:
            yield number
            number = taken.first_free(number + 1)


def _squeezed(name: str) -> str:
    """Answers what tells a name from others in JSON, where ``unit_price`` is ``unitPrice``."""
    return name.replace("_", "").lower()


def seen_when_absent(field: FieldShape, shape: Shape) -> str:
    """Answers what readers see of a field that is not in their data: ``as 0``."""
    if field.cardinality is Cardinality.MAP or field.cardinality is Cardinality.REPEATED:
        return "empty"
    if field.default is not None:
        return f"as {field.default}"
    if field.type in ("message", "group"):
        return "as not set"
    if field.type == "enum":
        enum = shape.enums.get(field.type_name)
        return f"as {enum_name(enum, enum.first)}" if enum else "as 0"
    return f"as {_ZEROS.get(field.type, '0')}"


def _label(field: FieldShape, message: MessageShape, *, is_new: bool) -> str:
    if field.cardinality is Cardinality.REPEATED:
        return "repeated "
    if field.cardinality is Cardinality.MAP or message.syntax == "editions" or field.oneof:
        return ""
    if field.is_required and message.syntax == "proto2":
        return "optional " if is_new else "required "  # a new required field would break again
    is_told = message.syntax == "proto2" or field.type not in ("message", "group")
    return "optional " if is_told and field.cardinality is Cardinality.EXPLICIT else ""


def _type(field: FieldShape, message: MessageShape, shape: Shape) -> str:
    entry = shape.messages.get(field.type_name)
    if field.cardinality is Cardinality.MAP and entry:
        key, value = entry.fields[1], entry.fields[2]
        return f"map<{key.type}, {_type(value, message, shape)}>"
    return field.type_name.removeprefix(f"{message.package}.") or field.type


def enum_name(enum: EnumShape, number: int) -> str:
    """Answers the name that a number of an enum is written with; the number itself if it has none."""
    return enum.values.get(number, (str(number),))[0]
