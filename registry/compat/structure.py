"""What changed between two shapes: messages, fields, enums."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from registry.compat.catalogue import RULES
from registry.compat.finding import Audience, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.shape import EnumShape, FieldShape, MessageShape, Shape, Span

_VARINT = frozenset({"int32", "int64", "uint32", "uint64", "bool", "enum"})
_READABLE_AS = {
    **dict.fromkeys(_VARINT, _VARINT),
    "sint32": frozenset({"sint32", "sint64"}),
    "sint64": frozenset({"sint32", "sint64"}),
    "fixed32": frozenset({"fixed32", "sfixed32"}),
    "sfixed32": frozenset({"fixed32", "sfixed32"}),
    "fixed64": frozenset({"fixed64", "sfixed64"}),
    "sfixed64": frozenset({"fixed64", "sfixed64"}),
    # Not the other way: bytes need not be UTF-8, and a string that is not can't be read.
    "string": frozenset({"string", "bytes"}),
}


def compare_shapes(before: Shape, after: Shape) -> Iterator[Finding]:
    """Answers what changed from one shape to the other."""
    yield from _messages(before, after)
    yield from _enums(before, after)


def _found(rule_id: str, path: str, message: str) -> Finding:
    change, _, suggestion = message.rpartition("; ")
    cells = {key: cell.verdict for key, cell in RULES[rule_id].cells.items()}
    return Finding(rule_id, path, change, cells, (Audience.NEW_READERS,), change, suggestion)


def _messages(before: Shape, after: Shape) -> Iterator[Finding]:
    for name, old in before.messages.items():
        new = after.messages.get(name)
        if new is not None:
            yield from _message(old, new, before, after)
        elif name in before.types:
            yield _found(
                "MESSAGE_NO_DELETE",
                name,
                "the message is gone, so its events can't be read any more; keep it, and mark it deprecated",
            )


def _message(old: MessageShape, new: MessageShape, before: Shape, after: Shape) -> Iterator[Finding]:
    if old.message_set != new.message_set:
        yield _found(
            "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT",
            old.name,
            "option message_set_wire_format changed, so that data is encoded in another way; change it back",
        )
    for number, field in old.fields.items():
        if number in new.fields:
            yield from _field(field, new.fields[number], before, after)
        else:
            yield from _removed_field(old, new, field)
    yield from _reserved("RESERVED_MESSAGE_NO_DELETE", old, new, {it: f.path for it, f in new.fields.items()})
    yield from _new_required(old, new)
    yield from _oneofs(old, new)


def _removed_field(old: MessageShape, new: MessageShape, field: FieldShape) -> Iterator[Finding]:
    number = field.number
    if number in old.extensions:
        yield _found(
            "EXTENSION_NO_DELETE",
            field.path,
            f"extension {number} of {old.name} is gone, and another schema could give its number another "
            f"meaning; keep it, and mark it deprecated",
        )
    elif number not in new.reserved:
        yield _found(
            "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
            field.path,
            f"field {number} is gone, and a later version could give its number another meaning; "
            f"add `reserved {number};` to message {old.name}",
        )
    if field.required:
        yield _required(field, "is gone, but was required: old readers refuse data without it; keep it")


def _new_required(old: MessageShape, new: MessageShape) -> Iterator[Finding]:
    for number, field in new.fields.items():
        if field.required and number not in old.fields:
            yield _required(
                field, "is new and required: data of the old version doesn't have it; make it optional"
            )


def _field(old: FieldShape, new: FieldShape, before: Shape, after: Shape) -> Iterator[Finding]:
    if old.cardinality is not new.cardinality:
        yield _found(
            "FIELD_WIRE_COMPATIBLE_CARDINALITY",
            old.path,
            f"field {old.number} changed from {old.cardinality.value} to {new.cardinality.value}, so values "
            f"would be lost or misread; change it back, or add a new field with a new number",
        )
    elif old.entry and new.entry:
        for old_part, new_part in zip(old.entry, new.entry, strict=True):
            yield from _type(
                old_part, new_part, before, after, f"{old.path}.{old_part.path.rpartition('.')[2]}"
            )
    else:
        yield from _type(old, new, before, after, old.path)
    if old.required and not new.required:
        yield _required(
            old,
            "is not required any more: old readers refuse data without it; keep it required",
        )
    if new.required and not old.required:
        yield _required(
            old, "became required: data of the old version may not have it; make it optional again"
        )


def _required(field: FieldShape, what: str) -> Finding:
    return _found("MESSAGE_SAME_REQUIRED_FIELDS", field.path, f"field {field.number} {what}")


def _type(old: FieldShape, new: FieldShape, before: Shape, after: Shape, path: str) -> Iterator[Finding]:
    if _same_type(old, new, before, after):
        return
    was, became = (f"{it.type} {it.type_name}".strip() for it in (old, new))
    yield _found(
        "FIELD_WIRE_COMPATIBLE_TYPE",
        path,
        f"field {old.number} changed its type from {was} to {became}, so that stored data would be misread; "
        f"change it back, or add a new field with a new number",
    )


def _same_type(old: FieldShape, new: FieldShape, before: Shape, after: Shape) -> bool:
    if old.type == new.type == "enum" and old.type_name != new.type_name:
        return _has_values(before.enums.get(old.type_name), after.enums.get(new.type_name))
    if old.type == new.type:
        return old.type_name == new.type_name
    return new.type in _READABLE_AS.get(old.type, ())


def _has_values(old: EnumShape | None, new: EnumShape | None) -> bool:
    return old is not None and new is not None and old.values.keys() <= new.values.keys()


def _oneofs(old: MessageShape, new: MessageShape) -> Iterator[Finding]:
    """Finds fields that could be set together and now can't: only the last one would be read."""
    members: dict[str, list[FieldShape]] = {}
    for number, field in new.fields.items():
        if field.oneof and number in old.fields:
            members.setdefault(field.oneof, []).append(old.fields[number])
    for oneof, fields in members.items():
        if len(fields) > 1 and (len({it.oneof for it in fields}) > 1 or not fields[0].oneof):
            names = ", ".join(it.path.rpartition(".")[2] for it in fields)
            yield _found(
                "FIELD_SAME_ONEOF",
                f"{new.name}.{oneof}",
                f"fields {names} could be set together and now share oneof {oneof}, so all but one of them "
                f"would be lost; take them out of it, or add new fields to it",
            )


def _enums(before: Shape, after: Shape) -> Iterator[Finding]:
    for name, old in before.enums.items():
        new = after.enums.get(name)
        if new is not None:
            yield from _enum(old, new)


def _enum(old: EnumShape, new: EnumShape) -> Iterator[Finding]:
    if new.closed and not old.closed:
        yield _found(
            "ENUM_SAME_TYPE",
            old.name,
            "the enum was open and is closed, so that numbers without a name would be lost; keep it open",
        )
    for number, value in old.values.items():
        if number not in new.values and number not in new.reserved:
            yield _found(
                "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",
                f"{old.name}.{value}",
                f"value {number} is gone, and a later version could give its number another meaning; "
                f"add `reserved {number};` to enum {old.name}",
            )
    yield from _reserved("RESERVED_ENUM_NO_DELETE", old, new, new.values)


def _reserved(
    rule_id: str, old: EnumShape | MessageShape, new: EnumShape | MessageShape, used: dict[int, str]
) -> Iterator[Finding]:
    numbers = sorted(used)
    for gap in old.reserved.without(new.reserved):
        index = bisect_left(numbers, gap.first)
        again = numbers[index] if index < len(numbers) and numbers[index] <= gap.last else None
        yield _found(rule_id, old.name, _unreserved(gap, None if again is None else used[again]))


def _unreserved(gap: Span, user: str | None) -> str:
    if user is None:
        return f"{gap} was reserved and is not any more; keep `reserved {gap};`"
    return (
        f"{gap} was reserved, and {user} uses it again: data of removed elements would be read as it; "
        f"keep `reserved {gap};` and take a new number"
    )
