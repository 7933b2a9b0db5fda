"""What versions of a subject promise each other: a direction over a surface.

Pure values; nothing of Tidegate is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Way(Enum):
    """Who reads what: one half of a direction."""

    BACKWARD = "BACKWARD"
    """Readers of the new version read events of the old one."""
    FORWARD = "FORWARD"
    """Readers of the old version read events of the new one."""


class Surface(Enum):
    """Which encodings a promise covers; each contains the one before it."""

    WIRE = "WIRE"
    """Protobuf's binary encoding, in which events are stored."""
    WIRE_JSON = "WIRE_JSON"
    """Binary and ProtoJSON."""
    SOURCE = "SOURCE"
    """Binary, ProtoJSON, and code generated from the old version, which must still compile."""


class Direction(Enum):
    """Who must be able to read what; transitive ones hold against all versions, not only the latest."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def ways(self) -> frozenset[Way]:
        """The ways that must work."""
        name = self.value.removesuffix("_TRANSITIVE")
        return frozenset(Way) if name == "FULL" else frozenset(way for way in Way if way.value == name)

    @property
    def transitive(self) -> bool:
        """Whether all versions count, not only the latest."""
        return self.value.endswith("_TRANSITIVE")


class Verdict(IntEnum):
    """What a change does to one way over one surface, from harmless to breaking."""

    FINE = 0
    """Nobody notices."""
    NOTICE = 1
    """Reading works, but somebody sees something else than was written."""
    BREAKS = 2
    """Reading fails, loses or changes what was written, or will once numbers are used again."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the versions of a subject promise each other. As text: ``BACKWARD WIRE``."""

    direction: Direction
    surface: Surface

    def __str__(self) -> str:
        return f"{self.direction.value} {self.surface.value}"


DEFAULT_PROMISE = Promise(Direction.BACKWARD, Surface.WIRE)
"""What subjects promise that say nothing themselves, until the deployment's default is changed."""
