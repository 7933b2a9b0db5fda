"""What groups are made of, as plain values. Imports nothing of gRPC or of the generated stubs.

Times are seconds since the epoch; sequences stand in pairs of a first and a last one, both inclusive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Span: TypeAlias = tuple[int, int]
"""The first and the last of some sequences that follow each other."""

MOST_IN_FLIGHT = 100_000
MOST_ATTEMPTS = 1_000
LONGEST_WAIT = 86_400.0
REASON_BYTES = 4_096
"""How much of a reason is kept."""
ATTEMPTS_KEPT = 50
"""How many of the first attempts, and of the last ones, are kept."""


class Ordering(Enum):
    """What holds of events of one key."""

    BY_KEY = "BY_KEY"
    """The next one is not delivered before the one before it is settled."""
    NONE = "NONE"
    """Nothing: events are delivered as they come, many at a time."""


class DeadLetterPolicy(Enum):
    """What holds of a key whose event went to the dead letters."""

    SKIP = "SKIP"
    """It goes on behind the event."""
    PARK_KEY = "PARK_KEY"
    """It waits until somebody releases it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a group shares out events.

    Attributes:
        ordering: What holds of events of one key.
        max_in_flight: How many events members have and have not settled, at most.
        max_in_flight_per_member: The same of each member.
        lease: How many seconds a member has for an event.
        min_backoff: Seconds to wait after the first failed attempt.
        max_backoff: Seconds to wait at most.
        multiplier: By how much each wait is longer than the one before.
        max_attempts: After how many failed attempts an event goes to the dead letters.
        dead_letters: What then holds of its key.
    """

    ordering: Ordering = Ordering.BY_KEY
    max_in_flight: int = 10_000
    max_in_flight_per_member: int = 1_000
    lease: float = 30.0
    min_backoff: float = 1.0
    max_backoff: float = 60.0
    multiplier: float = 2.0
    max_attempts: int = 10
    dead_letters: DeadLetterPolicy = DeadLetterPolicy.SKIP

    def backoff(self, attempts: int) -> float:
        """Answers how many seconds to wait after so many failed attempts."""
        factor = self.multiplier ** min(attempts - 1, 1_000) if self.multiplier > 1 else 1.0
        return min(self.max_backoff, self.min_backoff * min(factor, 1e9))


@dataclass(frozen=True, slots=True)
class Definition:
    """What somebody said that a group is.

    Attributes:
        name: Its name, of the form of a topic's.
        topics: Names and patterns.
        types: Event types; empty means all.
        filter: A CEL expression; empty means all.
        type_filters: A CEL expression by event type.
        settings: How it shares out events.
        create_time: When it was created.
        update_time: When it was last changed.
        etag: Names this state of it.
    """

    name: str
    topics: tuple[str, ...]
    types: tuple[str, ...]
    filter: str
    type_filters: Mapping[str, str]
    settings: Settings
    create_time: datetime
    update_time: datetime
    etag: str


class Outcome(Enum):
    """How an attempt ended that did not succeed."""

    NACKED = "NACKED"
    REJECTED = "REJECTED"
    LEASE_EXPIRED = "LEASE_EXPIRED"
    STREAM_BROKE = "STREAM_BROKE"


UNSAID: Final = frozenset({Outcome.LEASE_EXPIRED, Outcome.STREAM_BROKE})
"""How attempts end of which their member says nothing: any event that it had may be why."""


class Attempt(NamedTuple):
    """One attempt of a member at an event, and how it ended."""

    member_id: str
    client_name: str
    time: float
    outcome: Outcome
    reason: str


class Cause(Enum):
    """Why an event was given up."""

    MAX_ATTEMPTS = "MAX_ATTEMPTS"
    REJECTED = "REJECTED"
    SKIPPED = "SKIPPED"


class Failed(NamedTuple):
    """Events that failed, or were redriven, and are not settled.

    Attributes:
        first, last: Their sequences; one event, if it has a key.
        key: Their key, empty if they have none or the group does not order by key.
        due: When they are tried again.
        attempt_count: How many attempts failed.
        attempts: Those of them that are remembered, the first ones and the last ones.
        redriven: Whether they came back from the dead letters: their key may be further.
    """

    first: int
    last: int
    key: str
    due: float
    attempt_count: int
    attempts: tuple[Attempt, ...]
    redriven: bool = False


class Parked(NamedTuple):
    """A key that is parked: behind which event, since when, and why the event failed."""

    sequence: int
    time: float
    reason: str


class Dead(NamedTuple):
    """An event that was given up, as the machine knows it."""

    sequence: int
    key: str
    time: float
    cause: Cause
    attempt_count: int
    attempts: tuple[Attempt, ...]


class DeadLetter(NamedTuple):
    """An event that was given up, as it is kept.

    Attributes:
        dead: What was tried.
        topic: The event's topic.
        type: Its event type.
        schema_version: The version that it was checked against.
        entry: Its finished entry of a frame: a batch of one.
    """

    dead: Dead
    topic: str
    type: str
    schema_version: int
    entry: bytes


@dataclass(slots=True)
class Progress:
    """How far a group is: all that must outlive the gateway.

    Attributes:
        position: Everything of the group's topics up to here is settled, but for what is named below.
        loose: Events without a key, or of a group that does not order by key, that are not settled.
        keys: Of keys with events that are not settled, a sequence: all below it are settled, and from
            it on none is. It need not be the key's.
        parked: Of these keys, those that are parked.
        failed: What is known of events that failed or were redriven, by their first sequence.
        lost_through: The last sequence that retention removed before it was settled, 0 if there is none.
    """

    position: int = 0
    loose: tuple[Span, ...] = ()
    keys: dict[str, int] = field(default_factory=dict)
    parked: dict[str, Parked] = field(default_factory=dict)
    failed: dict[int, Failed] = field(default_factory=dict)
    lost_through: int = 0


@dataclass(slots=True)
class Changes:
    """What changed of a group's progress since it was last asked.

    Attributes:
        position: As in ``Progress``.
        lost_through: As in ``Progress``.
        forget: Whether all keys, parked keys and failed events that were stored before go, first of all.
        loose: As in ``Progress``; None if it did not change.
        keys: Keys that changed; None for those that have nothing unsettled any more.
        parked: Keys that were parked; None for those that are not any more.
        failed: What changed of failed events, by their first sequence; None for those that are settled.
        dead: What was given up.
        revived: Sequences that are no dead letters any more.
        revived_above: All dead letters above this sequence are none any more; None for no such thing. First
            of all, too.
    """

    position: int
    lost_through: int
    forget: bool = False
    loose: tuple[Span, ...] | None = None
    keys: dict[str, int | None] = field(default_factory=dict)
    parked: dict[str, Parked | None] = field(default_factory=dict)
    failed: dict[int, Failed | None] = field(default_factory=dict)
    dead: list[Dead] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)
    revived_above: int | None = None


class Verb(Enum):
    """What a member says of events."""

    ACK = "ACK"
    NACK = "NACK"
    REJECT = "REJECT"
    EXTEND = "EXTEND"
    RELEASE = "RELEASE"


class Settlement(NamedTuple):
    """What a member says of events that were delivered to it.

    Attributes:
        epoch: The lease_epoch that they were delivered under; with ``through``, the last one that counts.
        verb: What became of them.
        spans: Which ones; empty if ``through`` is given.
        through: All that the member has up to this sequence.
        reason: Why, with NACK and REJECT.
        delay: With NACK, seconds to wait; None means: as the group's settings say.
    """

    epoch: int
    verb: Verb
    spans: tuple[Span, ...] = ()
    through: int | None = None
    reason: str = ""
    delay: float | None = None


class Settled(NamedTuple):
    """What became of settlements: how many events they took effect on, and which they did not.

    Attributes:
        applied: How many events they took effect on.
        before: Events that were settled before.
        late: Events that are not settled, and not this member's under that epoch.
    """

    applied: int
    before: tuple[Span, ...]
    late: tuple[Span, ...]


class MemberStats(NamedTuple):
    """How a member stands; ``joined`` is a time, ``silent`` whether a lease of it ended without a word."""

    member_id: str
    client_name: str
    in_flight: int
    max_in_flight: int
    joined: float
    silent: bool


class Stats(NamedTuple):
    """How a group stands; see ``GroupStats`` of the contract. ``lag`` is in seconds."""

    position: int
    head: int
    members: tuple[MemberStats, ...]
    in_flight: int
    retrying_count: int
    lag_events: int
    lag: float
    oldest: int
    retrying: tuple[Failed, ...]
    parked_count: int
    parked: tuple[tuple[str, Parked], ...]
    stalled: str
    lost_through: int


class Seeked(NamedTuple):
    """What a move to another position means: about how many events come again, and are skipped."""

    position: int
    repeated: int
    skipped: int
