"""What a finding's path names in descriptors: the message to write, and which of its fields matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.descriptors import build_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

    from registry.compat.finding import Side


_EXTENSIONS = 4
_USERS = 4


@dataclass(frozen=True, slots=True)
class Target:
    """A message, and the fields of it that a finding is about.

    Attributes:
        message: The full name of the message.
        numbers: The numbers of the fields; empty if it is about the message as a whole.
        value: The number of the enum value that it is about; None if it is about no single one.
    """

    message: str
    numbers: tuple[int, ...] = ()
    value: int | None = None


class Schema:
    """One side's descriptors, loaded when first asked for."""

    def __init__(self, side: Side) -> None:
        self.name = side.name
        self._side = side

    @cached_property
    def pool(self) -> DescriptorPool:
        """A private pool."""
        return build_pool(self._side.descriptor_set)

    def message(self, name: str) -> Descriptor | None:
        """Answers a message by its full name, None if there is none."""
        return _found(self.pool.FindMessageTypeByName, name)

    def field(self, message: Descriptor, number: int) -> Any | None:
        """Answers a message's field or extension by its number, None if there is none."""
        own = message.fields_by_number.get(number)
        if own is not None or not message.is_extendable:
            return own
        return _found(self.pool.FindExtensionByNumber, message, number)

    def extension_numbers(self, message: Descriptor) -> tuple[int, ...]:
        """Answers the numbers of a few extensions of a message."""
        known = self.pool.FindAllExtensions(message) if message.is_extendable else ()
        return tuple(it.number for it in known[:_EXTENSIONS])

    def targets(self, path: str) -> Sequence[Target]:
        """Answers what the path of a finding names here; nothing if it is nothing that events have.

        An enum, or a value of it, is shown by a few fields that have it as their type.
        """
        field = _found(self.pool.FindFieldByName, path) or _found(self.pool.FindExtensionByName, path)
        if field is not None:
            return [Target(field.containing_type.full_name, (field.number,))]
        oneof = _found(self.pool.FindOneofByName, path)
        if oneof is not None:
            return [Target(oneof.containing_type.full_name, tuple(it.number for it in oneof.fields))]
        if _found(self.pool.FindMessageTypeByName, path) is not None:
            return [Target(path)]
        if _found(self.pool.FindEnumTypeByName, path) is not None:
            return self._users.get(path, ())
        parent, _, last = path.rpartition(".")
        return self._of_value(parent, last) or (self.targets(parent) if last in {"key", "value"} else ())

    def _of_value(self, enum_name: str, name: str) -> Sequence[Target]:
        enum = _found(self.pool.FindEnumTypeByName, enum_name)
        if enum is None or name not in enum.values_by_name:
            return ()
        number = enum.values_by_name[name].number
        return [replace(it, value=number) for it in self._users.get(enum_name, ())]

    @cached_property
    def _users(self) -> dict[str, list[Target]]:
        """For each enum some fields that have it as their type, those of a single value first."""
        users: dict[str, list[Target]] = {}
        lists: dict[str, list[Target]] = {}
        for message in self._messages():
            for field in message.fields:
                if field.enum_type is not None:
                    found = (lists if field.is_repeated else users).setdefault(field.enum_type.full_name, [])
                    if len(found) < _USERS:
                        found.append(Target(message.full_name, (field.number,)))
        return {name: users.get(name, []) + lists.get(name, []) for name in users | lists}

    def _messages(self) -> Iterator[Descriptor]:
        for file in FileDescriptorSet.FromString(self._side.descriptor_set).file:
            if file.name in self._side.own_files:
                yield from _nested(self.pool.FindFileByName(file.name).message_types_by_name.values())


def _nested(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in messages:
        if not message.GetOptions().map_entry:
            yield message
            yield from _nested(message.nested_types)


def _found(find: Any, *name: Any) -> Any | None:
    try:
        return find(*name)
    except KeyError:
        return None
