"""What a group is to be, as Python says it, and as messages of the contract."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from tidegate.schema_values import enum_value
from tidegate.v1 import group_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.field_mask_pb2 import FieldMask
    from google.protobuf.message import Message

Ordering = Literal["BY_KEY", "NONE"]
"""What holds of events of one key: ``tidegate.v1.GroupOrdering`` without its prefix."""
DeadLetterPolicy = Literal["SKIP", "PARK_KEY"]
"""What holds of a key whose event was given up: ``tidegate.v1.DeadLetterPolicy`` without its prefix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """How a group shares out its events. What is None has the gateway's default; in an update it stays.

    Attributes:
        ordering: ``"BY_KEY"`` (the default): the next event of a key is not delivered before the one before
            it is settled. ``"NONE"``: events are delivered as they come. Can't be changed.
        max_in_flight: Events delivered and not settled at once, over all members; 10,000 by default.
        max_in_flight_per_member: The same of each member; 1,000 by default.
        lease: Seconds that a member has for an event before it is given to another; 30 by default.
        min_backoff: Seconds to wait after the first attempt that failed; 1 by default.
        max_backoff: Seconds to wait at most; 60 by default.
        multiplier: By how much each wait is longer than the one before; 2 by default.
        max_attempts: After how many failed attempts an event goes to the dead letters; 10 by default.
        dead_letters: ``"SKIP"`` (the default): its key goes on then. ``"PARK_KEY"``: the key's later events
            wait until somebody releases it.
    """

    ordering: Ordering | None = None
    max_in_flight: int | None = None
    max_in_flight_per_member: int | None = None
    lease: float | None = None
    min_backoff: float | None = None
    max_backoff: float | None = None
    multiplier: float | None = None
    max_attempts: int | None = None
    dead_letters: DeadLetterPolicy | None = None

    def message(self) -> group_pb2.GroupSettings:
        """Answers the settings as a message; what is None is left out."""
        settings = group_pb2.GroupSettings(
            max_in_flight=self.max_in_flight or 0,
            max_in_flight_per_member=self.max_in_flight_per_member or 0,
        )
        if self.ordering is not None:
            settings.ordering = enum_value(group_pb2.GroupOrdering, self.ordering)
        if self.dead_letters is not None:
            settings.dead_letters = enum_value(group_pb2.DeadLetterPolicy, self.dead_letters)
        if self.lease is not None:
            set_seconds(settings.lease, self.lease)
        self._say_retry(settings)
        return settings

    def paths(self) -> list[str]:
        """Answers which fields are set, as paths of an update mask of a group."""
        named = [field.name for field in fields(self) if getattr(self, field.name) is not None]
        return [f"settings.{'retry.' if name in _RETRY else ''}{name}" for name in named]

    def _say_retry(self, settings: group_pb2.GroupSettings) -> None:
        if self.min_backoff is not None:
            set_seconds(settings.retry.min_backoff, self.min_backoff)
        if self.max_backoff is not None:
            set_seconds(settings.retry.max_backoff, self.max_backoff)
        if self.multiplier is not None:
            settings.retry.multiplier = self.multiplier
        if self.max_attempts is not None:
            settings.retry.max_attempts = self.max_attempts


_RETRY = frozenset({"min_backoff", "max_backoff", "multiplier", "max_attempts"})


def set_seconds(duration: Duration, seconds: float) -> None:
    """Sets a Duration."""
    duration.FromNanoseconds(round(seconds * 1e9))
    duration.SetInParent()


def set_fields(mask: FieldMask, fields: Iterable[str]) -> None:
    """Sets a FieldMask to some paths; leaves it absent if there are none."""
    mask.paths.extend([fields] if isinstance(fields, str) else fields)


def filters_by_name(filters: Mapping[type[Message] | str, str] | None) -> dict[str, str]:
    """Answers filters by the names of their event types."""
    return {type_name(kind): text for kind, text in (filters or {}).items()}


def type_name(kind: type[Message] | str) -> str:
    """Answers an event type's name, of its class or of itself."""
    if isinstance(kind, str):
        return kind
    descriptor: Any = kind.DESCRIPTOR
    return str(descriptor.full_name)
