"""In which order the members of a message stand in its text, so that descriptors list them in theirs.

Descriptors hold fields, nested types and extensions in lists of their own. Maps and groups stand in two:
as a field or extension, and as the type that protoc makes for it where the field stands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Kind = FieldDescriptorProto


@dataclass(frozen=True, slots=True)
class Declared:
    """What one scope declares.

    Attributes:
        scope: Its full name.
        fields: Its fields, none in a file.
        extensions: The extensions that stand in it.
        types: The messages that stand in it.
        made: The index of the type that protoc makes for a map or group, by ("fields" or "extensions",
            index).
    """

    scope: str
    fields: Sequence[Any]
    extensions: Sequence[Any]
    types: Sequence[Any]
    made: Mapping[tuple[str, int], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One member: ``list`` is "fields", "extensions" or "types"."""

    list: str
    index: int


def declared(scope: str, fields: Sequence[Any], extensions: Sequence[Any], types: Sequence[Any]) -> Declared:
    """Answers what a scope declares, and which of its types protoc makes by itself."""
    indexes = {f".{scope}.{it.name}" if scope else f".{it.name}": index for index, it in enumerate(types)}
    made: dict[tuple[str, int], int] = {}
    for name, members in (("fields", fields), ("extensions", extensions)):
        for index, member in enumerate(members):
            home = indexes.get(member.type_name)
            if home is not None and _makes(member, types[home]):
                made[name, index] = home
                del indexes[member.type_name]
    return Declared(scope, fields, extensions, types, made)


def _makes(member: Any, kind: Any) -> bool:
    if member.type == Kind.TYPE_GROUP:
        return bool(kind.name.lower() == member.name and kind.name[:1].isupper())
    return bool(kind.options.map_entry and member.label == Kind.LABEL_REPEATED)


def arranged(members: Declared) -> Iterator[Step]:
    """Answers all members in an order that keeps that of each list, as far as one does.

    Types stand in front, but those that follow the last map or group stand at the end.
    """
    makers = {home: maker for maker, home in members.made.items()}
    last = max(makers, default=len(members.types) - 1)
    done = {"fields": 0, "extensions": 0}
    for home in range(last + 1):
        if home not in makers:
            yield Step("types", home)
            continue
        name, index = makers[home]
        end = _end_of_oneof(members.fields, index) if name == "fields" else index + 1
        yield from (Step(name, it) for it in range(done[name], end))
        done[name] = max(done[name], end)
    yield from (Step("fields", it) for it in range(done["fields"], len(members.fields)))
    yield from (Step("extensions", it) for it in range(done["extensions"], len(members.extensions)))
    yield from (Step("types", it) for it in range(last + 1, len(members.types)))


def oneof_of(member: Any) -> int:
    """Answers the index of the oneof that a field is in by its text; -1 if in none."""
    return member.oneof_index if member.HasField("oneof_index") and not member.proto3_optional else -1


def _end_of_oneof(fields: Sequence[Any], index: int) -> int:
    """Answers where the fields end that stand in one oneof with the field at ``index``."""
    oneof, end = oneof_of(fields[index]), index + 1
    while oneof >= 0 and end < len(fields) and oneof_of(fields[end]) == oneof:
        end += 1
    return end
