"""A group's settings as messages, and what somebody says of them in a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.v1 import group_pb2

from gateway.groups.settings import FIELDS
from gateway.groups.values import DeadLetterPolicy, Ordering
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from enum import Enum

    from google.protobuf.duration_pb2 import Duration

    from gateway.groups.settings import Stated
    from gateway.groups.values import Settings

_ENUMS: dict[str, tuple[str, str, type[Enum]]] = {
    "ordering": ("GroupOrdering", "GROUP_ORDERING_", Ordering),
    "dead_letters": ("DeadLetterPolicy", "DEAD_LETTER_POLICY_", DeadLetterPolicy),
}


def read_settings(message: group_pb2.GroupSettings, prefix: str) -> Stated:
    """Answers the settings that a message names, by attribute of ``Settings``; 0 names nothing.

    Raises:
        InvalidRequest: A duration or an enum has a value that it can't have.
    """
    stated: dict[str, Any] = {}
    for name, path in FIELDS.items():
        holder = message.retry if path.startswith("retry.") else message
        value = getattr(holder, name)
        if name in _ENUMS:
            if value:
                stated[name] = _read_enum(name, value, prefix + path)
        elif isinstance(value, (int, float)):
            if value:
                stated[name] = value
        elif holder.HasField(name):
            stated[name] = seconds(value, prefix + path)
    return stated


def settings_message(settings: Settings) -> group_pb2.GroupSettings:
    """Answers settings as a message, with every field set."""
    message = group_pb2.GroupSettings(
        ordering=_enum_number("ordering", settings.ordering),  # type: ignore[arg-type]
        max_in_flight=settings.max_in_flight,
        max_in_flight_per_member=settings.max_in_flight_per_member,
        dead_letters=_enum_number("dead_letters", settings.dead_letters),  # type: ignore[arg-type]
    )
    message.lease.FromNanoseconds(round(settings.lease * 1e9))
    retry = message.retry
    retry.min_backoff.FromNanoseconds(round(settings.min_backoff * 1e9))
    retry.max_backoff.FromNanoseconds(round(settings.max_backoff * 1e9))
    retry.multiplier, retry.max_attempts = settings.multiplier, settings.max_attempts
    return message


def seconds(duration: Duration, field: str) -> float:
    """Answers a duration in seconds.

    Raises:
        InvalidRequest: It is negative, or no duration.
    """
    if duration.seconds < 0 or not 0 <= duration.nanos < 1_000_000_000:
        raise InvalidRequest(field, "must be a duration that is not negative")
    return (duration.seconds * 1_000_000_000 + duration.nanos) / 1e9  # one division: 1.586, not 1.5859999


def _read_enum(name: str, number: int, field: str) -> Enum:
    enum, prefix, values = _ENUMS[name]
    known = group_pb2.DESCRIPTOR.enum_types_by_name[enum].values_by_number
    if number not in known:
        raise InvalidRequest(field, f"{number} is no value of {enum}")
    return values(known[number].name.removeprefix(prefix))


def _enum_number(name: str, value: Ordering | DeadLetterPolicy) -> int:
    enum, prefix, _ = _ENUMS[name]
    number: int = group_pb2.DESCRIPTOR.enum_types_by_name[enum].values_by_name[prefix + value.value].number
    return number
