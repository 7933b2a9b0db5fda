"""Which member gets the events of which key.

A key belongs to one of ``SLOTS`` slots, by a hash of its bytes; a slot belongs to one member. Who joins takes
slots from those who have most, who leaves gives its own to those who have least: all other keys stay where
they are. What a member has already stays with it, whoever owns the slot by then: the state sees to that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from zlib import crc32

from gateway.groups.runs import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.groups.keys import Key
    from gateway.groups.runs import Run

SLOTS: Final = 4096
"""How many slots there are: more than members, so that they can share evenly."""


def slot_of(key: str) -> int:
    """Answers the slot of a key; the same everywhere and always."""
    return crc32(key.encode()) % SLOTS


class Share:
    """What a member owns.

    Attributes:
        member_id: The member; empty for what nobody owns.
        slots: The slots.
        ready: Their keys whose head waits for the member; some may wait no more.
    """

    __slots__ = ("member_id", "ready", "slots")

    def __init__(self, member_id: str) -> None:
        self.member_id = member_id
        self.slots: list[int] = []
        self.ready: deque[Key] = deque()

    @property
    def next(self) -> Run | None:
        """The head that is given out next, None if none waits."""
        while self.ready:
            run = self.ready[0].head
            if run is not None and run.phase is Phase.READY:
                return run
            self.ready.popleft()
        return None

    def take(self, most: int, max_attempts: int) -> list[Run]:
        """Answers the heads that wait, at most so many, up to one that is tried alone."""
        ready = self.ready
        found: list[Run] = []
        while ready and len(found) < most:
            run = ready[0].head
            if run is not None and run.phase is Phase.READY:
                if run.attempt_count and run.is_tried_alone(max_attempts):
                    break
                run.phase = Phase.LEASED
                found.append(run)
            ready.popleft()
        return found

    def take_next(self) -> Run:
        """Answers the head that is ``next``, which there must be; it does not wait any more."""
        run = self.ready.popleft().head
        assert run is not None  # noqa: S101 - next looked
        run.phase = Phase.LEASED
        return run


class Slots:
    """Who owns which slot. Nobody's slots wait for the first member."""

    def __init__(self) -> None:
        self._nobody = Share("")
        self._nobody.slots = list(range(SLOTS))
        self._owners = [self._nobody] * SLOTS
        self._shares: dict[str, Share] = {}

    def share(self, member_id: str) -> Share | None:
        """Answers what a member owns, None if it has no part in it."""
        return self._shares.get(member_id)

    def owner(self, slot: int) -> str:
        """Answers the member that owns a slot, empty if there are no members."""
        return self._owners[slot].member_id

    def add(self, member_id: str) -> None:
        """Gives a member its share of the slots: none, if there are more members than slots."""
        new = Share(member_id)
        size = SLOTS // (len(self._shares) + 1)
        self._give(self._nobody, new, _size(self._nobody))
        givers = {"": self._nobody}
        while _size(new) < size:
            giver = max(self._shares.values(), key=_size)
            self._give(giver, new, max(1, min(_size(giver) - size, size - _size(new))))
            givers[giver.member_id] = giver
        self._shares[member_id] = new
        for giver in givers.values():
            self._deal_out(giver)

    def remove(self, member_id: str) -> None:
        """Gives a member's slots to the others."""
        gone = self._shares.pop(member_id, None)
        if gone is None:
            return
        while gone.slots:
            taker, *others = sorted(self._shares.values(), key=_size)[:2] or [self._nobody]
            more = _size(others[0]) - _size(taker) if others else _size(gone)
            self._give(gone, taker, min(_size(gone), max(1, more)))
        self._deal_out(gone)

    def put(self, keys: Iterable[Key]) -> set[str]:
        """Notes that the heads of keys wait; answers the members that they wait for."""
        owners = self._owners
        waited_for: set[str] = set()
        for key in keys:
            share = owners[key.slot]
            share.ready.append(key)
            waited_for.add(share.member_id)
        waited_for.discard("")
        return waited_for

    def waited_for(self) -> set[str]:
        """Answers the members that something waits for."""
        return {share.member_id for share in self._shares.values() if share.ready}

    def clear(self) -> None:
        """Forgets what waits; the slots stay whose they are."""
        for share in (self._nobody, *self._shares.values()):
            share.ready.clear()

    def _give(self, giver: Share, taker: Share, number: int) -> None:
        """Moves the last slots of one share to another."""
        kept = _size(giver) - number
        giver.slots, given = giver.slots[:kept], giver.slots[kept:]
        taker.slots += given
        for slot in given:
            self._owners[slot] = taker

    def _deal_out(self, share: Share) -> None:
        """Has the keys that wait in a share wait where they now belong."""
        waiting, share.ready = share.ready, deque()
        for key in waiting:
            self._owners[key.slot].ready.append(key)


def _size(share: Share) -> int:
    return len(share.slots)
