"""Values around the constants of rules, where these take one and refuse the next: bounds, lengths, lists."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, islice, product
from math import inf, isfinite, nan, nextafter
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor as Field

from registry.checking.wire import length_delimited, tag, varint
from registry.compat.example_values import record
from registry.rules.types import map_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CONSTANTS = 40
_LONGEST = 300
_MOST_ELEMENTS = 100
_ELEMENTS_TRIED = 8
_IN_CEL = re.compile(r"'([^']*)'|\"([^\"]*)\"|(-?\d+(?:\.\d+)?)")
_TEXTS = (
    "", "a", "abc", "A1", "7", "a b", "a@example.com", "example.com", "192.0.2.1", "2001:db8::1",
    "192.0.2.0/24", "https://example.com/a", "/a", "example.com:80", "123e4567-e89b-42d3-a456-426614174000",
    "123e4567e89b42d3a456426614174000", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "shop.v1.Order", ".shop.v1.Order",
)  # fmt: skip
_BYTES = (b"", b"a", bytes(4), bytes(16), b"\xff")
_WRAPPERS = "google.protobuf."
_RANGES = {
    **dict.fromkeys((Field.TYPE_INT32, Field.TYPE_SINT32, Field.TYPE_SFIXED32), (-(2**31), 2**31 - 1)),
    **dict.fromkeys((Field.TYPE_INT64, Field.TYPE_SINT64, Field.TYPE_SFIXED64), (-(2**63), 2**63 - 1)),
    **dict.fromkeys((Field.TYPE_UINT32, Field.TYPE_FIXED32), (0, 2**32 - 1)),
    **dict.fromkeys((Field.TYPE_UINT64, Field.TYPE_FIXED64), (0, 2**64 - 1)),
    Field.TYPE_ENUM: (-(2**31), 2**31 - 1),
    Field.TYPE_BOOL: (0, 1),
}


@dataclass(frozen=True, slots=True)
class Constants:
    """What rules compare values with.

    Attributes:
        numbers: Numbers; of durations and timestamps their nanoseconds.
        texts: Texts and bytes.
    """

    numbers: tuple[float, ...]
    texts: tuple[str | bytes, ...]


def constants(rules: Iterable[Any]) -> Constants:
    """Answers the first constants in rules, also those that CEL expressions name."""
    found = list(islice(chain.from_iterable(map(_leaves, rules)), _CONSTANTS))
    texts = tuple(it for it in found if isinstance(it, (str, bytes)))
    return Constants(tuple(it for it in found if not isinstance(it, (str, bytes))), texts)


def _leaves(rules: Any) -> Iterator[Any]:
    for field, value in rules.ListFields():
        for it in islice(value, _CONSTANTS) if field.is_repeated else (value,):
            if field.name in {"expression", "cel_expression"}:
                yield from _of_cel(it)
            elif field.message_type is None:
                yield it
            elif field.message_type.name in {"Duration", "Timestamp"}:
                yield it.seconds * 10**9 + it.nanos
            else:
                yield from _leaves(it)


def _of_cel(expression: str) -> Iterator[Any]:
    for match in _IN_CEL.finditer(expression):
        single, double, number = match.groups()
        if number is None:
            yield single if single is not None else double
        else:
            yield float(number) if "." in number else int(number)


def samples(field: Any, known: Constants) -> Iterator[bytes]:
    """Answers payloads that set a field to values around constants; the first leaves it out."""
    yield b""
    if entry := map_entry(field):
        yield from _maps(field, *entry, known)
    elif field.is_repeated:
        yield from _lists(field, known)
    else:
        yield from (record(field, value) for value in _values(field, known))


def _lists(field: Any, known: Constants) -> Iterator[bytes]:
    elements = [record(field, value) for value in islice(_values(field, known), _CONSTANTS)]
    for count in _counts(known):
        yield b"".join(elements[index % len(elements)] for index in range(count))
        yield from (element * count for element in elements[:_ELEMENTS_TRIED])


def _counts(known: Constants) -> list[int]:
    near = (int(it) + step for it in known.numbers if isfinite(it) for step in (-1, 0, 1))
    return sorted({1, 2, *(it for it in near if 0 < it <= _MOST_ELEMENTS)})[:_ELEMENTS_TRIED]


def _maps(field: Any, key: Any, value: Any, known: Constants) -> Iterator[bytes]:
    keys = [record(key, it) for it in islice(_values(key, known), _CONSTANTS)]
    values = [record(value, it) for it in islice(_values(value, known), _CONSTANTS)]
    entries = [length_delimited(field.number, k + v) for k, v in zip(keys * 2, values * 2, strict=False)]
    for count in _counts(known):
        yield b"".join(entries[:count])
    yield from (
        length_delimited(field.number, k + v)
        for k, v in product(keys[:_ELEMENTS_TRIED], values[:_ELEMENTS_TRIED])
    )


def _values(field: Any, known: Constants) -> Iterator[Any]:
    if field.message_type is not None:
        yield from _messages(field.message_type, known)
    elif field.type in _RANGES:
        yield from _integers(field, known)
    elif field.type in {Field.TYPE_DOUBLE, Field.TYPE_FLOAT}:
        yield from dict.fromkeys(_floats(known))
    elif field.type == Field.TYPE_BYTES:
        yield from dict.fromkeys((*map(_encoded, chain(_texts(known), _TEXTS)), *_BYTES))
    else:
        texts = (it for it in chain(_texts(known), _TEXTS) if isinstance(it, str))
        yield from dict.fromkeys(map(_encoded, texts))


def _encoded(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _integers(field: Any, known: Constants) -> Iterator[int]:
    least, most = _RANGES[field.type]
    near = [int(it) + step for step in (0, -1, 1) for it in known.numbers if isfinite(it)]
    named = [it.number for it in islice(field.enum_type.values, _CONSTANTS)] if field.enum_type else []
    near += [it + step for it in named for step in (0, 1)]
    yield from dict.fromkeys(it for it in (*near, 1, 0, -1, 7) if least <= it <= most)


def _floats(known: Constants) -> Iterator[float]:
    for step in (0, -1, 1):
        yield from (float(it + step) for it in known.numbers)
    yield from (nextafter(it, to) for it in known.numbers for to in (-inf, inf))
    yield from (0.0, 1.0, -1.0, 0.5, inf, -inf, nan)


def _texts(known: Constants) -> Iterator[str | bytes]:
    """Answers the texts of rules, texts put together of them, and texts as long as rules want them."""
    yield from known.texts
    parts = [it for it in known.texts if isinstance(it, str)]
    yield from (a + b for a in parts[:4] for b in parts[:4])
    lengths = {int(it) + step for it in known.numbers if isfinite(it) for step in (-1, 0, 1)}
    for length in sorted(it for it in lengths if 0 <= it <= _LONGEST):
        yield "a" * length
        yield from (part + "a" * (length - len(part)) for part in parts[:4])


def _messages(message: Any, known: Constants) -> Iterator[bytes]:
    name = message.full_name.removeprefix(_WRAPPERS)
    if message.full_name == _WRAPPERS + name and name in {"Duration", "Timestamp"}:
        yield from (_time(int(it) + step) for it in known.numbers for step in (0, -1, 1, 10**9))
    elif (
        message.full_name == _WRAPPERS + name and name.endswith("Value") and "value" in message.fields_by_name
    ):
        value = message.fields_by_name["value"]
        yield from (record(value, it) for it in _values(value, known))
    elif name in {"Any", "FieldMask"}:
        yield from (length_delimited(1, it.encode()) for it in (*known.texts, "a") if isinstance(it, str))
    yield b""


def _time(nanoseconds: int) -> bytes:
    """Encodes a duration or timestamp; a duration's parts have one sign."""
    seconds, nanos = divmod(nanoseconds, 10**9)
    return b"".join(
        tag(number, 0) + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
        for number, value in ((1, seconds), (2, nanos))
        if value
    )
