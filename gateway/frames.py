"""What a subscriber asks for, and the frames that it is answered with, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from gateway.sieve_request import SieveRequest

if TYPE_CHECKING:
    from collections.abc import Mapping


MIN_HEARTBEAT, DEFAULT_HEARTBEAT, MAX_HEARTBEAT = 0.1, 10.0, 3600.0
"""Bounds of the heartbeat interval, in seconds."""
FRAME_BYTES = 512 * 1024
"""How large a frame of several batches becomes; a larger batch is a frame of its own."""
RECONNECT_AFTER = 1.0
"""How long readers of a stopping gateway are told to wait, in seconds."""


@dataclass(frozen=True, slots=True)
class Subscribing:
    """What a subscriber asks for.

    Attributes:
        topics: Names and patterns.
        types: Event types; empty means all.
        from_sequence: The first sequence to deliver, None unless given.
        from_time: Deliver what was appended at this time (ns) or later, None unless given.
        earliest: Start at the oldest kept event; without any start, only what comes from now on.
        end_sequence: The last sequence to deliver, 0 for never ending.
        skip_gaps: Go on behind what retention removed, instead of failing.
        heartbeat: Seconds between heartbeats.
        client_name: What the reader calls itself; empty if it doesn't.
        built_with: The schema versions that it was built with, by subject.
        group: The group that it reads as a member of; empty if it does not.
        max_in_flight: How many events it may have unsettled; 0 means as many as the group allows.
        group_settings: Settings of the group that it names, by attribute of ``groups.values.Settings``.
        filter: A CEL expression; empty means all events.
        type_filters: A CEL expression by event type.
        read_mask: Which fields of the data to deliver, as paths; empty means all.
        as_json: Whether to deliver data as ProtoJSON.
        schema_version: Deliver data of newer versions as this one; 0 means as stored.
        typed: Whether it came to a typed service: topics that are left out are all.
    """

    topics: tuple[str, ...]
    types: tuple[str, ...] = ()
    from_sequence: int | None = None
    from_time: int | None = None
    earliest: bool = False
    end_sequence: int = 0
    skip_gaps: bool = False
    heartbeat: float = DEFAULT_HEARTBEAT
    client_name: str = ""
    built_with: Mapping[str, int] = field(default_factory=dict)
    group: str = ""
    max_in_flight: int = 0
    group_settings: Mapping[str, Any] = field(default_factory=dict)
    filter: str = ""
    type_filters: Mapping[str, str] = field(default_factory=dict)
    read_mask: tuple[str, ...] = ()
    as_json: bool = False
    schema_version: int = 0
    typed: bool = False

    @property
    def sieve(self) -> SieveRequest:
        """Which events of the selection it gets, and in which form."""
        return SieveRequest(
            self.topics,
            self.types,
            self.filter,
            self.type_filters,
            self.read_mask,
            self.as_json,
            self.schema_version,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """The stream is open behind ``position``; of a group, with what its member must know."""

    position: int
    head: int
    heartbeat: float
    member_id: str = ""
    lease: float = 0.0
    max_in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The stream is alive; ``lag`` in seconds and in batches of the whole log, ``now`` in ns."""

    position: int
    head: int
    lag: float
    lag_batches: int
    now: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The reader is at the head."""

    position: int


@dataclass(frozen=True, slots=True)
class FellBehind:
    """The reader was at the head and is behind now."""

    position: int
    head: int


class WarningKind(Enum):
    """What a warning is about."""

    FILTER_FAILED = "FILTER_FAILED"
    DATA_WITHHELD = "DATA_WITHHELD"
    LEASE_EXPIRED = "LEASE_EXPIRED"
    GROUP_STALLED = "GROUP_STALLED"
    GROUP_MOVED = "GROUP_MOVED"


@dataclass(frozen=True, slots=True)
class WarningFrame:
    """Something that the reader should know: of how many events, and the first and the last of them."""

    kind: WarningKind
    message: str
    events: int = 0
    first_sequence: int = 0
    last_sequence: int = 0


class GapCause(Enum):
    """Why events are missing from a stream."""

    RETENTION = "RETENTION"
    """Retention removed them."""
    INCOMPATIBLE_VERSION = "INCOMPATIBLE_VERSION"
    """The reader can't read them; they are in the log."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events of ``topics`` are missing between the two sequences, both inclusive."""

    first_sequence: int
    last_sequence: int
    topics: tuple[str, ...]
    cause: GapCause = GapCause.RETENTION


@dataclass(frozen=True, slots=True)
class DrainingFrame:
    """The gateway is stopping; ``reconnect_after`` in seconds."""

    position: int
    reconnect_after: float


Frame = bytes | Opened | Heartbeat | CaughtUp | FellBehind | WarningFrame | Gap | DrainingFrame
"""A finished frame of batches, or a value that the service encodes."""
