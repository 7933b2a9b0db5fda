"""The rules about messages that both versions have: which fields came, went or stayed, and options."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from registry.compat.fields import FieldPair
from registry.compat.oneofs import compare_oneofs
from registry.compat.pair import found, json_not_held
from registry.compat.promise import Verdict
from registry.compat.reserved import Removed, compare_reserved, unreserved
from registry.compat.shape import Cardinality
from registry.compat.words import HIGHEST_NUMBER, Room, declaration, reserve, reserve_span, seen_when_absent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.shape import FieldShape, MessageShape

_BACKWARD = (Verdict.BREAKS, Verdict.FINE)
_FORWARD = (Verdict.FINE, Verdict.BREAKS)


def compare_messages(pair: Pair, names: Iterable[str]) -> Iterator[Finding]:
    """Answers what changed in those of some messages that both versions have."""
    for name in names:
        old, new = pair.old.messages.get(name), pair.new.messages.get(name)
        if old is not None and new is not None and old is not new:
            yield from _MessagePair(pair, old, new).compare()


class _MessagePair:
    """A message of both sides."""

    def __init__(self, pair: Pair, old: MessageShape, new: MessageShape) -> None:
        self._pair = pair
        self._old = old
        self._new = new

    def compare(self) -> Iterator[Finding]:
        for number, field in self._old.fields.items():
            kept = self._new.fields.get(number)
            if kept is None:
                yield from self._removed(field)
            elif kept != field:
                yield from self._kept(field, kept)
        for number, field in self._new.fields.items():
            if number not in self._old.fields:
                yield from self._added(field)
        if not self._old.is_entry:
            yield from compare_oneofs(self._pair, self._old, self._new)
            yield from compare_reserved(self._old, self._new)
            yield from self._options()

    def _kept(self, old: FieldShape, new: FieldShape) -> Iterator[Finding]:
        of_entry = self._old.is_entry and self._new.is_entry
        room = None if of_entry else self._room
        is_taken = old.name != new.name and (old.name in self._numbers or new.name in self._old_names)
        yield from FieldPair(self._pair, old, new, of_entry=of_entry, room=room, is_taken=is_taken).compare()
        yield from self._entries(old, new)
        if new.is_required and not old.is_required:
            yield self._now_required(old, "became required", "make it optional again")
        if old.is_required and not new.is_required:
            yield self._no_longer_required(old, "is not required any more", "keep it required")

    def _entries(self, old: FieldShape, new: FieldShape) -> Iterator[Finding]:
        """Compares the entries of a map that was renamed: they are called after it."""
        if old.cardinality is new.cardinality is Cardinality.MAP and old.type_name != new.type_name:
            entries = self._pair.old.messages[old.type_name], self._pair.new.messages[new.type_name]
            for number in (1, 2):
                before, after = (it.fields[number] for it in entries)
                yield from FieldPair(self._pair, before, after, of_entry=True).compare()

    def _removed(self, field: FieldShape) -> Iterator[Finding]:
        pair, old, name = self._pair, self._old, field.name
        moved = self._numbers.get(name)
        change = f"field {field.number} is gone" if moved is None else f"moved from {field.number} to {moved}"
        effect = (
            f"{pair.old_readers(f'see `{name}` {seen_when_absent(field, pair.old)}')}; "
            f"those on {pair.new.name} don't see what older events hold in it"
        )
        kept = declaration(field, old, pair.old)
        instead = f"keep `{kept}`, and mark it deprecated" if moved is None else f"keep `{kept}`"
        yield found("FIELD_NO_DELETE", field.path, change, effect, instead)
        removed = Removed("FIELD", field.path, field.number, (name,))
        yield from unreserved(removed, self._new, change, self._reserve(field, instead))
        if field.is_required:
            yield self._no_longer_required(field, "was required, and is gone", instead)

    def _reserve(self, field: FieldShape, instead: str) -> str:
        new = self._new
        number = None if field.number in new.reserved else field.number
        if field.name in self._numbers:
            lines = reserve(number, [field.name], new.syntax)
            return f"{instead}; or name the new field otherwise, and add `{lines}` to message {new.name}"
        names = [] if field.name in new.reserved_names else [field.name]
        return f"add `{reserve(number, names, new.syntax)}` to message {new.name}"

    def _added(self, field: FieldShape) -> Iterator[Finding]:
        pair = self._pair
        effect = (
            f"readers still on {pair.old.name} refuse JSON with `{field.name}` if they skip no unknown names"
        )
        suggestion = "let readers of JSON skip names that they don't know"
        yield found("FIELD_NO_ADD", field.path, f"field {field.number} is new", effect, suggestion)
        if field.is_required:
            yield self._now_required(field, "is new, and required", "make it optional")

    def _now_required(self, field: FieldShape, change: str, suggestion: str) -> Finding:
        effect = self._pair.new_readers(f"refuse a message without `{field.name}`")
        return _required(field, change, effect, suggestion, _BACKWARD)

    def _no_longer_required(self, field: FieldShape, change: str, suggestion: str) -> Finding:
        effect = self._pair.old_readers(f"refuse a message without `{field.name}`")
        return _required(field, change, effect, suggestion, _FORWARD)

    def _options(self) -> Iterator[Finding]:
        old, new, pair = self._old, self._new, self._pair
        if old.message_set is not new.message_set:
            yield found(
                "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT",
                old.name,
                "option message_set_wire_format changed",
                pair.all_readers("find no extension"),
                "change the option back",
            )
        if old.json_allowed and not new.json_allowed:
            yield json_not_held("MESSAGE_SAME_JSON_FORMAT", old.name)
        if old.accessor and not new.accessor:
            yield found(
                "MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR",
                old.name,
                "option no_standard_descriptor_accessor was set",
                "C++ code does not find the accessor of the message's descriptor",
                "take the option off again",
            )
        for span in old.extendable.without(new.extendable):
            yield found(
                "EXTENSION_MESSAGE_NO_DELETE",
                old.name,
                f"{span} is no longer left to extensions",
                "extensions with these numbers don't compile",
                f"keep `{reserve_span(span, HIGHEST_NUMBER).replace('reserved', 'extensions')}`",
            )

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Numbers of the new fields by their names."""
        return {it.name: it.number for it in self._new.fields.values()}

    @cached_property
    def _old_names(self) -> frozenset[str]:
        return frozenset(it.name for it in self._old.fields.values())

    @cached_property
    def _room(self) -> Room:
        return Room(self._new, self._old, self._pair.new)


def _required(
    field: FieldShape, change: str, effect: str, suggestion: str, ways: tuple[Verdict, Verdict]
) -> Finding:
    return found("MESSAGE_SAME_REQUIRED_FIELDS", field.path, change, effect, suggestion, ways=ways)
