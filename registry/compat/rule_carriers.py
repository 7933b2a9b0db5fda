"""What may carry ``buf.validate`` rules in a schema: messages, oneofs and fields, read file by file.

A file is read once, whatever versions it is in; files that two versions share are told by their bytes.
The options themselves stay bytes until they are known to differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from registry.checking.wire import read_record
from registry.supplied import VALIDATE_FILE, is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RULES_TAG = b"\xba\x48"
"""How the options of ``buf.validate`` (number 1159) begin; a file without these bytes has no rules."""

_FILE_NAME = 1
_FILES_KEPT = 256
_KEPT_BYTES = 256 * 1024
_REPEATED = FieldDescriptorProto.LABEL_REPEATED
_MESSAGES = (FieldDescriptorProto.TYPE_MESSAGE, FieldDescriptorProto.TYPE_GROUP)
_MOST_NUMBERS = 2**29 - 1
_OWN_NUMBERS = range(19_000, 20_000)
Kind = FieldDescriptorProto


class FieldCarrier(NamedTuple):
    """A field, or the key or value of a map. A tuple, because there are tens of thousands of them.

    Attributes:
        path: Its full name.
        number: Its number.
        kind: ``FieldDescriptorProto.Type``.
        type_name: Full name of its message or enum, else empty.
        repeated: Whether it has several values; a map has.
        has_presence: Whether it can be told whether it is set.
        oneof: Name of the oneof that it is declared in, else empty.
        options: Its serialized ``FieldOptions``.
        entry: Key and value, if it is a map.
    """

    path: str
    number: int
    kind: int
    type_name: str
    repeated: bool
    has_presence: bool
    oneof: str
    options: bytes
    entry: tuple[FieldCarrier, ...] = ()

    @property
    def name(self) -> str:
        """Its name alone."""
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class MessageCarrier:
    """A message.

    Attributes:
        name: Its full name.
        fields: Its fields by number.
        oneofs: Serialized ``OneofOptions`` by name.
        options: Its serialized ``MessageOptions``.
        next_number: A number that no field has nor had, and that is not reserved; 0 if there is none.
        label: What a new field of one value starts with, so that it can be told unset.
    """

    name: str
    fields: Mapping[int, FieldCarrier]
    oneofs: Mapping[str, bytes]
    options: bytes
    next_number: int
    label: str

    @property
    def has_rules(self) -> bool:
        """Whether it, a oneof or a field of it carries rules."""
        carriers = (self.options, *self.oneofs.values(), *(it.options for it in self.fields.values()))
        return any(RULES_TAG in options for options in carriers)


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file: its messages, the numbers of its enums, and the rules that it defines.

    Attributes:
        messages: By full name.
        enums: Numbers that have a name, by the enum's full name.
        predefined: Full name and serialized ``FieldOptions`` of extensions of standard rules, by the full
            name of what they extend and their number.
    """

    messages: Mapping[str, MessageCarrier] = field(default_factory=dict)
    enums: Mapping[str, frozenset[int]] = field(default_factory=dict)
    predefined: Mapping[tuple[str, int], tuple[str, bytes]] = field(default_factory=dict)

    @property
    def ruled_enums(self) -> Iterator[str]:
        """The enums of fields that have rules."""
        for message in self.messages.values():
            for it in message.fields.values():
                if RULES_TAG in it.options:
                    yield from (part.type_name for part in (it, *it.entry) if part.kind == Kind.TYPE_ENUM)


def knows_rules(descriptor_set: bytes) -> bool:
    """Tells whether a schema may have rules: it says where they come from."""
    return VALIDATE_FILE.encode() in descriptor_set


def is_supplied(file: bytes) -> bool:
    """Tells whether the registry supplies a serialized file."""
    first = read_record(file, 0, len(file))
    return first.number == _FILE_NAME and is_supplied_name(file[first.start : first.end].decode())


def read_rule_file(data: bytes) -> RuleFile:
    """Reads a serialized ``FileDescriptorProto``; small ones are kept for the next time."""
    return _kept(data) if len(data) <= _KEPT_BYTES else _read(data)


def _read(data: bytes) -> RuleFile:
    file = FileDescriptorProto.FromString(data)
    scopes = list(_scopes(file.package, file.message_type))
    messages = {name: _message(name, it, file) for name, it in scopes if not it.options.map_entry}
    enums = {**_enums(file.package, file.enum_type)}
    predefined = {**_predefined(file.package, file.extension)}
    for name, message in scopes:
        enums |= _enums(name, message.enum_type)
        predefined |= _predefined(name, message.extension)
    return RuleFile(messages, enums, predefined)


_kept = lru_cache(maxsize=_FILES_KEPT)(_read)


def _within(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name


def _scopes(scope: str, messages: Iterable[DescriptorProto]) -> Iterator[tuple[str, DescriptorProto]]:
    for message in messages:
        name = _within(scope, message.name)
        yield name, message
        yield from _scopes(name, message.nested_type)


def _enums(scope: str, enums: Iterable[EnumDescriptorProto]) -> dict[str, frozenset[int]]:
    return {_within(scope, it.name): frozenset(value.number for value in it.value) for it in enums}


def _predefined(
    scope: str, extensions: Iterable[FieldDescriptorProto]
) -> dict[tuple[str, int], tuple[str, bytes]]:
    return {
        (it.extendee[1:], it.number): (_within(scope, it.name), it.options.SerializePartialToString())
        for it in extensions
        if it.extendee.startswith(".buf.validate.")
    }


def _message(name: str, message: DescriptorProto, file: FileDescriptorProto) -> MessageCarrier:
    entries = {f".{name}.{it.name}": it for it in message.nested_type if it.options.map_entry}
    return MessageCarrier(
        name,
        {it.number: _field(name, it, message, file, entries) for it in message.field},
        {it.name: it.options.SerializePartialToString() for it in message.oneof_decl},
        message.options.SerializePartialToString(),
        _next_number(message),
        "" if file.syntax == "editions" else "optional ",
    )


def _next_number(message: DescriptorProto) -> int:
    numbers = [it.number for it in message.field]
    numbers += [it.end - 1 for it in message.reserved_range]
    numbers += [it.end - 1 for it in message.extension_range]
    return usable_number(max(numbers, default=0) + 1)


def usable_number(number: int) -> int:
    """Answers the first number from ``number`` on that Protobuf leaves to fields; 0 if there is none."""
    number = _OWN_NUMBERS.stop if number in _OWN_NUMBERS else number
    return number if number <= _MOST_NUMBERS else 0


def _field(
    scope: str,
    it: FieldDescriptorProto,
    message: DescriptorProto,
    file: FileDescriptorProto,
    entries: Mapping[str, DescriptorProto],
) -> FieldCarrier:
    path = _within(scope, it.name)
    entry = entries.get(it.type_name)
    return FieldCarrier(
        path,
        it.number,
        it.type,
        it.type_name[1:],
        it.label == _REPEATED,
        _has_presence(it, file),
        message.oneof_decl[it.oneof_index].name if it.HasField("oneof_index") else "",
        it.options.SerializePartialToString() if it.HasField("options") else b"",
        tuple(_field(path, part, entry, file, {}) for part in entry.field) if entry else (),
    )


def _has_presence(it: FieldDescriptorProto, file: FileDescriptorProto) -> bool:
    if it.label == _REPEATED:
        return False
    if it.type in _MESSAGES or it.HasField("oneof_index"):
        return True
    if file.syntax != "editions":
        return file.syntax != "proto3"
    own = it.options.features.field_presence or file.options.features.field_presence
    return own != FeatureSet.IMPLICIT
