"""The rule about a field's default: what readers see of a field that nobody set."""

from __future__ import annotations

from math import isnan, nan
from struct import pack, unpack
from typing import TYPE_CHECKING

from google.protobuf.text_encoding import CEscape, CUnescape

from registry.compat.pair import found
from registry.compat.words import enum_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.shape import FieldShape, Shape


def compare_defaults(pair: Pair, old: FieldShape, new: FieldShape) -> Iterator[Finding]:
    """Answers whether an unset field is read as something else than it was."""
    if old.default is new.default is None and "enum" not in (old.type, new.type):
        return
    if any(it.cardinality.is_many or it.type in ("message", "group") for it in (old, new)):
        return
    before, after = default_value(old, pair.old), default_value(new, pair.new)
    if (not before and not after) or _are_equal(before, after, narrow="float" in (old.type, new.type)):
        return
    was, became = _shown(old, before, pair.old), _shown(new, after, pair.new)
    yield found(
        "FIELD_SAME_DEFAULT",
        old.path,
        f"default changed from {was} to {became}",
        f"readers on {pair.new.name} see an unset `{old.label}` as {became} where events written with "
        f"{pair.old.name} mean {was}, and those still on {pair.old.name} the reverse",
        _suggestion(old, new, was),
    )


def compare_first_values(pair: Pair, names: Collection[str]) -> Iterator[Finding]:
    """Answers which fields of some messages have another default by their enum's first value alone."""
    enums = pair.new.enums
    changed = {name for name, it in pair.old.enums.items() if name in enums and it.first != enums[name].first}
    for old, new in _of_both(pair, names) if changed else ():
        if old.type_name in changed and old == new:
            yield from compare_defaults(pair, old, new)


def _of_both(pair: Pair, names: Collection[str]) -> Iterator[tuple[FieldShape, FieldShape]]:
    """Answers the fields and extensions of some messages that both sides have."""
    for name in names:
        if new := pair.new.messages.get(name):
            fields = pair.old.messages[name].fields
            yield from (
                (field, new.fields[number]) for number, field in fields.items() if number in new.fields
            )
    for key, extension in pair.old.extensions.items():
        if extension.extendee in names and key in pair.new.extensions:
            yield extension, pair.new.extensions[key]


def _suggestion(old: FieldShape, new: FieldShape, was: str) -> str:
    if old.default is not None:
        return f"keep `[default = {was}]`"
    if new.default is None:
        return f"keep {was} the first value of {old.type_name}"
    return f"take the default off `{old.label}` again"


def default_value(field: FieldShape, shape: Shape) -> bytes | int | float:
    """Answers what an unset field is read as; texts as bytes, bools and enums as numbers."""
    text = field.default
    if field.type == "enum":
        return _enum_default(field, shape)
    if field.type in ("string", "bytes"):
        return _text_default(field)
    if field.type == "bool":
        return int(text == "true")
    if field.type in ("float", "double"):
        return _float_default(text or "0", narrow=field.type == "float")
    return int(text or "0")


def _text_default(field: FieldShape) -> bytes:
    text = field.default or ""
    return bytes(CUnescape(text)) if field.type == "bytes" else text.encode("utf-8", "surrogatepass")


def _float_default(text: str, *, narrow: bool) -> float:
    return _narrow(float(text)) if narrow else float(text)


def _enum_default(field: FieldShape, shape: Shape) -> int:
    enum = shape.enums.get(field.type_name)
    return enum.numbers.get(field.default or "", enum.first) if enum else 0


def _are_equal(before: bytes | float, after: bytes | float, *, narrow: bool) -> bool:
    if isinstance(before, bytes) or isinstance(after, bytes):
        return before == after
    if narrow:
        before, after = _narrow(before), _narrow(after)
    return before == after or (isnan(before) and isnan(after))


def _narrow(value: float) -> float:
    """Answers a number as a float of four bytes holds it."""
    try:
        return float(unpack("<f", pack("<f", value))[0])
    except (OverflowError, ValueError):
        return float("inf") if value > 0 else float("-inf") if value < 0 else nan


def _shown(field: FieldShape, value: bytes | float, shape: Shape) -> str:
    """Answers a default as it is written in a .proto file."""
    if isinstance(value, bytes):
        return f'"{CEscape(value, as_utf8=field.type == "string")}"'
    if field.type == "enum":
        enum = shape.enums.get(field.type_name)
        return enum_name(enum, int(value)) if enum else str(value)
    return str(bool(value)).lower() if field.type == "bool" else str(value)
