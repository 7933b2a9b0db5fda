"""Single values as Protobuf text: texts, bytes, numbers, names of enum values."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.text_encoding import CUnescape

if TYPE_CHECKING:
    from collections.abc import Callable

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted(text: str) -> str:
    """Answers a text between quotes; what can't be seen is escaped, byte by byte."""
    return '"' + "".join(_ESCAPES.get(char) or _visible(char) for char in text) + '"'


def quoted_bytes(data: bytes) -> str:
    """Answers bytes between quotes, escaped but for what ASCII shows."""
    return quoted(data.decode("latin-1")) if data.isascii() else '"' + "".join(map(_byte, data)) + '"'


def quoted_escapes(escaped: str) -> str:
    """Answers bytes between quotes that a descriptor holds escaped; as they are if it is no escape."""
    try:
        return quoted_bytes(CUnescape(escaped))
    except ValueError:
        return quoted(escaped)


def literal(field: Any, value: Any) -> str:
    """Answers the value of a field that is no message, or one of its values, as aggregates have it."""
    return _LITERALS.get(field.cpp_type, str)(value) if field.enum_type is None else enum_name(field, value)


def enum_name(field: Any, number: int) -> str:
    """Answers the name of an enum's value; its number if it has none."""
    value = field.enum_type.values_by_number.get(number) if field.enum_type else None
    return value.name if value else str(number)


def _visible(char: str) -> str:
    return char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in char.encode())


def _byte(byte: int) -> str:
    char = chr(byte)
    return _ESCAPES.get(char) or (char if char.isascii() and char.isprintable() else f"\\{byte:03o}")


def _double(value: float) -> str:
    if value.is_integer() and abs(value) < 2**53 and math.copysign(1, value) > 0:
        return str(int(value))
    return repr(value)


def _float(value: float) -> str:
    if not math.isfinite(value) or value.is_integer():
        return _double(value)
    for digits in range(6, 9):
        text = f"{value:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text))) == (value,):
            return _double(float(text))
    return _double(value)


_LITERALS: dict[int, Callable[[Any], str]] = {
    FieldDescriptor.CPPTYPE_STRING: lambda value: (
        quoted_bytes(value) if isinstance(value, bytes) else quoted(value)
    ),
    FieldDescriptor.CPPTYPE_BOOL: lambda value: "true" if value else "false",
    FieldDescriptor.CPPTYPE_DOUBLE: _double,
    FieldDescriptor.CPPTYPE_FLOAT: _float,
}
