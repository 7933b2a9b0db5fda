"""The CEL types of what rules are evaluated on: ``this``, ``rule`` and ``rules``.

Imports no other module of the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cel_expr_python import cel
from google.protobuf.descriptor import FieldDescriptor

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

_CEL_TYPES = {
    FieldDescriptor.CPPTYPE_BOOL: cel.Type.BOOL,
    FieldDescriptor.CPPTYPE_INT32: cel.Type.INT,
    FieldDescriptor.CPPTYPE_INT64: cel.Type.INT,
    FieldDescriptor.CPPTYPE_UINT32: cel.Type.UINT,
    FieldDescriptor.CPPTYPE_UINT64: cel.Type.UINT,
    FieldDescriptor.CPPTYPE_FLOAT: cel.Type.DOUBLE,
    FieldDescriptor.CPPTYPE_DOUBLE: cel.Type.DOUBLE,
    FieldDescriptor.CPPTYPE_ENUM: cel.Type.INT,
}


PREDEFINED_THIS = {
    "FloatRules": cel.Type.DOUBLE,
    "DoubleRules": cel.Type.DOUBLE,
    "Int32Rules": cel.Type.INT,
    "Int64Rules": cel.Type.INT,
    "UInt32Rules": cel.Type.UINT,
    "UInt64Rules": cel.Type.UINT,
    "SInt32Rules": cel.Type.INT,
    "SInt64Rules": cel.Type.INT,
    "Fixed32Rules": cel.Type.UINT,
    "Fixed64Rules": cel.Type.UINT,
    "SFixed32Rules": cel.Type.INT,
    "SFixed64Rules": cel.Type.INT,
    "BoolRules": cel.Type.BOOL,
    "StringRules": cel.Type.STRING,
    "BytesRules": cel.Type.BYTES,
    "EnumRules": cel.Type.INT,
    "RepeatedRules": cel.Type.List(cel.Type.DYN),
    "MapRules": cel.Type.Map(cel.Type.DYN, cel.Type.DYN),
    "DurationRules": cel.Type.DURATION,
    "TimestampRules": cel.Type.TIMESTAMP,
    "FieldMaskRules": cel.Type("google.protobuf.FieldMask"),
}


def map_entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor] | None:
    """The key and the value of a map; None for any other field."""
    entry = field.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    key, value = entry.fields
    return key, value


def field_type(field: FieldDescriptor) -> cel.Type:
    """The type of the whole field: a list or map where it is one."""
    if entry := map_entry(field):
        key, value = entry
        return cel.Type.Map(value_type(key), value_type(value))
    return cel.Type.List(value_type(field)) if field.is_repeated else value_type(field)


def value_type(field: FieldDescriptor) -> cel.Type:
    """The type of one value of the field."""
    if field.message_type is not None:
        return message_type(field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return cel.Type.BYTES if field.type == FieldDescriptor.TYPE_BYTES else cel.Type.STRING
    return _CEL_TYPES[field.cpp_type]


def message_type(message: Descriptor) -> cel.Type:
    """The type of a message; well-known ones stand for what CEL makes of them."""
    return cel.Type(message.full_name)
