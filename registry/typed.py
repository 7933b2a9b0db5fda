"""Typed services: for each event type of a schema version a gRPC service that declares ``data`` as that type.

On the wire its messages are those of ``tidegate.v1.EventService``, byte for byte: an embedded message and
bytes are encoded alike. So a plain protoc stub of a typed service receives typed events, and the gateway
neither decodes nor encodes anything for it. ``tests/test_typed.py`` holds the messages equal to ``proto/``.

Pure. What the messages are stands in ``registry.typed_messages``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.descriptors import message_types
from registry.typed_messages import MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.schema import SchemaVersion

PACKAGE = "tidegate.typed"
"""What the names of all typed services begin with."""
_LONGEST_NAME = 1024
_NESTED_NAMES = 32
_WORD = "[A-Za-z_][A-Za-z0-9_]*"
_SERVICE = re.compile(rf"tidegate\.typed\.v([1-9][0-9]{{0,9}})((?:\.{_WORD})*)\.({_WORD})Service")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class ServiceName:
    """The name of a typed service, taken apart.

    Attributes:
        version: The schema version.
        package: The package of the event type; empty if it has none.
        name: The event type within its package; a nested one as ``Outer_Inner``.
    """

    version: int
    package: str
    name: str

    @property
    def scope(self) -> str:
        """The service's own package: ``tidegate.typed.v3.shop.v1``."""
        return ".".join(filter(None, (PACKAGE, f"v{self.version}", self.package)))

    @property
    def full(self) -> str:
        """The service's full name: ``tidegate.typed.v3.shop.v1.OrderPlacedService``."""
        return f"{self.scope}.{self.name}Service"

    @property
    def methods(self) -> tuple[str, str, str]:
        """The names of its methods: to publish, to publish in a stream, and to subscribe."""
        return f"Publish{self.name}", f"Publish{self.name}Stream", f"Subscribe{self.name}"

    def outer_types(self) -> list[str]:
        """Answers at most 33 types of which one is its event type or holds it, the shortest first."""
        ends = [found.start() for found in islice(re.finditer("(?<!^)_", self.name), _NESTED_NAMES)]
        ends.append(len(self.name))
        return [".".join(filter(None, (self.package, self.name[:end]))) for end in ends]


def parse_service_name(full_name: str) -> ServiceName | None:
    """Takes the full name of a typed service apart; answers None if it is the name of none."""
    found = _SERVICE.fullmatch(full_name[: _LONGEST_NAME + 1])
    return ServiceName(int(found[1]), found[2][1:], found[3]) if found else None


@dataclass(frozen=True, slots=True)
class TypedService:
    """The typed service of an event type in a schema version.

    Attributes:
        type: The event type.
        subject: The subject that it belongs to.
        name: The service's name.
        messages: The full names of its messages, in the order of ``typed_messages.MESSAGES``.
        file: The name of its .proto file.
    """

    type: str
    subject: str
    name: ServiceName
    messages: tuple[str, ...]
    file: str

    @property
    def version(self) -> int:
        """The schema version that it is of."""
        return self.name.version


def typed_services(schema: SchemaVersion) -> list[TypedService]:
    """Answers the typed services of a version, in the order of its types; needs no descriptors."""
    known = frozenset(schema.types)
    packages = {type_name: _package(type_name, known) for type_name in schema.types}
    taken = {
        scope
        for package in set(packages.values())
        for scope in _and_parents(ServiceName(schema.version, package, "").scope)
    }
    names = {
        type_name: _service_name(type_name, schema.version, packages[type_name], taken)
        for type_name in sorted(schema.types, key=lambda name: (name.count("."), name))
    }
    files: set[str] = set()
    return [
        TypedService(
            type_name,
            schema.subject,
            names[type_name],
            _message_names(names[type_name], taken),
            _file_name(names[type_name], files),
        )
        for type_name in schema.types
    ]


def declaring_files(schema: SchemaVersion) -> dict[str, str]:
    """Answers the name of the file that declares each event type of a version."""
    files = FileDescriptorSet.FromString(schema.descriptor_set).file
    return {type_name: file.name for file in files for type_name in message_types([file])}


def _package(type_name: str, known: frozenset[str]) -> str:
    """Answers what stands in front of the outermost message of a type."""
    *outer, _ = _and_parents(type_name)
    return min((name for name in outer if name in known), key=len, default=type_name).rpartition(".")[0]


def _and_parents(name: str) -> Iterator[str]:
    """Answers the scopes around a name from the outside in, and the name."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _service_name(type_name: str, version: int, package: str, taken: set[str]) -> ServiceName:
    """Names a type's service; where two services would be called alike, the later one is numbered."""
    flat = (type_name.removeprefix(f"{package}.") if package else type_name).replace(".", "_")
    name = next(
        name
        for suffix in _suffixes()
        if (name := ServiceName(version, package, flat + suffix)).full not in taken
    )
    taken.add(name.full)
    return name


def _message_names(name: ServiceName, taken: set[str]) -> tuple[str, ...]:
    """Names a service's messages; they are not seen on the wire, so any free names will do."""
    names = next(
        names
        for suffix in _suffixes()
        if taken.isdisjoint(
            names := tuple(
                f"{name.scope}.{message.name.format(name=name.name)}{suffix}" for message in MESSAGES
            )
        )
    )
    taken.update(names)
    return names


def _file_name(name: ServiceName, taken: set[str]) -> str:
    """Names a service's file; no two differ by upper and lower case only."""
    stem = f"{name.scope.replace('.', '/')}/{_HUMP.sub('_', name.name).lower()}_service"
    file = next(file for suffix in _suffixes() if (file := f"{stem}{suffix}.proto").lower() not in taken)
    taken.add(file.lower())
    return file


def _suffixes() -> Iterator[str]:
    return (f"_{number}" if number > 1 else "" for number in count(1))
