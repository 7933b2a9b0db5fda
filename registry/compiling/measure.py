"""How large a schema is, held against ``SchemaLimits``; and whether its names are names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from registry.errors import Violation
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

    from registry.schema import SchemaLimits

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def measure_problems(files: Sequence[FileDescriptorProto], limits: SchemaLimits) -> list[Violation]:
    """Answers where the files are over a limit of depth, name length or number of elements.

    Names that are no identifiers are named too: a descriptor set can carry what no source could.
    """
    walk = _Walk(limits)
    try:
        for file in files:
            walk.file(file)
    except _TooManyElements:
        return [
            Violation(
                "max_elements",
                f"the schema has more than {limits.max_elements:,} messages, fields, enums, values and other "
                f"elements; split it into subjects",
            )
        ]
    return walk.problems


class _TooManyElements(Exception):
    """There are more than allowed: counting on would take as long as the sender likes."""


class _Walk:
    """A walk over files that counts their elements and collects what is wrong with them."""

    def __init__(self, limits: SchemaLimits) -> None:
        self._limits = limits
        self._elements = 0
        self.problems: list[Violation] = []

    def report(self, field: str, description: str) -> None:
        self.problems.append(Violation(shown(field), description))

    def file(self, file: FileDescriptorProto) -> None:
        scope = file.package
        if scope:
            self._names("", scope.split("."))
            self._length(scope)
        self._count(len(file.dependency))
        self._messages(scope, file.message_type, depth=1)
        self._enums(scope, file.enum_type)
        self._names(scope, (it.name for it in file.extension))
        for service in file.service:
            self._names(scope, [service.name])
            self._names(_within(scope, service.name), (it.name for it in service.method))

    def _messages(self, scope: str, messages: Iterable[DescriptorProto], depth: int) -> None:
        for message in messages:
            name = _within(scope, message.name)
            if depth > self._limits.max_depth:
                what = f"is declared {depth} levels deep; at most {self._limits.max_depth} are allowed"
                self.report("max_depth", f"{shown(name)} {what}")
                return
            self._names(scope, [message.name])
            for members in (message.field, message.extension, message.oneof_decl):
                self._names(name, (it.name for it in members))
            self._count(len(message.reserved_range) + len(message.reserved_name))
            self._count(len(message.extension_range))
            self._enums(name, message.enum_type)
            self._messages(name, message.nested_type, depth + 1)

    def _enums(self, scope: str, enums: Iterable[EnumDescriptorProto]) -> None:
        for enum in enums:
            self._names(scope, [enum.name])
            self._names(_within(scope, enum.name), (it.name for it in enum.value))
            self._count(len(enum.reserved_range) + len(enum.reserved_name))

    def _names(self, scope: str, names: Iterable[str]) -> None:
        for name in names:
            self._count(1)
            if _IDENTIFIER.fullmatch(name) is None:
                self.report(scope or "schema", f"{shown(name)!r} is no identifier")
            self._length(_within(scope, name))

    def _count(self, elements: int) -> None:
        self._elements += elements
        if self._elements > self._limits.max_elements:
            raise _TooManyElements

    def _length(self, full_name: str) -> None:
        most = self._limits.max_name_length
        if len(full_name) > most:
            what = f"has {len(full_name):,} characters with its package; at most {most:,} are allowed"
            self.report("max_name_length", f"{full_name[:100]}… {what}")


def _within(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
