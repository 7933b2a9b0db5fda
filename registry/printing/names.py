"""How the elements of a schema are called from within one of its files, so that protoc finds the same ones.

protoc looks for the first part of a name in each scope from the innermost on, and stays with what it
finds first, also where the rest is not there: a short name may mean something else than it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCALARS = (
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
    "sfixed32", "sfixed64", "bool", "string", "bytes",
)  # fmt: skip
_STATEMENTS = (
    "message", "enum", "extensions", "reserved", "extend", "option", "oneof", "optional", "required",
    "repeated", "map", "group", "stream", "export", "local",
)  # fmt: skip
_NO_TYPES = frozenset({*_SCALARS, *_STATEMENTS})
"""What protoc reads as something else than a type where a type may stand."""


class Names(Protocol):
    """How elements are called."""

    def type(self, scope: str, full_name: str) -> str:
        """Answers what a field or method in ``scope`` calls the type ``.full.name``."""
        ...

    def extension(self, scope: str, full_name: str) -> str:
        """Answers what an option in ``scope`` calls an extension."""
        ...

    def in_aggregate(self, extended: str, full_name: str) -> str:
        """Answers what the text of an ``extended`` message calls an extension."""
        ...

    def sees(self, file: str) -> bool:
        """Tells whether what ``file`` declares can be named at all."""
        ...


class FullNames:
    """Full names without the leading dot, wherever they stand: for people, not for protoc."""

    def type(self, scope: str, full_name: str) -> str:  # noqa: ARG002
        """Answers the full name."""
        return full_name.removeprefix(".")

    def extension(self, scope: str, full_name: str) -> str:  # noqa: ARG002
        """Answers the full name."""
        return full_name

    def in_aggregate(self, extended: str, full_name: str) -> str:  # noqa: ARG002
        """Answers the full name."""
        return full_name

    def sees(self, file: str) -> bool:  # noqa: ARG002
        """Answers True."""
        return True


class Symbols:
    """What the files of a schema declare that other names can start with, and which file sees which."""

    def __init__(self, files: Iterable[Any]) -> None:
        """Takes ``FileDescriptorProto``s, each behind those that it imports."""
        self._owners: dict[str, set[str]] = {}
        self._packages: dict[str, str] = {}
        self._types: set[str] = set()
        self._passed_on: dict[str, set[str]] = {}
        self._seen: dict[str, set[str]] = {}
        for file in files:
            self._declare(file)
            self._import(file)

    def of(self, file: str) -> FileNames:
        """Answers how elements are called in ``file``."""
        return FileNames(self, file)

    def package(self, full_name: str) -> str:
        """Answers the package of a type."""
        owners = self._owners.get(full_name, ())
        return self._packages[next(iter(owners))] if owners else ""

    def package_of(self, file: str) -> str:
        """Answers the package of a file."""
        return self._packages[file]

    def is_type(self, full_name: str) -> bool:
        """Tells whether it is a message or an enum."""
        return full_name in self._types

    def sees(self, file: str, other: str) -> bool:
        """Tells whether ``file`` may name what the file ``other`` declares."""
        return other in self._seen[file]

    def knows(self, file: str, full_name: str) -> bool:
        """Tells whether ``file`` sees a package, message, enum or service of that name."""
        return not self._seen[file].isdisjoint(self._owners.get(full_name, ()))

    def _declare(self, file: Any) -> None:
        self._packages[file.name] = file.package
        package = file.package
        while package:
            self._own(file.name, package)
            package = package.rpartition(".")[0]
        self._declare_in(file.name, file.package, file.message_type, file.enum_type)
        for service in file.service:
            self._own(file.name, within(file.package, service.name))

    def _declare_in(self, file: str, scope: str, messages: Iterable[Any], enums: Iterable[Any]) -> None:
        for enum in enums:
            self._own_type(file, within(scope, enum.name))
        for message in messages:
            name = within(scope, message.name)
            self._own_type(file, name)
            self._declare_in(file, name, message.nested_type, message.enum_type)

    def _own_type(self, file: str, name: str) -> None:
        self._types.add(name)
        self._own(file, name)

    def _own(self, file: str, name: str) -> None:
        self._owners.setdefault(name, set()).add(file)

    def _import(self, file: Any) -> None:
        public = [file.dependency[index] for index in file.public_dependency]
        self._passed_on[file.name] = {file.name}.union(*(self._passed_on[name] for name in public))
        self._seen[file.name] = {file.name}.union(*(self._passed_on[name] for name in file.dependency))


class FileNames:
    """The shortest names that are clear in one file: relative in its own package, else full ones."""

    def __init__(self, symbols: Symbols, file: str) -> None:
        """Takes the schema's symbols and the name of one of its files."""
        self._symbols = symbols
        self._file = file
        self._package = symbols.package_of(file)
        self._found: dict[tuple[str, str, bool], str] = {}

    def sees(self, file: str) -> bool:
        """Tells whether the file imports ``file``, or is it."""
        return self._symbols.sees(self._file, file)

    def type(self, scope: str, full_name: str) -> str:
        """Answers what a field or method in ``scope`` calls the type ``.full.name``."""
        wanted = full_name.removeprefix(".")
        for name in self._candidates(scope, wanted):
            if name.partition(".")[0] not in _NO_TYPES and self._resolve(scope, name) == wanted:
                return name
        return f".{wanted}"

    def extension(self, scope: str, full_name: str) -> str:
        """Answers what an option in ``scope`` calls an extension."""
        return full_name if self._reaches(scope, full_name) else f".{full_name}"

    def in_aggregate(self, extended: str, full_name: str) -> str:
        """Answers what the text of an ``extended`` message calls an extension.

        A leading dot is no way out there, and the full name may be hidden: then a shorter one is meant.
        """
        name = full_name
        while "." in name and not self._reaches(extended, name, full_name):
            name = name.partition(".")[2]
        return name if "." in name else full_name

    def _candidates(self, scope: str, wanted: str) -> list[str]:
        if self._symbols.package(wanted) != self._package:
            return [wanted]
        own = wanted[len(self._package) + 1 :] if self._package else wanted
        return [_within_reach(scope, wanted), own, wanted]

    def _reaches(self, scope: str, name: str, full_name: str = "") -> bool:
        """Tells whether a name of several parts leads to where ``full_name`` is declared."""
        first, _, rest = name.partition(".")
        holder = (full_name or name).removesuffix(f".{rest}") if rest else ""
        return bool(rest) and all(
            self._first(start, first, compound=True) == holder for start in (scope, scope.rpartition(".")[0])
        )

    def _resolve(self, scope: str, name: str) -> str:
        first, _, rest = name.partition(".")
        return within(self._first(scope, first, compound=bool(rest)), rest)

    def _first(self, scope: str, first: str, *, compound: bool) -> str:
        """Answers what protoc finds for the first part of a name; empty if nothing."""
        asked: list[tuple[str, str, bool]] = []
        while (key := (scope, first, compound)) not in self._found:
            asked.append(key)
            name = within(scope, first)
            if self._symbols.knows(self._file, name) and (compound or self._symbols.is_type(name)):
                self._found[key] = name
            elif not scope:
                self._found[key] = ""
            scope = scope.rpartition(".")[0] if key not in self._found else scope
        for each in asked:
            self._found[each] = self._found[key]
        return self._found[key]


def within(scope: str, name: str) -> str:
    """Answers the full name of what ``scope`` declares as ``name``."""
    return f"{scope}.{name}" if scope and name else scope or name


def _within_reach(scope: str, wanted: str) -> str:
    """Answers ``wanted`` without the messages around it that are around ``scope``, too."""
    around, parts = scope.split("."), wanted.split(".")
    shared = 0
    while shared < min(len(around), len(parts) - 1) and around[shared] == parts[shared]:
        shared += 1
    return ".".join(parts[shared:])
