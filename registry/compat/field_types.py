"""Which types read what other types wrote: the rules about a field's type.

What one type writes another one may read exactly, or read though not all values fit, or not at all. That is
asked for both ways; each rule then speaks for its own surface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.pair import found
from registry.compat.promise import Verdict
from registry.compat.shape import Cardinality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.rule import Ways
    from registry.compat.shape import EnumShape, FieldShape, Shape

_INT32, _INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)
_UINT32, _UINT64 = range(2**32), range(2**64)
_VALUES = {
    "int32": _INT32, "sint32": _INT32, "sfixed32": _INT32, "enum": _INT32, "int64": _INT64,
    "sint64": _INT64, "sfixed64": _INT64, "uint32": _UINT32, "fixed32": _UINT32, "uint64": _UINT64,
    "fixed64": _UINT64, "bool": range(2),
}  # fmt: skip
_ENCODINGS = {
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "bool", "enum"), "varint"),
    **dict.fromkeys(("sint32", "sint64"), "zigzag"),
    **dict.fromkeys(("fixed32", "sfixed32"), "four bytes"),
    **dict.fromkeys(("fixed64", "sfixed64"), "eight bytes"),
}
_JSON = {
    **dict.fromkeys(("int32", "uint32"), "a number"),
    **dict.fromkeys(("int64", "uint64"), "a number as a string"),
    **dict.fromkeys(("fixed32", "sfixed32"), "a fixed number"),
    **dict.fromkeys(("fixed64", "sfixed64"), "a fixed number as a string"),
}
_NAMED = ("message", "group", "enum")
_TEXTS = ("string", "bytes")


def compare_types(pair: Pair, old: FieldShape, new: FieldShape, instead: str) -> Iterator[Finding]:
    """Answers what a changed type does; ``instead`` is the way out."""
    if (old.type, old.type_name) == (new.type, new.type_name) or (_is_map(old) and _is_map(new)):
        return
    change = f"type changed from {old.shown_type} to {new.shown_type}"
    if old.type in _NAMED and old.type_name == new.type_name:
        change = f"encoding changed from {old.type} to {new.type}"
    binary = _binary(pair, old, new)
    if binary is None:
        yield from _range(pair, old, new, change, instead)
    elif binary != _FINE:
        what = f"misread `{old.label}`" if Verdict.BREAKS in binary else f"see `{old.label}` in other terms"
        rule_id, effect = "FIELD_WIRE_COMPATIBLE_TYPE", pair.by_way(what, binary)
        yield found(rule_id, old.path, change, effect, instead, ways=binary)
    json = _in_json(pair, old, new)
    if json != _FINE:
        effect = pair.by_way(f"find another form of `{old.label}` in JSON", json)
        yield found("FIELD_WIRE_JSON_COMPATIBLE_TYPE", old.path, change, effect, instead, ways=json)
    effect = f"code that uses `{old.label}` gets another type"
    yield found("FIELD_SAME_TYPE", old.path, change, effect, instead)


_FINE = (Verdict.FINE, Verdict.FINE)
_BROKEN = (Verdict.BREAKS, Verdict.BREAKS)


def _range(pair: Pair, old: FieldShape, new: FieldShape, change: str, instead: str) -> Iterator[Finding]:
    ways = _fits(old, new), _fits(new, old)
    if ways != _FINE:
        narrow = new if ways[0] else old
        what = f"see values of `{old.label}` that don't fit {narrow.type} as other ones"
        yield found("FIELD_SAME_RANGE", old.path, change, pair.by_way(what, ways), instead, ways=ways)


def _binary(pair: Pair, old: FieldShape, new: FieldShape) -> Ways | None:
    """Answers how the encodings differ; None if they don't, and room alone decides."""
    if old.type == "enum" == new.type:
        return _enums(pair, old, new)
    if "enum" in (old.type, new.type):
        if _ENCODINGS.get(old.type) != _ENCODINGS.get(new.type):
            return _BROKEN
        return _numbers(old, new, pair.new), _numbers(new, old, pair.old)
    if old.type in _TEXTS and new.type in _TEXTS:
        return _text(old, new), _text(new, old)
    if old.type in _ENCODINGS and _ENCODINGS[old.type] == _ENCODINGS.get(new.type):
        return None
    return _BROKEN


def _text(writer: FieldShape, reader: FieldShape) -> Verdict:
    """Every string can be read as bytes; not all bytes are a string."""
    return Verdict.BREAKS if (writer.type, reader.type) == ("bytes", "string") else Verdict.FINE


def _fits(writer: FieldShape, reader: FieldShape) -> Verdict:
    values, room = _VALUES[writer.type], _VALUES[reader.type]
    return Verdict.FINE if room.start <= values.start and values.stop <= room.stop else Verdict.BREAKS


def _numbers(writer: FieldShape, reader: FieldShape, readers: Shape) -> Verdict:
    """Answers whether an integer is read as an enum, or an enum as an integer, without a loss."""
    enum = readers.enums.get(reader.type_name)
    is_closed = enum is not None and enum.closed
    return Verdict.BREAKS if is_closed or _fits(writer, reader) else Verdict.NOTICE


def _enums(pair: Pair, old: FieldShape, new: FieldShape) -> Ways:
    names = (old.type_name, new.type_name)
    if names not in pair.within:
        pair.within[names] = _compare_enums(pair, old, new)
    return pair.within[names]


def _compare_enums(pair: Pair, old: FieldShape, new: FieldShape) -> Ways:
    before, after = pair.old.enums.get(old.type_name), pair.new.enums.get(new.type_name)
    if before is None or after is None:
        return _BROKEN
    has_same_name = old.type_name.rpartition(".")[2] == new.type_name.rpartition(".")[2]
    kept = Verdict.FINE if has_same_name else Verdict.NOTICE
    return (_within(before, after, kept), _within(after, before, kept))


def _within(writer: EnumShape, reader: EnumShape, kept: Verdict) -> Verdict:
    values = reader.values
    is_within = all(set(names) <= set(values.get(number, ())) for number, names in writer.values.items())
    return kept if is_within else Verdict.BREAKS


def _in_json(pair: Pair, old: FieldShape, new: FieldShape) -> Ways:
    if old.type == "enum" == new.type:
        return _enums(pair, old, new)
    if old.type in _NAMED or new.type in _NAMED:
        return _BROKEN
    return _FINE if _JSON.get(old.type, old.type) == _JSON.get(new.type, new.type) else _BROKEN


def _is_map(field: FieldShape) -> bool:
    return field.cardinality is Cardinality.MAP
