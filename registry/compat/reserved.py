"""The rules about numbers and names that were given up: they stay reserved, so that nothing comes back."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.compat.pair import found
from registry.compat.promise import Verdict
from registry.compat.shape import EnumShape
from registry.compat.words import HIGHEST_NUMBER, reserve, reserve_span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from registry.compat.finding import Finding
    from registry.compat.shape import MessageShape, Span

    Reserving = EnumShape | MessageShape

_HIGHEST_VALUE = 2**31 - 1
_NO_WIRE = (Verdict.FINE, Verdict.FINE)
_AGAIN = "old events that hold a removed element under it would be read as another one"


@dataclass(frozen=True, slots=True)
class Removed:
    """What is gone: a ``FIELD`` or an ``ENUM_VALUE``, its path, its number, and its names."""

    what: str
    path: str
    number: int
    names: tuple[str, ...]


def unreserved(it: Removed, new: Reserving, change: str, line: str) -> Iterator[Finding]:
    """Answers whether what was removed is reserved; ``line`` is what would reserve it."""
    if it.number not in new.reserved:
        effect = f"a later version could give number {it.number} another meaning, and {_AGAIN}"
        rule_id = f"{it.what}_NO_DELETE_UNLESS_NUMBER_RESERVED"
        yield found(rule_id, it.path, f"{change}, and {it.number} is not reserved", effect, line)
    missing = [name for name in it.names if name not in new.reserved_names]
    if missing:
        listed = ", ".join(missing)
        effect = f"a later version could give {listed} another meaning, and old JSON would be read with that"
        rule_id = f"{it.what}_NO_DELETE_UNLESS_NAME_RESERVED"
        yield found(rule_id, it.path, f"{change}, and {listed} is not reserved", effect, line)


def compare_reserved(old: Reserving, new: Reserving) -> Iterator[Finding]:
    """Answers what is not reserved any more."""
    is_enum = isinstance(old, EnumShape)
    rule_id = "RESERVED_ENUM_NO_DELETE" if is_enum else "RESERVED_MESSAGE_NO_DELETE"
    highest = _HIGHEST_VALUE if is_enum else HIGHEST_NUMBER
    gaps = old.reserved.without(new.reserved)
    if gaps:
        users = _users(new)
        numbers = sorted(users)
        for gap in gaps:
            yield found(
                rule_id, old.name, _change(gap, numbers, users), _effect(gap), _line(gap, new, highest)
            )
    for name in sorted(old.reserved_names - new.reserved_names):
        yield found(
            rule_id,
            old.name,
            f"name {name} is not reserved any more",
            f"a later version could give {name} another meaning, and old JSON would be read with that",
            f"keep `{reserve(None, [name], new.syntax)}` in {new.name}",
            wire=_NO_WIRE,
        )


def _users(new: Reserving) -> Mapping[int, str]:
    if isinstance(new, EnumShape):
        return {number: names[0] for number, names in new.values.items()}
    return {number: field.name for number, field in new.fields.items()}


def _change(gap: Span, numbers: list[int], users: Mapping[int, str]) -> str:
    index = bisect_left(numbers, gap.first)
    if index < len(numbers) and numbers[index] <= gap.last:
        return f"{gap} was reserved, and {users[numbers[index]]} uses {numbers[index]} again"
    return f"{gap} is not reserved any more"


def _effect(gap: Span) -> str:
    return f"{gap} can be used again, and {_AGAIN}"


def _line(gap: Span, new: Reserving, highest: int) -> str:
    return f"keep `{reserve_span(gap, highest)}` in {new.name}, and take new numbers"
