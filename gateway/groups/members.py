"""The members of a group: who reads, how much each may have, and who fell silent. Plain state, no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.groups.values import MemberStats

if TYPE_CHECKING:
    from gateway.groups.runs import Lease, Run

LONGEST_SILENCE: Final = 600.0
"""After how many seconds, at most, a silent member is tried again."""


class Member:
    """Somebody who reads as a member of a group.

    Attributes:
        id: Names it.
        client_name: What its program calls itself.
        wanted: How many events it asked to have at most; 0 means as many as it may.
        max_in_flight: How many events it may have.
        in_flight: How many it has.
        joined: When it joined.
        leases: What it has, by epoch.
        expiries: How many leases in a row ended without a word from it.
        back_at: When it is tried again, after it fell silent.
    """

    __slots__ = (
        "back_at",
        "client_name",
        "expiries",
        "id",
        "in_flight",
        "joined",
        "leases",
        "max_in_flight",
        "wanted",
    )

    def __init__(self, member_id: str, client_name: str, wanted: int, joined: float) -> None:
        self.id = member_id
        self.client_name = client_name
        self.wanted = wanted
        self.max_in_flight = wanted
        self.joined = joined
        self.in_flight = 0
        self.leases: dict[int, Lease] = {}
        self.expiries = 0
        self.back_at = 0.0

    def allow(self, most: int) -> None:
        """Notes how many events any member may have."""
        self.max_in_flight = min(self.wanted or most, most)

    @property
    def room(self) -> int:
        """How many more events it may have; a silent one may have one, to show that it is there."""
        return (1 if self.expiries else self.max_in_flight) - self.in_flight

    def fall_silent(self, now: float, lease: float) -> None:
        """Notes that leases of it ended at once without a word."""
        self.expiries += 1
        self.back_at = now + min(LONGEST_SILENCE, lease * 2.0 ** min(self.expiries - 1, 16))

    def drop(self, run: Run) -> None:
        """Takes a run from it."""
        self.in_flight -= run.size
        lease = run.lease
        if lease is not None:
            lease.runs.pop(run.first, None)
            if not lease.runs:
                self.leases.pop(lease.epoch, None)

    def stats(self) -> MemberStats:
        """Answers how it stands."""
        return MemberStats(
            self.id,
            self.client_name,
            self.in_flight,
            self.max_in_flight,
            self.joined,
            self.expiries > 0,
        )
