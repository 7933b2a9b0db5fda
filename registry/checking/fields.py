"""What a parser finds in messages of a type: its fields, and the types below it.

Reads descriptors of a private pool and changes nothing. Imports only Protobuf and ``registry.checking.wire``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from registry.checking.wire import length_delimited

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

_INVALID_UTF8 = b"\xff"


def known_fields(descriptor: Descriptor) -> list[FieldDescriptor]:
    """Answers the fields that a parser knows of the message: its own and its pool's extensions of it."""
    known = list(descriptor.fields)
    if descriptor.is_extendable:
        known += descriptor.file.pool.FindAllExtensions(descriptor)
    return known


def reachable(descriptor: Descriptor) -> list[Descriptor]:
    """Answers the message and all messages that can stand below it, entries of maps included."""
    found = {descriptor.full_name}
    types = [descriptor]
    for kind in types:
        for field in known_fields(kind):
            below = field.message_type
            if below is not None and below.full_name not in found:
                found.add(below.full_name)
                types.append(below)
    return types


def can_nest(types: list[Descriptor], levels: int) -> bool:
    """Tells whether messages can lie ``levels`` deep below the first type; all that is below are given."""
    below = {
        kind.full_name: {
            field.message_type.full_name for field in known_fields(kind) if field.message_type is not None
        }
        for kind in types
    }
    level = {types[0].full_name}
    for _ in range(levels):
        level = set[str]().union(*(below[name] for name in level))
    return bool(level)


def is_message_set(descriptor: Descriptor) -> bool:
    """Tells whether the message has the wire format of a MessageSet."""
    return bool(descriptor.GetOptions().message_set_wire_format)


def is_map_entry(descriptor: Descriptor) -> bool:
    """Tells whether the message is an entry of a map."""
    return bool(descriptor.GetOptions().map_entry)


def checks_text(field: FieldDescriptor) -> bool:
    """Tells by trying whether the parser checks a string field's UTF-8: syntax and features decide it."""
    probe = GetMessageClass(field.containing_type)  # type: ignore[arg-type]
    try:
        probe.FromString(length_delimited(field.number, _INVALID_UTF8))
    except DecodeError:
        return True
    return False
