"""All values that a field can have by its type: what rules choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Kind

from registry.compat.allowed import Anything, Paths
from registry.compat.allowed_order import Scale, float_scale
from registry.compat.allowed_text import Text

if TYPE_CHECKING:
    from registry.compat.allowed import Allowed
    from registry.compat.rule_carriers import FieldCarrier

_INTEGERS: dict[int, Scale] = {
    Kind.TYPE_INT32: Scale("integer", -(2**31), 2**31 - 1),
    Kind.TYPE_INT64: Scale("integer", -(2**63), 2**63 - 1),
    Kind.TYPE_UINT32: Scale("integer", 0, 2**32 - 1),
    Kind.TYPE_UINT64: Scale("integer", 0, 2**64 - 1),
    Kind.TYPE_BOOL: Scale("integer", 0, 1),
}
_SCALES: dict[int, Scale] = {
    **_INTEGERS,
    Kind.TYPE_SINT32: _INTEGERS[Kind.TYPE_INT32],
    Kind.TYPE_SFIXED32: _INTEGERS[Kind.TYPE_INT32],
    Kind.TYPE_ENUM: _INTEGERS[Kind.TYPE_INT32],
    Kind.TYPE_FIXED32: _INTEGERS[Kind.TYPE_UINT32],
    Kind.TYPE_SINT64: _INTEGERS[Kind.TYPE_INT64],
    Kind.TYPE_SFIXED64: _INTEGERS[Kind.TYPE_INT64],
    Kind.TYPE_FIXED64: _INTEGERS[Kind.TYPE_UINT64],
    Kind.TYPE_FLOAT: float_scale("float"),
    Kind.TYPE_DOUBLE: float_scale("double"),
}
COUNT = Scale("count", 0, 2**64 - 1, "count")
_TIMESTAMP = Scale("timestamp", -62_135_596_800 * 10**9, 253_402_300_799_999_999_999, "seconds")
DURATION = Scale("duration", -315_576_000_000_999_999_999, 315_576_000_000_999_999_999, "seconds")
_WRAPPED = {
    "DoubleValue": Kind.TYPE_DOUBLE,
    "FloatValue": Kind.TYPE_FLOAT,
    "Int64Value": Kind.TYPE_INT64,
    "UInt64Value": Kind.TYPE_UINT64,
    "Int32Value": Kind.TYPE_INT32,
    "UInt32Value": Kind.TYPE_UINT32,
    "BoolValue": Kind.TYPE_BOOL,
    "StringValue": Kind.TYPE_STRING,
    "BytesValue": Kind.TYPE_BYTES,
}


def everything_of(carrier: FieldCarrier, *, single: bool) -> Allowed:
    """Answers all values of a field, or of a single element of it; of a whole list or map its sizes."""
    if carrier.repeated and not single:
        return COUNT.everything()
    if carrier.kind in _SCALES:
        return _SCALES[carrier.kind].everything()
    if carrier.kind in {Kind.TYPE_STRING, Kind.TYPE_BYTES}:
        return _text(carrier.kind)
    return _known(carrier.type_name)


def _text(kind: int) -> Text:
    return Text() if kind == Kind.TYPE_STRING else Text(b"", prefix=b"", suffix=b"", part=b"")


def _known(type_name: str) -> Allowed:
    name = type_name.removeprefix("google.protobuf.")
    if name in _WRAPPED and name != type_name:
        kind = _WRAPPED[name]
        return _SCALES[kind].everything() if kind in _SCALES else _text(kind)
    known: dict[str, Allowed] = {
        "google.protobuf.Timestamp": _TIMESTAMP.everything(),
        "google.protobuf.Duration": DURATION.everything(),
        "google.protobuf.Any": Text(),
        "google.protobuf.FieldMask": Paths(),
    }
    return known.get(type_name, Anything())
