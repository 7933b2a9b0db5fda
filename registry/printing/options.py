"""Options as Protobuf text, the schema's own ones and rules included.

An option of a single value, however deep, is written as one path: ``(rules).string.min_len = 1``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.unknown_fields import UnknownFieldSet

from registry.printing.aggregates import is_map
from registry.printing.literals import enum_name, literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

    from registry.printing.names import Names

_FEATURES = "google.protobuf.FeatureSet"
_NOT_SAID = frozenset({"google.protobuf.MessageOptions.map_entry"})


@dataclass(frozen=True, slots=True)
class Option:
    """One option as it is written: ``name = value``.

    Attributes:
        number: Field number of the outermost part, by which comments find it; 0 for what is no option.
        name: The path, extensions in parentheses.
        value: Text, or the message of an aggregate.
        unsayable: Why the language can't say it; empty if it can.
    """

    number: int
    name: str
    value: str | Message
    unsayable: str = ""


def options_of(message: Any, scope: str, names: Names) -> list[Option]:
    """Answers what a message of options holds, by number.

    Args:
        message: The options, of a class that knows the schema's extensions.
        scope: Full name of the element that has them; for a file, of something in its package.
        names: How extensions are called there.
    """
    found: list[Option] = []
    for field, value in message.ListFields():
        if field.full_name not in _NOT_SAID:
            outside = Option(field.number, "", "")
            for each in _values(field, value):
                found.extend(_option(field, each, outside, scope, names))
    return found + [Option(0, "", "", why) for why in _unknown(message)]


def _unknown(message: Any) -> list[str]:
    """Answers which options nobody declares: they have no name."""
    data = message.SerializePartialToString()
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    if not data or len(known.SerializePartialToString()) == len(data):
        return []
    unknown: Any = UnknownFieldSet(message)
    numbers = sorted({it.field_number for it in unknown})
    return [f"option {it} is declared in no file of the schema" for it in numbers] or [
        "an option holds fields that no file of the schema declares"
    ]


def _values(field: Any, value: Any) -> Iterable[Any]:
    return value if field.is_repeated else (value,)


def _option(field: Any, value: Any, outside: Option, scope: str, names: Names) -> Iterator[Option]:
    """Answers the options that one value becomes: several for features, else one."""
    name = f"({names.extension(scope, field.full_name)})" if field.is_extension else field.name
    path = f"{outside.name}.{name}" if outside.name else name
    why = outside.unsayable or _unsayable(field, value, names)
    if field.message_type is None:
        text = enum_name(field, value) if field.enum_type else literal(field, value)
        yield Option(outside.number, path, text, why)
    elif parts := [] if field.is_repeated else _parts(value):
        here = Option(outside.number, path, "", why)
        for part, each in parts:
            yield from _option(part, each, here, scope, names)
    else:
        yield Option(outside.number, path, value, why or _hidden(value, names))


def _parts(message: Any) -> list[tuple[Any, Any]]:
    """Answers what a path goes on with; nothing if an aggregate says it better, or alone can say it."""
    held = message.ListFields()
    if len(held) != 1 and message.DESCRIPTOR.full_name != _FEATURES:
        return []
    if not all(_goes_on(field, value) for field, value in held):
        return []
    return [(field, each) for field, value in held for each in _values(field, value)]


def _goes_on(field: Any, value: Any) -> bool:
    if field.is_repeated:
        return field.message_type is not None and not is_map(field)
    return field.enum_type is None or value in field.enum_type.values_by_number


def _unsayable(field: Any, value: Any, names: Names) -> str:
    if field.is_extension and not names.sees(field.file.name):
        return f"option {field.full_name} is declared in {field.file.name}, which is not imported"
    if field.enum_type is not None and value not in field.enum_type.values_by_number:
        return f"option {field.full_name} has the number {value}, which its enum has no name for"
    return ""


def _hidden(message: Any, names: Names) -> str:
    """Answers which extension in an aggregate can't be named."""
    for field, value in message.ListFields():
        if field.is_extension and not names.sees(field.file.name):
            return f"option {field.full_name} is declared in {field.file.name}, which is not imported"
        if field.message_type is not None and not is_map(field):
            for each in _values(field, value):
                if why := _hidden(each, names):
                    return why
    return ""
