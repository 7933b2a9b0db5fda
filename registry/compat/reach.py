"""What events can hold: which messages and enums lead to which others through fields. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from registry.compat.shape import Shape


def holdings(shape: Shape) -> dict[str, list[str]]:
    """Answers for each message the messages and enums that its fields, and extensions of it, are of."""
    held: dict[str, list[str]] = {
        name: [field.type_name for field in message.fields.values() if field.type_name]
        for name, message in shape.messages.items()
    }
    for (extendee, _), field in shape.extensions.items():
        if field.type_name:
            held.setdefault(extendee, []).append(field.type_name)
    return held


def holders(held: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Answers the same the other way round: for each name the messages that have fields of it."""
    found: dict[str, list[str]] = {}
    for name, others in held.items():
        for other in others:
            found.setdefault(other, []).append(name)
    return found


def closure(names: Iterable[str], following: Mapping[str, Iterable[str]]) -> set[str]:
    """Answers the names, and all that they lead to, directly and further on."""
    found, waiting = set[str](), list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(following.get(name, ()))
    return found
