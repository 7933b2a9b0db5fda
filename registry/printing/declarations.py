"""One element of a schema as one line of Protobuf text, without its options and what is in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import Edition, FieldDescriptorProto, SymbolVisibility

from registry.printing.literals import quoted, quoted_escapes

if TYPE_CHECKING:
    from registry.printing.names import Names

Kind = FieldDescriptorProto
LAST_FIELD_NUMBER = 2**29 - 1
LAST_SET_NUMBER = 2**31 - 2
"""The last number of an extension of a message with the option ``message_set_wire_format``."""
LAST_ENUM_NUMBER = 2**31 - 1
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VISIBILITIES = {
    SymbolVisibility.VISIBILITY_LOCAL: "local ",
    SymbolVisibility.VISIBILITY_EXPORT: "export ",
}
_QUOTED_DEFAULTS = {Kind.TYPE_STRING: quoted, Kind.TYPE_BYTES: quoted_escapes}


def syntax_line(file: Any) -> str:
    """Answers how a file says which language it is in."""
    if file.syntax == "editions":
        return f"edition = {quoted(Edition.Name(file.edition).removeprefix('EDITION_'))};"
    return f"syntax = {quoted(file.syntax or 'proto2')};"


def visibility(descriptor: Any) -> str:
    """Answers what stands in front of a message or enum that says who sees it, as edition 2024 has it."""
    return _VISIBILITIES.get(descriptor.visibility, "")


def import_kind(file: Any, index: int) -> str:
    """Answers what stands in front of the name of an import."""
    if index in file.public_dependency:
        return "public "
    return "weak " if index in file.weak_dependency else ""


def label_of(field: Any, syntax: str) -> str:
    """Answers the label of a field that is no map and in no oneof, in a file of that ``syntax``."""
    if field.label == Kind.LABEL_REPEATED:
        return "repeated "
    if field.label == Kind.LABEL_REQUIRED:
        return "required "
    return "optional " if field.proto3_optional or syntax in {"", "proto2"} else ""


def type_text(field: Any, scope: str, names: Names) -> str:
    """Answers the type of a field in ``scope``."""
    if field.type_name:
        return names.type(scope, field.type_name)
    return Kind.Type.Name(field.type).removeprefix("TYPE_").lower()


def map_text(entry: Any, scope: str, names: Names) -> str:
    """Answers the type of a map whose entries are ``entry``."""
    key, value = (type_text(field, scope, names) for field in entry.field)
    return f"map<{key}, {value}>"


def is_odd_entry(entry: Any) -> bool:
    """Tells whether the entries of a map have what protoc would not give them."""
    said = {it.name for part in entry.field for it, _ in part.options.ListFields()}
    return (
        {it.name for it, _ in entry.options.ListFields()} != {"map_entry"}
        or {it.name for it, _ in entry.ListFields()} != {"name", "field", "options"}
        or bool(said - {"features"})
        or any(it.HasField("default_value") or it.json_name not in {"", it.name} for it in entry.field)
    )


def default_text(field: Any) -> str:
    """Answers a field's default as it stands behind ``default = ``."""
    return _QUOTED_DEFAULTS.get(field.type, str)(field.default_value)


def default_json_name(name: str) -> str:
    """Answers the JSON name of a field that doesn't say one."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)


def method_line(method: Any, scope: str, names: Names) -> str:
    """Answers a method of the service ``scope``."""
    taken, given = (
        f"({'stream ' if stream else ''}{names.type(scope, name)})"
        for stream, name in (
            (method.client_streaming, method.input_type),
            (method.server_streaming, method.output_type),
        )
    )
    return f"rpc {method.name}{taken} returns {given}"


def span_text(first: int, last: int, maximum: int) -> str:
    """Answers the numbers from ``first`` to ``last``, both included."""
    end = "max" if last == maximum else str(last)
    return str(first) if first == last else f"{first} to {end}"


def spans_of(message: Any) -> list[str]:
    """Answers the numbers that a message reserves."""
    last = last_number(message)
    return [span_text(it.start, it.end - 1, last) for it in message.reserved_range]


def enum_spans_of(enum: Any) -> list[str]:
    """Answers the numbers that an enum reserves."""
    return [span_text(it.start, it.end, LAST_ENUM_NUMBER) for it in enum.reserved_range]


def last_number(message: Any) -> int:
    """Answers what ``max`` means in a message."""
    return LAST_SET_NUMBER if message.options.message_set_wire_format else LAST_FIELD_NUMBER
