"""The rules about one field, or extension, that both versions have under one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.compat.catalogue import ANY
from registry.compat.defaults import compare_defaults
from registry.compat.field_types import compare_types
from registry.compat.pair import found
from registry.compat.promise import Verdict
from registry.compat.shape import Cardinality

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.shape import FieldShape
    from registry.compat.words import Room

_BITS64 = ("int64", "sint64", "uint64", "fixed64", "sfixed64")
_TEXTS = ("string", "bytes")


def compare_extensions(pair: Pair, extended: Container[str] | None = None) -> Iterator[Finding]:
    """Answers what changed in extensions, of all messages or some, that both sides have under one number."""
    for key, old in pair.old.extensions.items():
        new = pair.new.extensions.get(key)
        if new is not None and new != old and (extended is None or old.extendee in extended):
            yield from FieldPair(pair, old, new).compare()


@dataclass(frozen=True, slots=True)
class FieldPair:
    """A field of both sides.

    Attributes:
        pair: The sides.
        old: As the old side has it.
        new: As the new one has it.
        of_entry: Whether it is key or value of a map on both sides.
        room: Where in its message a new field has room; None for extensions and in maps.
        is_taken: Whether one of its names is that of a field with another number on the other side.
    """

    pair: Pair
    old: FieldShape
    new: FieldShape
    of_entry: bool = False
    room: Room | None = None
    is_taken: bool = False

    def compare(self) -> Iterator[Finding]:
        """Answers what changed about it."""
        instead = self._instead()
        yield from compare_types(self.pair, self.old, self.new, instead)
        if not self.of_entry:
            yield from self._cardinality(instead)
            yield from self._cpp_string()
        yield from compare_defaults(self.pair, self.old, self.new)
        yield from self._names()
        yield from self._jstype()
        yield from self._text()

    def _instead(self) -> str:
        """Answers the safe way to the same end: the field as it was, and another one beside it."""
        if self.room is None:
            return f"keep its type {self.old.shown_type}, or declare another one under a number of its own"
        kept = f"keep `{self.room.declared(self.old, self.pair.old)}`"
        if self.old.type == "group":
            kept = "keep its encoding, that of a group"
        added = self.room.replacement(self.new)
        if not added:
            return f"{kept}; no number is left for another field, so declare another message that has it"
        return f"{kept}; add `{added}` beside it, and mark `{self.old.name}` deprecated"

    def _cardinality(self, instead: str) -> Iterator[Finding]:
        old, new = self.old.cardinality, self.new.cardinality
        if old is new:
            return
        path, pair = self.old.path, self.pair
        change = f"changed from {old.value} to {new.value}"
        if _GROUPS[old] != _GROUPS[new]:
            ways = _count(old, new), _count(new, old)
            effect = pair.by_way(f"take `{self.old.label}` for another count of values", ways)
            bounds = {"wire": ways} if old.is_many is not new.is_many else {"ways": ways}
            yield found("FIELD_WIRE_COMPATIBLE_CARDINALITY", path, change, effect, instead, **bounds)
        if _JSON_GROUPS[old] != _JSON_GROUPS[new]:
            ways = ANY if old.is_many or new.is_many else (_count(old, new), _count(new, old))
            effect = pair.by_way(f"find another form of `{self.old.label}` in JSON", ways)
            yield found("FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY", path, change, effect, instead, ways=ways)
        effect = f"code that uses `{self.old.label}` finds other accessors"
        if is_presence := {old, new} == {Cardinality.IMPLICIT, Cardinality.EXPLICIT}:
            effect = f"one side tells an unset `{self.old.label}` from a zero, the other can't; {effect}"
            instead = f"keep `{self.room.declared(self.old, pair.old)}`" if self.room else instead
        data = ANY if is_presence else (Verdict.FINE, Verdict.FINE)
        yield found("FIELD_SAME_CARDINALITY", path, change, effect, instead, data=data)

    def _cpp_string(self) -> Iterator[Finding]:
        old, new = self.old.cpp_string, self.new.cpp_string
        are_texts = self.old.type in _TEXTS and self.new.type in _TEXTS
        # A STRING_PIECE was never more than a wish: code that has it compiles with a STRING.
        if are_texts and old != new and (old, new) != ("STRING_PIECE", "STRING"):
            yield found(
                "FIELD_SAME_CPP_STRING_TYPE",
                self.old.path,
                f"C++ type of text changed from {old} to {new}",
                f"C++ code that uses `{self.old.label}` finds other accessors",
                f"keep `[ctype = {old}]`",
            )

    def _names(self) -> Iterator[Finding]:
        old, new, pair = self.old, self.new, self.pair
        is_extension = bool(old.extendee)
        before, after = (old.path, new.path) if is_extension else (old.name, new.name)
        same_json = not is_extension and old.json_name == new.json_name
        if before != after:
            who = "code that says" if same_json else "JSON and code that say"
            effect = f"{who} `{before}` can't find it any more"
            if self.is_taken:
                effect = pair.all_readers(f"take `{before}` for `{after}`")
            data = (Verdict.NOTICE, Verdict.NOTICE) if same_json else ANY
            yield found(
                "FIELD_SAME_NAME",
                old.path,
                f"renamed from {before} to {after}",
                effect,
                f"keep the name `{before}`{'' if same_json or self.is_taken else self._only_in_json()}",
                data=data,
                wire=ANY if self.is_taken else (Verdict.FINE, Verdict.FINE),
            )
        if not is_extension and not same_json:
            yield found(
                "FIELD_SAME_JSON_NAME",
                old.path,
                f"name in JSON changed from {old.json_name} to {new.json_name}",
                pair.all_readers(f"don't find `{old.label}` in JSON"),
                f'add `[json_name = "{old.json_name}"]` to `{new.name}`',
            )

    def _only_in_json(self) -> str:
        """Answers how another name can leave JSON as it was; empty where that can't be."""
        if self.room is None or self.old.extendee:
            return ""
        line = self.room.declared(self.new, self.pair.new).removesuffix(";")
        return f'; where code may change, `{line} [json_name = "{self.old.json_name}"];` keeps it in JSON'

    def _jstype(self) -> Iterator[Finding]:
        old, new = self.old.jstype, self.new.jstype
        if old != new and self.old.type in _BITS64 and self.new.type in _BITS64:
            yield found(
                "FIELD_SAME_JSTYPE",
                self.old.path,
                f"jstype changed from {old} to {new}",
                f"JavaScript code gets `{self.old.label}` as another type",
                f"keep `[jstype = {old}]`",
            )

    def _text(self) -> Iterator[Finding]:
        old, new, pair = self.old, self.new, self.pair
        if not (old.type == "string" == new.type):
            return
        if old.verified is not new.verified:
            ways = (Verdict.NOTICE, Verdict.FINE) if new.verified else (Verdict.FINE, Verdict.NOTICE)
            yield found(
                "FIELD_SAME_UTF8_VALIDATION",
                old.path,
                f"text is {'checked now' if new.verified else 'not checked any more'}",
                pair.by_way(f"refuse text that is not UTF-8 in `{old.label}`", ways),
                f"set `features.utf8_validation = {'VERIFY' if old.verified else 'NONE'}`, in edition 2023",
                data=ways,
            )
        if old.java_verified is not new.java_verified:
            yield found(
                "FIELD_SAME_JAVA_UTF8_VALIDATION",
                old.path,
                f"Java {'checks the text now' if new.java_verified else 'does not check the text any more'}",
                f"Java code treats text that is not UTF-8 in `{old.label}` in another way",
                "keep the option java_string_check_utf8 as it was",
            )


_GROUPS = {
    Cardinality.IMPLICIT: 1, Cardinality.EXPLICIT: 1, Cardinality.REQUIRED: 2,
    Cardinality.REPEATED: 3, Cardinality.MAP: 3,
}  # fmt: skip
_JSON_GROUPS = {**_GROUPS, Cardinality.MAP: 4}


def _count(writer: Cardinality, reader: Cardinality) -> Verdict:
    """Answers how a reader fares with as many values as a writer writes."""
    if reader is Cardinality.REPEATED and not writer.is_many:
        return Verdict.NOTICE
    if not reader.is_many and not writer.is_many:
        return Verdict.BREAKS if reader is Cardinality.REQUIRED else Verdict.FINE
    return Verdict.BREAKS
