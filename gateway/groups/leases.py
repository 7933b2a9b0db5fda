"""The leases under which members have events, by when they end. Plain state, no rules."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.groups.runs import Lease, Phase, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.groups.members import Member
    from gateway.groups.runs import Run
    from gateway.groups.values import Span

FEW: Final = 64
"""Up to how many leases are kept although nothing is left of them."""


class Delivery(NamedTuple):
    """What a member is given at once.

    Attributes:
        epoch: Names the lease.
        attempt: Which attempt it is at each of them: 1 for the first.
        spans: The events, in order.
    """

    epoch: int
    attempt: int
    spans: tuple[Span, ...]


class Expired(NamedTuple):
    """Events that were taken from a member because its lease ended."""

    member_id: str
    spans: tuple[Span, ...]


class Leases:
    """All leases of a group; ``epochs`` that it gives out rise."""

    def __init__(self) -> None:
        self._epochs = count(1)
        self._ends: list[tuple[float, int, Lease]] = []
        self._most = FEW

    def grant(self, member: Member, runs: Iterable[Run], expires: float) -> list[Delivery]:
        """Gives runs to a member: a lease for each number of attempts that failed before."""
        granted: dict[int, Lease] = {}
        for run in runs:
            lease = granted.get(run.attempt_count)
            if lease is None:
                lease = granted[run.attempt_count] = Lease(member.id, next(self._epochs), expires)
            run.phase, run.lease, run.expires = Phase.LEASED, lease, 0.0
            lease.runs[run.first] = run
        for lease in granted.values():
            member.leases[lease.epoch] = lease
            self._push(lease)
        return [
            Delivery(lease.epoch, attempts + 1, spans_of(lease.runs.values()))
            for attempts, lease in granted.items()
        ]

    def ended(self, now: float) -> Iterator[tuple[Lease, list[Run]]]:
        """Answers leases with the runs that are to be taken back by now, and expects that they are."""
        while self._ends and self._ends[0][0] <= now:
            _, _, lease = heapq.heappop(self._ends)
            over = [run for run in lease.runs.values() if lease.ends_of(run) <= now]
            if over:
                yield lease, over
            if lease.runs:
                self._push(lease)

    def next_time(self) -> float | None:
        """Answers when the next one may end, None if there is none."""
        while self._ends and not self._ends[0][2].runs:
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else None

    def clear(self) -> None:
        """Forgets all leases, but not which epochs there were."""
        self._ends = []

    def _push(self, lease: Lease) -> None:
        """Adds a lease; drops those of which nothing is left once they are most."""
        if len(self._ends) >= self._most:
            self._ends = [entry for entry in self._ends if entry[2].runs]
            heapq.heapify(self._ends)
            self._most = max(FEW, 2 * len(self._ends))
        heapq.heappush(self._ends, (lease.ends, lease.epoch, lease))
