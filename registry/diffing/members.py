"""Compares what stands in messages, enums and services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.compat.shape import Numbers, Span
from registry.diffing.comparison import ADDED, CHANGED, REMOVED, Listed
from registry.printing import declarations as say
from registry.printing.arrangement import oneof_of
from registry.printing.literals import quoted
from registry.printing.names import within

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.diffing.comparison import Comparison
    from registry.diffing.outline import Declared
    from registry.diffing.said import Said, Speaker


def compare_message(both: Comparison, old: Declared, new: Declared) -> None:
    """Compares the oneofs, fields, extension ranges and reserved numbers and names of a message."""
    was, now = _oneofs(both.old_says, old), _oneofs(both.new_says, new)
    keys = [lambda it: it.name, lambda it: it.numbers]
    pairs = both.lists("oneof", was, now, keys)
    renamed = {was.items[before].index: now.items[after].name for before, after in pairs}
    both.lists(
        "field",
        _fields(both.old_says, old, renamed),
        _fields(both.new_says, new, {it.index: it.name for it in now.items}),
        [lambda it: (it.number, it.name), lambda it: it.number, lambda it: it.name],
    )
    both.lists(
        "extension range",
        _ranges(both.old_says, old),
        _ranges(both.new_says, new),
        [lambda it: (it.start, it.end), lambda it: it.start, lambda it: it.end],
    )
    _compare_reserved(both, new.name, _reserved_in_message(old.element), _reserved_in_message(new.element))


def compare_enum(both: Comparison, old: Declared, new: Declared) -> None:
    """Compares the values and reserved numbers and names of an enum."""
    keys = [lambda it: (it.name, it.number), lambda it: it.number, lambda it: it.name]
    both.lists("enum value", _values(both.old_says, old), _values(both.new_says, new), keys)
    _compare_reserved(both, new.name, _reserved_in_enum(old.element), _reserved_in_enum(new.element))


def compare_service(both: Comparison, old: Declared, new: Declared) -> None:
    """Compares the methods of a service."""
    both.lists("method", _methods(both.old_says, old), _methods(both.new_says, new), [lambda it: it.name])


@dataclass(frozen=True, slots=True)
class _Oneof:
    """A oneof of a message's text: its place, its name, its fields' numbers, its options."""

    index: int
    name: str
    numbers: frozenset[int]
    options: Any


def _oneofs(says: Speaker, it: Declared) -> Listed:
    numbers: dict[int, list[int]] = {}
    for field in it.element.field:
        if oneof_of(field) >= 0:
            numbers.setdefault(field.oneof_index, []).append(field.number)
    oneofs = [
        _Oneof(index, oneof.name, frozenset(numbers[index]), oneof.options)
        for index, oneof in enumerate(it.element.oneof_decl)
        if index in numbers
    ]

    def said(index: int) -> Said:
        oneof = oneofs[index]
        return says.plain(f"oneof {oneof.name}", it, oneof.options, (8, oneof.index))

    return Listed(oneofs, lambda index: within(it.name, oneofs[index].name), said)


def _fields(says: Speaker, it: Declared, new_names: Mapping[int, str]) -> Listed:
    """Lists fields; ``new_names`` is what the new version calls the oneofs, by their index."""
    fields = it.element.field

    def said(index: int) -> Said:
        oneof = oneof_of(fields[index])
        name = it.element.oneof_decl[oneof].name if oneof >= 0 else ""
        return says.field(it, index, (name, new_names.get(oneof, name)))

    return Listed(fields, lambda index: within(it.name, fields[index].name), said)


def _ranges(says: Speaker, it: Declared) -> Listed:
    def said(index: int) -> Said:
        span = it.element.extension_range[index]
        numbers = say.span_text(span.start, span.end - 1, say.last_number(it.element))
        return says.plain(f"extensions {numbers};", it, span.options, (5, index))

    return Listed(it.element.extension_range, lambda _: it.name, said)


def _values(says: Speaker, it: Declared) -> Listed:
    values, scope = it.element.value, it.name.rpartition(".")[0]

    def said(index: int) -> Said:
        value = values[index]
        return says.plain(f"{value.name} = {value.number};", it, value.options, (2, index))

    return Listed(values, lambda index: within(scope, values[index].name), said)


def _methods(says: Speaker, it: Declared) -> Listed:
    methods = it.element.method
    return Listed(
        methods,
        lambda index: within(it.name, methods[index].name),
        lambda index: says.method(it, index),
    )


@dataclass(frozen=True, slots=True)
class _Reserved:
    """What an element reserves: numbers, up to the last one that there is, and names."""

    spans: tuple[Span, ...]
    last: int
    names: tuple[str, ...]

    def line(self, span: Span) -> str:
        return f"reserved {say.span_text(span.first, span.last, self.last)};"

    def __str__(self) -> str:
        items = [
            *(say.span_text(it.first, it.last, self.last) for it in self.spans),
            *map(quoted, self.names),
        ]
        return f"reserved {', '.join(items)};"


def _reserved_in_message(message: Any) -> _Reserved:
    spans = tuple(Span(it.start, it.end - 1) for it in message.reserved_range)
    return _Reserved(spans, say.last_number(message), tuple(message.reserved_name))


def _reserved_in_enum(enum: Any) -> _Reserved:
    spans = tuple(Span(it.start, it.end) for it in enum.reserved_range)
    return _Reserved(spans, say.LAST_ENUM_NUMBER, tuple(enum.reserved_name))


def _compare_reserved(both: Comparison, path: str, old: _Reserved, new: _Reserved) -> None:
    """Compares what is reserved; in which order and pieces it is only matters if it is the same."""
    before = both.found.count
    numbers = [Numbers(it.spans) for it in (old, new)]
    for span in numbers[0].without(numbers[1]):
        both.found.add(REMOVED, "reserved", path, old=old.line(span))
    for span in numbers[1].without(numbers[0]):
        both.found.add(ADDED, "reserved", path, new=new.line(span))
    for name in sorted(set(old.names) - set(new.names)):
        both.found.add(REMOVED, "reserved", path, old=f"reserved {quoted(name)};")
    for name in sorted(set(new.names) - set(old.names)):
        both.found.add(ADDED, "reserved", path, new=f"reserved {quoted(name)};")
    if before == both.found.count and (old.spans, old.names) != (new.spans, new.names):
        both.found.add(CHANGED, "reserved", path, str(old), str(new))
