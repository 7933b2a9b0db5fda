"""The members of a group: who reads, how much each may have, who fell silent, and whose slots are whose."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from gateway.groups.slots import Slots
from gateway.groups.values import Attempt, MemberStats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.groups.runs import Lease, Run
    from gateway.groups.values import Outcome

LONGEST_SILENCE: Final = 600.0
"""After how many seconds, at most, a silent member is tried again."""
MOST_TAKEN_TOLD: Final = 2_000
"""Of how many of the events that were taken from it last a member can be told."""


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
        is_mute: Whether it fell silent because it does not take what waits for it.
        is_leaving: Whether it takes no further events.
        is_alone: Whether what it has is an event that is tried alone.
        taken: Events that were taken from it without its word, and by which epoch it had them first; until
            it is told.
    """

    __slots__ = (
        "back_at",
        "client_name",
        "expiries",
        "id",
        "in_flight",
        "is_alone",
        "is_leaving",
        "is_mute",
        "joined",
        "leases",
        "max_in_flight",
        "taken",
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
        self.is_mute = False
        self.is_leaving = False
        self.is_alone = False
        self.taken: dict[int, int] = {}

    @property
    def room(self) -> int:
        """How many more events it may have; a silent one may have one, to show that it is there."""
        return 0 if self.is_alone else (1 if self.expiries else self.max_in_flight) - self.in_flight

    def allow(self, most: int) -> None:
        """Notes how many events any member may have."""
        self.max_in_flight = min(self.wanted or most, most)

    def fall_silent(self, now: float, lease: float) -> None:
        """Notes that leases of it ended at once without a word."""
        self.expiries += 1
        self.back_at = now + min(LONGEST_SILENCE, lease * 2.0 ** min(self.expiries - 1, 16))

    def attempt(self, now: float, outcome: Outcome, reason: str) -> Attempt:
        """Answers an attempt of it that failed."""
        return Attempt(self.id, self.client_name, now, outcome, reason)

    def give_back(self) -> list[Run]:
        """Takes all that it has from it; answers that."""
        held = [run for lease in self.leases.values() for run in lease.runs.values()]
        for lease in self.leases.values():
            lease.runs = {}
        self.leases = {}
        return held

    def drop(self, run: Run) -> None:
        """Takes a run out of its leases."""
        lease = run.lease
        if lease is not None:
            lease.runs.pop(run.first, None)
            if not lease.runs:
                self.leases.pop(lease.epoch, None)

    def note_taken(self, epoch: int, runs: Iterable[Run]) -> None:
        """Notes that runs, which it had under an epoch, were taken from it without its word."""
        for run in runs:
            for sequence in range(run.first, run.last + 1):
                self.taken.setdefault(sequence, epoch)
        more = len(self.taken) - MOST_TAKEN_TOLD
        if more > 0:
            self.taken = dict(islice(self.taken.items(), more, None))

    def tell_taken(self, epoch: int, through: int) -> list[int]:
        """Answers, once, what was taken from it up to a sequence, of what it had up to an epoch."""
        told = [at for at, had in self.taken.items() if at <= through and had <= epoch]
        for at in told:
            del self.taken[at]
        return sorted(told)

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


class Members:
    """All members, and the slots they own: silent ones none until their time, unless all are silent."""

    def __init__(self) -> None:
        self.slots = Slots()
        self._members: dict[str, Member] = {}
        self._silent: dict[str, Member] = {}
        self._leaving: set[str] = set()

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __getitem__(self, member_id: str) -> Member:
        return self._members[member_id]

    @property
    def ids(self) -> list[str]:
        """Who they are, those first who joined first."""
        return list(self._members)

    def get(self, member_id: str) -> Member | None:
        """Answers a member, None if there is none of that name."""
        return self._members.get(member_id)

    def join(self, member: Member) -> None:
        """Takes a member, and gives it its share."""
        self._members[member.id] = member
        self._give_slots(member)

    def leave(self, member: Member, now: float) -> None:
        """Lets a member go, and gives its share to the others."""
        del self._members[member.id]
        self._silent.pop(member.id, None)
        self._leaving.discard(member.id)
        self.slots.remove(member.id)
        self.revive_silent(now)

    def retire(self, member: Member) -> None:
        """Gives a member's share to the others for good: it takes no further events."""
        member.is_leaving, member.is_mute, member.expiries = True, False, 0
        self._silent.pop(member.id, None)
        self._leaving.add(member.id)
        self.slots.remove(member.id)
        self.revive_silent(0.0)

    def fall_silent(self, member: Member, now: float, lease: float) -> None:
        """Notes that leases of a member ended without a word; its share goes to others that do speak."""
        if member.is_leaving:
            return
        member.fall_silent(now, lease)
        self._silent[member.id] = member
        if not self._all_silent:
            self.slots.remove(member.id)

    def hear_of(self, member: Member) -> None:
        """Notes that a member, which was silent, is not: it gets its share."""
        member.expiries, member.is_mute = 0, False
        self._silent.pop(member.id, None)
        self._give_slots(member)

    def revive_silent(self, now: float) -> bool:
        """Gives a share to silent members whose time has come, and to all if there are no others."""
        all_silent = self._all_silent
        back = [
            member
            for member in self._silent.values()
            if (all_silent or member.back_at <= now) and not self.slots.share(member.id)
        ]
        for member in back:
            self._give_slots(member)
        return bool(back)

    def next_time(self) -> float | None:
        """Answers when the next silent member is to be revived, None if there is none."""
        times = (member.back_at for member in self._silent.values() if not self.slots.share(member.id))
        return min(times, default=None)

    @property
    def _all_silent(self) -> bool:
        return len(self._silent) + len(self._leaving) == len(self._members)

    def _give_slots(self, member: Member) -> None:
        """Gives a member its share; all that silent ones own, if it is not silent."""
        if not self.slots.share(member.id):
            self.slots.add(member.id)
        if not member.expiries:
            for silent in self._silent.values():
                self.slots.remove(silent.id)
