"""The rule about a field's default: what readers see of a field that nobody set."""

from __future__ import annotations

from math import isnan, nan
from struct import pack, unpack
from typing import TYPE_CHECKING

from google.protobuf.text_encoding import CUnescape

from registry.compat.pair import found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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
    yield found(
        "FIELD_SAME_DEFAULT",
        old.path,
        f"default changed from {_shown(before)} to {_shown(after)}",
        pair.all_readers(f"see an unset `{old.name}` as another value than the writer does"),
        _suggestion(old),
    )


def compare_first_values(pair: Pair, names: Iterable[str]) -> Iterator[Finding]:
    """Answers which fields of some messages have another default by their enum's first value alone."""
    enums = pair.new.enums
    changed = {name for name, it in pair.old.enums.items() if name in enums and it.first != enums[name].first}
    for name in names if changed else ():
        old, new = pair.old.messages[name], pair.new.messages.get(name)
        for number, field in old.fields.items():
            if new and field.type_name in changed and new.fields.get(number) == field:
                yield from compare_defaults(pair, field, field)


def _suggestion(old: FieldShape) -> str:
    if old.default is None:
        return f"take the default off `{old.name}` again"
    quoted = f'"{old.default}"' if old.type in ("string", "bytes") else old.default
    return f"keep `[default = {quoted}]`"


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


def _shown(value: bytes | float) -> str:
    return repr(value.decode("utf-8", "backslashreplace")) if isinstance(value, bytes) else str(value)
