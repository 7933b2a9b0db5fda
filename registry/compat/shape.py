"""A schema as plain values: what of its descriptors decides how data is written, read and compiled.

``reading`` makes shapes, the rules compare them. Equal files share one shape, and so do equal elements
of a file's versions: most of a comparison is a look at identities.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_Element = TypeVar("_Element")


class Cardinality(Enum):
    """How many values a field has, and whether it knows that it has none."""

    IMPLICIT = "singular"
    EXPLICIT = "singular with presence"
    REQUIRED = "required"
    REPEATED = "repeated"
    MAP = "a map"

    @property
    def is_many(self) -> bool:
        """Whether there can be more than one value."""
        return self in (Cardinality.REPEATED, Cardinality.MAP)


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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Numbers) and self._spans == other._spans

    def __hash__(self) -> int:
        return hash(tuple(self._spans))

    @property
    def spans(self) -> Sequence[Span]:
        """The numbers as spans that neither touch nor overlap, sorted."""
        return self._spans

    def first_free(self, number: int) -> int:
        """Answers the first number from ``number`` on that is not one of these."""
        within = self.overlapping(Span(number, number))
        return within[0].last + 1 if within else number

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


class FieldShape(NamedTuple):
    """One field or extension. A tuple, because a schema has tens of thousands of them.

    Attributes:
        path: Its full name; of a map's key and value, that of the map and ``.key`` or ``.value``.
        name: Its own name.
        label: How people call it within its message: its name, or ``prices.key`` of a map.
        number: Its field number.
        type: As in Protobuf: ``int32``, ``string``, ``message``, ``group``, ``enum``, ...
        type_name: Full name of the message or enum; empty for scalars.
        cardinality: How many values it has.
        oneof: Name of its oneof; empty if it is in none.
        json_name: Its name in JSON.
        default: Its declared default as protoc writes it; None if it has none.
        verified: Whether text is refused that is not UTF-8.
        jstype: How JavaScript holds it: ``JS_NORMAL``, ``JS_STRING``, ``JS_NUMBER``.
        cpp_string: How C++ holds text: ``STRING``, ``VIEW``, ``CORD``, ``STRING_PIECE``.
        java_verified: ``verified``, as Java sees it.
        extendee: Full name of the message that it extends; empty if it is no extension.
    """

    path: str
    name: str
    label: str
    number: int
    type: str
    type_name: str
    cardinality: Cardinality
    oneof: str
    json_name: str
    default: str | None
    verified: bool
    jstype: str
    cpp_string: str
    java_verified: bool
    extendee: str

    @property
    def is_required(self) -> bool:
        """Whether data without it is malformed."""
        return self.cardinality is Cardinality.REQUIRED

    @property
    def shown_type(self) -> str:
        """Its type as people call it."""
        return "a map" if self.cardinality is Cardinality.MAP else self.type_name or self.type


@dataclass(frozen=True, slots=True)
class MessageShape:
    """One message.

    Attributes:
        name: Its full name.
        fields: By number.
        oneofs: Names of its oneofs.
        reserved: Numbers that no field may have.
        reserved_names: Names that no field may have.
        extendable: Numbers left to extensions.
        message_set: Whether it is encoded as a MessageSet.
        json_allowed: Whether JSON is held to work, not only tried.
        accessor: Whether it has the standard accessor of its descriptor.
        is_entry: Whether it is the entry of a map.
        is_type: Whether it can be an event type.
        package: The package that it is declared in.
        syntax: ``proto2``, ``proto3`` or ``editions``: how its fields are written.
    """

    name: str
    fields: Mapping[int, FieldShape]
    oneofs: frozenset[str]
    reserved: Numbers
    reserved_names: frozenset[str]
    extendable: Numbers
    message_set: bool
    json_allowed: bool
    accessor: bool
    is_entry: bool
    is_type: bool
    package: str
    syntax: str


@dataclass(frozen=True, slots=True)
class EnumShape:
    """One enum.

    Attributes:
        name: Its full name.
        values: Names by number, as declared; JSON is written with the first one.
        numbers: Number by name.
        first: The number of the first value, which unset fields of a closed enum have.
        reserved: Numbers that no value may have.
        reserved_names: Names that no value may have.
        closed: Whether unlisted numbers are no values of it.
        json_allowed: Whether JSON is held to work, not only tried.
        syntax: As of messages.
    """

    name: str
    values: Mapping[int, tuple[str, ...]]
    numbers: Mapping[str, int]
    first: int
    reserved: Numbers
    reserved_names: frozenset[str]
    closed: bool
    json_allowed: bool
    syntax: str


@dataclass(frozen=True, slots=True)
class MethodShape:
    """One method of a service; ``path`` is its full name, types are full names."""

    path: str
    request: str
    response: str
    client_streaming: bool
    server_streaming: bool
    idempotency: str


@dataclass(frozen=True, slots=True)
class FileShape:
    """One file; its elements by full name, nested ones included; its options as text, defaults included."""

    name: str
    package: str
    syntax: str
    options: Mapping[str, str]
    messages: Mapping[str, MessageShape]
    enums: Mapping[str, EnumShape]
    services: Mapping[str, Mapping[str, MethodShape]]
    extensions: Mapping[str, FieldShape]

    def sharing(self, other: FileShape) -> FileShape:
        """Answers it with the very objects of another one's messages and enums where they are equal."""
        messages, enums = _shared(self.messages, other.messages), _shared(self.enums, other.enums)
        return replace(self, messages=messages, enums=enums)

    def nested_name(self, full_name: str) -> str:
        """Answers a name of an element within the package."""
        return full_name[len(self.package) + 1 :] if self.package else full_name

    def full_name(self, nested_name: str) -> str:
        """Answers the full name of what is, or would be, declared here under a name."""
        return f"{self.package}.{nested_name}" if self.package else nested_name


@dataclass(frozen=True, slots=True)
class Shape:
    """One side of a comparison.

    Attributes:
        name: How people call it: ``version 3``.
        own: Names of its own files.
        files: Its own files and those of its references, by name; not those that the registry supplies.
        messages: Of all these files, by full name.
        enums: Of all these files, by full name.
        extensions: Of all these files, by the extended message and the number.
    """

    name: str
    own: frozenset[str]
    files: Mapping[str, FileShape]
    messages: Mapping[str, MessageShape]
    enums: Mapping[str, EnumShape]
    extensions: Mapping[tuple[str, int], FieldShape]


def _shared(own: Mapping[str, _Element], others: Mapping[str, _Element]) -> dict[str, _Element]:
    return {name: others[name] if others.get(name) == it else it for name, it in own.items()}
