"""How a group stands: what it is made of, and the questions that change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.groups.leases import Leases
from gateway.groups.members import Members
from gateway.groups.tracking import Tracking
from gateway.groups.unsettled import Unsettled
from gateway.groups.waking import Waking

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.groups.bounds import Bounds
    from gateway.groups.values import Failed, MemberStats, Parked, Progress


class Standing:
    """The parts of a group, and how it stands.

    Attributes:
        lost_through: The last event that retention removed before it was settled; 0 if there is none.
        in_flight: How many events are with members.
    """

    def __init__(self, progress: Progress, bounds: Bounds) -> None:
        self.lost_through = progress.lost_through
        self.in_flight = 0
        self._bounds = bounds
        self._members = Members()
        self._leases = Leases()
        self._waking = Waking()
        self._tracking = Tracking(progress)
        self._unsettled = Unsettled(progress, bounds, self._members.slots, self._tracking, self._waking)

    @property
    def position(self) -> int:
        """How far it has taken the log."""
        return self._unsettled.position

    @property
    def awake(self) -> set[str]:
        """Members that may get something now: to be asked with ``take``."""
        return self._waking.awake

    @property
    def member_ids(self) -> list[str]:
        """Those who are members."""
        return self._members.ids

    def most_in_flight(self, member_id: str) -> int:
        """Answers how many events a member may have."""
        return self._members[member_id].max_in_flight

    def members(self) -> list[MemberStats]:
        """Answers how the members stand, by id."""
        return sorted(member.stats() for member in self._members)

    @property
    def stalled(self) -> str:
        """Why nothing is given out; empty if it is."""
        count, most = self.parked_count, self._bounds.most_parked
        if count < most:
            return ""
        return (
            f"{count:,} keys are parked; the limit is {most:,}. Release some, skip the events that they are "
            f"parked behind, or move the group"
        )

    @property
    def is_full_of_failed(self) -> bool:
        """Whether no more is read, and all that is held waits for events that failed to be due."""
        is_full = self.pending >= self._bounds.look_ahead
        return is_full and not self.in_flight and not self.awake and bool(self._unsettled.retries)

    @property
    def is_settled(self) -> bool:
        """Whether nothing up to ``position`` is unsettled, parked keys left out."""
        return self._unsettled.is_settled

    @property
    def pending(self) -> int:
        """How many unsettled events are held."""
        return self._unsettled.pending

    @property
    def unsettled(self) -> int:
        """How many events up to ``position`` are not settled, those of parked keys left out; see ``keys``."""
        return self._unsettled.count

    @property
    def oldest(self) -> int:
        """The first sequence that is not settled, parked keys left out; 0 if all are."""
        return self._unsettled.oldest

    @property
    def settled_through(self) -> int:
        """Up to which position all events are settled, those of parked keys left out."""
        return (self.oldest or self.position + 1) - 1

    def holds(self, sequence: int) -> bool:
        """Tells whether an event that failed, or was redriven, is not settled."""
        return self._unsettled.find(sequence) is not None

    @property
    def retrying(self) -> list[Failed]:
        """Events that failed and are not settled, those with most attempts first."""
        return self._unsettled.retries.failed

    @property
    def parked(self) -> Iterator[tuple[str, Parked]]:
        """The keys that are parked, those parked first in front."""
        keys = self._unsettled.keys.parked
        return ((name, key.parked) for name, key in keys.items() if key.parked)

    @property
    def parked_count(self) -> int:
        """How many keys are parked."""
        return len(self._unsettled.keys.parked)

    def parked_behind(self, name: str) -> int | None:
        """Answers the event that a key is parked behind, None if it is not parked."""
        key = self._unsettled.keys.parked.get(name)
        return key.parked.sequence if key is not None and key.parked is not None else None

    def unsettled_through(self, position: int) -> int:
        """Answers about how many events up to a position are not settled; see ``Unsettled.through``."""
        return self._unsettled.through(position)

    def next_time(self) -> float | None:
        """Answers when ``expire`` is to be called, None if nothing waits for its time."""
        parts = (self._leases, self._unsettled.retries, self._members)
        times = (part.next_time() for part in parts)
        return min((time for time in times if time is not None), default=None)

    @property
    def is_dirty(self) -> bool:
        """Whether anything changed since ``changes`` was asked."""
        return self._tracking.is_dirty
