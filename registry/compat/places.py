"""Where elements stand in the sources: file, line, column, and the line itself.

An element is found in the descriptors by its full name, and in ``source_code_info`` by the path of field
numbers and indexes that leads to it (see descriptor.proto).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    SourceCodeInfo,
)

from registry.compat.finding import Place

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from registry.compat.finding import Finding, Side

_LINE = 500
_RULES = 1159
_MEMBERS = {
    # What an element's members are called in its descriptor: those of messages, enums and services.
    "DescriptorProto": ("field", "extension", "oneof_decl"),
    "EnumDescriptorProto": ("value",),
    "ServiceDescriptorProto": ("method",),
}
_NESTED = ("message_type", "nested_type", "enum_type", "service", "extension")
_DETAILS: Mapping[str, tuple[str, ...]] = {
    # Where a rule is about a part of an element, the part is shown, if it stands there.
    "FIELD_SAME_JSON_NAME": ("json_name",),
    "FIELD_SAME_DEFAULT": ("default_value",),
    "FILE_SAME_PACKAGE": ("package",),
    "FILE_SAME_SYNTAX": ("syntax",),
    "RPC_SAME_REQUEST_TYPE": ("input_type",),
    "RPC_SAME_RESPONSE_TYPE": ("output_type",),
}


@dataclass(frozen=True, slots=True)
class _Element:
    """A descriptor, the file that it is in, and the path to it."""

    file: str
    path: tuple[int, ...]
    proto: Any


class Places:
    """Answers where the elements of one side stand. Reads what it needs when first asked."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._known: dict[str, Mapping[tuple[int, ...], list[int]]] = {}
        self._known_members: dict[str, Mapping[str | int, _Element]] = {}
        self._lines: dict[str, list[str]] = {}

    def old_place(self, finding: Finding) -> Place | None:
        """Answers the place of what a finding is about; None if the side does not have it."""
        element = self._element(finding.path)
        return None if element is None else self._place_of(element, finding)

    def new_place(self, finding: Finding, old: Places) -> Place | None:
        """Answers the place of what the old side's element is now, or of what holds it, or would hold it."""
        element = self._element(finding.path) or self._renamed(finding.path, old)
        return self._around(finding.path) if element is None else self._place_of(element, finding)

    def _place_of(self, element: _Element, finding: Finding) -> Place:
        return self._place(element.file, self._detail(element, finding) or element.path)

    def _element(self, path: str) -> _Element | None:
        if path in self._files:
            return _Element(path, (), self._files[path])
        if path in self._scopes:
            return self._scopes[path]
        parent, _, name = path.rpartition(".")
        scope = self._scopes.get(parent)
        if scope is None:
            # Key and value of a map stand where the map does.
            return self._element(parent) if name in {"key", "value"} else self._packages.get(path)
        return self._members(parent).get(name)

    def _renamed(self, path: str, old: Places) -> _Element | None:
        """Answers the field or enum value that has the number of the old side's."""
        element = old._element(path)
        number = getattr(element.proto, "number", None) if element is not None else None
        return None if number is None else self._members(path.rpartition(".")[0]).get(number)

    def _members(self, scope: str) -> Mapping[str | int, _Element]:
        """Answers the members of a message, enum or service: by name, and by number if they have one."""
        if scope not in self._known_members:
            holder = self._scopes.get(scope)
            members: dict[str | int, _Element] = {}
            for it in _members(holder) if holder is not None else ():
                members[it.proto.name] = it
                if hasattr(it.proto, "number"):
                    members.setdefault(it.proto.number, it)
            self._known_members[scope] = members
        return self._known_members[scope]

    def _around(self, path: str) -> Place | None:
        """Answers the place of the innermost element around a path, or the file of its package."""
        while path:
            path = path.rpartition(".")[0]
            element = self._element(path)
            if element is not None:
                return self._place(element.file, element.path)
        return None

    def _detail(self, element: _Element, finding: Finding) -> tuple[int, ...] | None:
        if finding.rule_id.startswith("RULE_"):
            return self._option(element, _RULES)
        if finding.rule_id.startswith("RESERVED_"):
            return self._reserved(element, finding)
        if finding.rule_id.startswith("FILE_SAME_") and element.path == ():
            name = finding.rule_id.removeprefix("FILE_SAME_").lower()
            option = element.proto.options.DESCRIPTOR.fields_by_name.get(name)
            if option is not None:
                return self._option(element, option.number)
        for name in _DETAILS.get(finding.rule_id, ()):
            path = (*element.path, element.proto.DESCRIPTOR.fields_by_name[name].number)
            if self._location(element.file, path):
                return path
        return None

    def _reserved(self, element: _Element, finding: Finding) -> tuple[int, ...] | None:
        """Answers the path of what is not reserved any more, or else of what uses its number."""
        first, second, *_ = finding.change.split()
        fields = element.proto.DESCRIPTOR.fields_by_name
        if first == "name":
            names = list(element.proto.reserved_name)
            return (
                (*element.path, fields["reserved_name"].number, names.index(second))
                if second in names
                else None
            )
        for index, it in enumerate(element.proto.reserved_range):
            if it.start <= int(first) <= it.end - isinstance(element.proto, DescriptorProto):
                return (*element.path, fields["reserved_range"].number, index)
        user = self._members(finding.path).get(int(first))
        return None if user is None else user.path

    def _option(self, element: _Element, number: int) -> tuple[int, ...] | None:
        """Answers the path of an option of an element, or of the first part of it that stands there."""
        options = element.proto.DESCRIPTOR.fields_by_name["options"].number
        return self._first_below(element.file, (*element.path, options, number))

    def _first_below(self, file: str, path: tuple[int, ...]) -> tuple[int, ...] | None:
        spans = self._spans(file)
        below = (it for it in spans if it[: len(path)] == path)
        return min(below, key=lambda it: spans[it], default=None)

    def _place(self, file: str, path: tuple[int, ...]) -> Place:
        span = self._location(file, path)
        while path and not span:
            path = path[:-1]
            span = self._location(file, path)
        if not span or not path:
            return Place(file)
        return Place(file, span[0] + 1, span[1] + 1, self._line(file, span[0]))

    def _location(self, file: str, path: tuple[int, ...]) -> list[int]:
        return self._spans(file).get(path, [])

    def _line(self, file: str, number: int) -> str:
        if file not in self._lines:
            self._lines[file] = (self._side.sources or {}).get(file, "").split("\n")
        lines = self._lines[file]
        return lines[number].strip()[:_LINE] if number < len(lines) else ""

    @cached_property
    def _files(self) -> dict[str, FileDescriptorProto]:
        files = FileDescriptorSet.FromString(self._side.descriptor_set).file
        return {file.name: file for file in files if file.name in self._side.own_files}

    def _spans(self, file: str) -> Mapping[tuple[int, ...], list[int]]:
        """Answers the spans of a file by path; the first of those that share a path."""
        if file not in self._known:
            spans: dict[tuple[int, ...], list[int]] = {}
            for location in self._infos[file].location if file in self._infos else ():
                spans.setdefault(tuple(location.path), list(location.span))
            self._known[file] = spans
        return self._known[file]

    @cached_property
    def _infos(self) -> Mapping[str, SourceCodeInfo]:
        files = FileDescriptorSet.FromString(self._side.source_info).file
        return {file.name: file.source_code_info for file in files}

    @cached_property
    def _packages(self) -> dict[str, _Element]:
        """The first file of each package."""
        packages: dict[str, _Element] = {}
        for name, file in sorted(self._files.items()):
            number = FileDescriptorProto.PACKAGE_FIELD_NUMBER
            packages.setdefault(file.package, _Element(name, (number,), file))
        return packages

    @cached_property
    def _scopes(self) -> dict[str, _Element]:
        """Messages, enums, services and extensions by their full names."""
        return {
            name: element
            for file in self._files.values()
            for name, element in _nested(file.package, _Element(file.name, (), file))
        }


def _nested(scope: str, holder: _Element) -> Iterator[tuple[str, _Element]]:
    for kind in _NESTED:
        number = holder.proto.DESCRIPTOR.fields_by_name.get(kind)
        if number is None:
            continue
        for index, proto in enumerate(getattr(holder.proto, kind)):
            name = f"{scope}.{proto.name}" if scope else proto.name
            element = _Element(holder.file, (*holder.path, number.number, index), proto)
            yield name, element
            if isinstance(proto, DescriptorProto):
                yield from _nested(name, element)


def _members(scope: _Element) -> Iterator[_Element]:
    for kind in _MEMBERS.get(scope.proto.DESCRIPTOR.name, ()):
        number = scope.proto.DESCRIPTOR.fields_by_name[kind].number
        for index, proto in enumerate(getattr(scope.proto, kind)):
            yield _Element(scope.file, (*scope.path, number, index), proto)
