"""Whether all text in a message is text: in proto2 it may be any bytes, which JSON's writer would misquote.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from registry.checking.fields import checks_text, known_fields, reachable

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

_ANY: Final = "google.protobuf.Any"


class NotText(Exception):
    """A string field holds bytes that are no UTF-8. ``str()`` names it."""


def may_hold_other(descriptor: Descriptor) -> bool:
    """Tells whether messages of a type, or what is below them, can hold text that parsers don't check."""
    types = reachable(descriptor)
    return any(kind.full_name == _ANY for kind in types) or any(
        field.type == FieldDescriptor.TYPE_STRING and not checks_text(field)
        for kind in types
        for field in known_fields(kind)
    )


def check_all_text(message: Any, pool: DescriptorPool) -> None:
    """Looks through a message, also in what an ``Any`` of a known type holds.

    Raises:
        NotText: Some of its text is none.
    """
    if message.DESCRIPTOR.full_name == _ANY:
        _check_any(message, pool)
        return
    for field, value in message.ListFields():
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            _check_map(kind, value, pool)
            continue
        for each in value if field.is_repeated else (value,):
            _check_value(field, each, pool)


def _check_any(message: Any, pool: DescriptorPool) -> None:
    try:
        descriptor = pool.FindMessageTypeByName(message.TypeName())
    except KeyError:
        return  # JSON's writer refuses it
    check_all_text(GetMessageClass(descriptor).FromString(message.value), pool)


def _check_map(entry: Descriptor, value: Any, pool: DescriptorPool) -> None:
    keys, values = entry.fields
    for key in value:
        _check_value(keys, key, pool)
        _check_value(values, value[key], pool)


def _check_value(field: FieldDescriptor, value: Any, pool: DescriptorPool) -> None:
    if field.message_type is not None:
        check_all_text(value, pool)
    elif field.type == FieldDescriptor.TYPE_STRING and not isinstance(value, str):
        raise NotText(f"{field.full_name} holds bytes that are no UTF-8")
