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
_MEMBER_LEVELS = 3
_DECLARED = [
    re.compile(f"{form.replace('{name}', f'({_WORD})')}(?:_[0-9]+)?")
    for form in ("{name}Service", *(message.name for message in MESSAGES))
]


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

    def scopes(self) -> Iterator[str]:
        """Answers the service's own package, and those around it."""
        return and_parents(self.scope)

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


def possible_services(symbol: str) -> list[ServiceName]:
    """Answers the names of the services that may declare a symbol: a service, a message, or their members."""
    return [
        name
        for scope in (symbol, *(symbol.rsplit(".", levels)[0] for levels in range(1, _MEMBER_LEVELS + 1)))
        for name in _possible_services(*scope.rpartition(".")[::2])
    ]


def _possible_services(package: str, word: str) -> Iterator[ServiceName]:
    for pattern in _DECLARED:
        found = pattern.fullmatch(word)
        name = found and parse_service_name(f"{package}.{found[1]}Service")
        if name:
            yield name


@dataclass(frozen=True, slots=True)
class TypedService:
    """The typed service of an event type in a schema version.

    Attributes:
        type: The event type.
        subject: The subject that it belongs to.
        name: The service's name.
    """

    type: str
    subject: str
    name: ServiceName

    @property
    def version(self) -> int:
        """The schema version that it is of."""
        return self.name.version


def typed_services(schema: SchemaVersion) -> list[TypedService]:
    """Answers the typed services of a version, in the order of its types; needs no descriptors."""
    known = frozenset(schema.types)
    packages = {type_name: _package(type_name, known) for type_name in schema.types}
    taken = {
        name
        for package in set(packages.values())
        for name in ServiceName(schema.version, package, "").scopes()
    }
    names: dict[str, ServiceName] = {}
    for type_name in sorted(schema.types, key=lambda name: (name.count("."), name)):
        name = _service_name(type_name, schema.version, packages[type_name], taken)
        names[type_name] = name
        taken.add(name.full)
    return [TypedService(type_name, schema.subject, names[type_name]) for type_name in schema.types]


def _package(type_name: str, known: frozenset[str]) -> str:
    """Answers what stands in front of the outermost message of a type."""
    *outer, _ = and_parents(type_name)
    return next((name for name in outer if name in known), type_name).rpartition(".")[0]


def _service_name(type_name: str, version: int, package: str, taken: set[str]) -> ServiceName:
    """Names a type's service; where two services would be called alike, the later one is numbered."""
    flat = (type_name.removeprefix(f"{package}.") if package else type_name).replace(".", "_")
    names = (ServiceName(version, package, flat + suffix) for suffix in suffixes())
    return next(name for name in names if name.full not in taken)


def and_parents(name: str) -> Iterator[str]:
    """Answers the scopes around a full name from the outside in, and the name."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def suffixes() -> Iterator[str]:
    """Answers what tells names apart that would be the same: nothing, then ``_2`` and so on."""
    return (f"_{number}" if number > 1 else "" for number in count(1))
