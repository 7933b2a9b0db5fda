"""The words of schemas and subjects as Python has them, and as messages of the contract."""

from __future__ import annotations

from typing import Any, Final, Literal

from tidegate.v1 import schema_pb2

Direction = Literal[
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
]
"""Who must be able to read what: ``tidegate.v1.CompatibilityDirection`` without its prefix."""
Surface = Literal["WIRE", "WIRE_JSON", "SOURCE"]
"""Which encodings a promise covers: ``tidegate.v1.CompatibilitySurface`` without its prefix."""
Mode = Literal["READ_WRITE", "READ_ONLY", "IMPORT"]
"""Who may add versions: ``tidegate.v1.SubjectMode`` without its prefix."""


class Unchanged:
    """Says that a field stays as it is, where None means that it is taken away."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()
"""The field stays as it is."""


def compatibility_message(direction: Direction | None, surface: Surface | None) -> schema_pb2.Compatibility:
    """Answers a promise as a message; what is None is left unspecified."""
    return schema_pb2.Compatibility(
        direction=enum_value(schema_pb2.CompatibilityDirection, direction or "UNSPECIFIED"),
        surface=enum_value(schema_pb2.CompatibilitySurface, surface or "UNSPECIFIED"),
    )


def enum_value(enum: Any, name: str) -> Any:
    """Answers the value of an enum of the contract by its name without the prefix."""
    return enum.Value(str(enum.Name(0)).removesuffix("UNSPECIFIED") + name)
