"""What a side makes of a payload: decoded for real, compared field by field, shown as ProtoJSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from registry.compat.example_values import default_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

UNSAYABLE = (ValueError, TypeError, AttributeError, json_format.SerializeToJsonError)
"""What is raised where ProtoJSON has no form for a message: times out of range, fields named like methods."""

_TEXT = 2_000
_METHODS = frozenset(dir(Message))


class Unreadable(Exception):
    """A payload can't be read. ``str()`` says why, in plain words."""


def can_be_shown(message: Descriptor) -> bool:
    """Tells whether messages of a type have the methods of messages, and nothing else of their names."""
    declared = (message.fields_by_name, message.nested_types_by_name, message.enum_types_by_name)
    return all(map(_METHODS.isdisjoint, (*declared, message.enum_values_by_name)))


def from_binary(message: Descriptor, payload: bytes) -> Message:
    """Decodes a binary payload.

    Raises:
        Unreadable: It is none of that type.
    """
    try:
        return GetMessageClass(message).FromString(payload)
    except DecodeError as error:
        raise Unreadable(f"no {message.full_name}: {_reason(error)}") from None


def from_json(message: Descriptor, payload: str, pool: DescriptorPool) -> Message:
    """Decodes a ProtoJSON payload as strictly as parsers do by default.

    Raises:
        Unreadable: It is none of that type.
    """
    read = GetMessageClass(message)()
    try:
        json_format.Parse(payload, read, descriptor_pool=pool)
    except json_format.ParseError as error:
        raise Unreadable(_reason(error)) from None
    return read


def _reason(error: Exception) -> str:
    first = str(error).partition("\n")[0].rstrip(".")
    return first.rpartition("': ")[2] if first.startswith("Error parsing") else first


def check_complete(message: Message) -> None:
    """Looks for required fields, as parsers of most languages do, and Python's does not.

    Raises:
        Unreadable: One is missing.
    """
    if not message.IsInitialized():
        raise Unreadable(f"required field {_missing(message)} is missing")


def _missing(message: Any, prefix: str = "") -> str:
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            return prefix + str(field.name)
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_repeated and not value.IsInitialized():
            return _missing(value, f"{prefix}{field.name}.")
    return ""


def facts(message: Any) -> dict[int, Any]:
    """Answers what a message says, by field number, so that two versions' messages can be compared."""
    return {field.number: _fact(field, value) for field, value in message.ListFields()}


def _fact(field: Any, value: Any) -> Any:
    if not field.is_repeated:
        return _single(value)
    if hasattr(value, "items"):
        return sorted(({1: _single(key), 2: _single(it)} for key, it in value.items()), key=repr)
    return [_single(it) for it in value]


def _single(value: Any) -> Any:
    if hasattr(value, "DESCRIPTOR"):
        return facts(value)
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


def as_json(message: Any, pool: DescriptorPool, *, own_names: bool = False) -> str:
    """Answers a message as ProtoJSON in one line, with ``own_names`` under the names of its fields.

    Raises:
        UNSAYABLE: ProtoJSON can't say it.
    """
    data = json_format.MessageToDict(
        _sayable(message), descriptor_pool=pool, preserving_proto_field_name=own_names
    )
    return json.dumps(data, ensure_ascii=False)


def _sayable(message: Any) -> Any:
    """Answers a message whose text can be shown: proto2 lets text pass that is no UTF-8, as bytes."""
    bad = {
        field.name: value.decode("utf-8", "backslashreplace")
        for field, value in message.ListFields()
        if field.type == Field.TYPE_STRING and isinstance(value, bytes)
    }
    if not bad:
        return message
    shown = type(message)()
    shown.CopyFrom(message)
    for name, text in bad.items():
        setattr(shown, name, text)
    return shown


def without(message: Any, numbers: frozenset[int]) -> Any:
    """Answers a message without some of its fields; the very message if it has none of them."""
    there = [field.name for field, _ in message.ListFields() if field.number in numbers]
    if not there:
        return message
    rest = type(message)()
    rest.CopyFrom(message)
    for name in there:
        rest.ClearField(name)
    return rest


def as_seen(message: Any, fields: Iterable[Any], pool: DescriptorPool, *, defaults: bool) -> str:
    """Answers a message as ProtoJSON in one line, with what a program sees of fields that are not set.

    Args:
        message: The message.
        fields: Its fields that matter. Those without presence are shown as zero.
        pool: Holds the type.
        defaults: Whether those with presence are shown as their default, enums as numbers.

    Raises:
        UNSAYABLE: ProtoJSON can't say it.
    """
    message = _sayable(message)
    data = json_format.MessageToDict(message, descriptor_pool=pool)
    for field in fields:
        name = f"[{field.full_name}]" if field.is_extension else field.json_name
        if not field.has_presence:
            data.setdefault(name, _nothing(field))
        elif defaults and name not in data and field.message_type is None:
            alone = GetMessageClass(message.DESCRIPTOR).FromString(default_record(field))
            data |= json_format.MessageToDict(alone, descriptor_pool=pool, use_integers_for_enums=True)
    return json.dumps(data, ensure_ascii=False)


def _nothing(field: Any) -> Any:
    """Answers what ProtoJSON has for a field without presence that is not set."""
    if field.is_repeated:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        return {} if is_map else []
    if field.enum_type is not None:
        return field.enum_type.values_by_number[0].name
    if field.type in {Field.TYPE_STRING, Field.TYPE_BYTES}:
        return ""
    if field.type == Field.TYPE_BOOL:
        return False
    return "0" if field.cpp_type in {Field.CPPTYPE_INT64, Field.CPPTYPE_UINT64} else 0


def cut(text: str) -> str:
    """Answers a text, cut where it is too long to be read."""
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
