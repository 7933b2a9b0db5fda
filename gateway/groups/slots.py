"""Which member gets the events of which key.

A key belongs to one of ``SLOTS`` slots, by a hash of its bytes; a slot belongs to one member. Who joins takes
slots from those who have most, who leaves gives its own to those who have least: all other keys stay where
they are. What a member has already stays with it, whoever owns the slot by then: the state sees to that.
"""

from __future__ import annotations

from collections import deque
from typing import Final
from zlib import crc32

SLOTS: Final = 4096
"""How many slots there are: more than members, so that they can share evenly."""


def slot_of(key: str) -> int:
    """Answers the slot of a key; the same everywhere and always."""
    return crc32(key.encode()) % SLOTS


class Slots:
    """Who owns which slot, and the keys of each slot whose next event waits for its owner."""

    def __init__(self) -> None:
        self._owner: list[str] = []
        self._owned: dict[str, list[int]] = {}
        self._ready: dict[int, deque[str]] = {}
        self._queued: dict[int, str] = {}
        self._turns: dict[str, deque[int]] = {}

    def owner(self, slot: int) -> str:
        """Answers the member that owns a slot, empty if there are no members."""
        return self._owner[slot] if self._owned else ""

    def owns(self, member: str) -> bool:
        """Tells whether a member owns any slot."""
        return bool(self._owned.get(member))

    def add(self, member: str) -> None:
        """Gives a member its share of the slots."""
        if not self._owned:
            self._owner = [member] * SLOTS
            self._owned[member] = list(range(SLOTS))
            self._turns[member] = deque()
            for slot in self._ready:
                self._enqueue(slot)
            return
        own = self._owned[member] = []
        self._turns[member] = deque()
        share = SLOTS // len(self._owned)
        while len(own) < share:
            giver = max(self._owned.values(), key=len)
            number = max(1, min(len(giver) - share, share - len(own)))
            given = giver[-number:]
            del giver[-number:]
            for slot in given:
                self._give(slot, member)

    def remove(self, member: str) -> None:
        """Gives a member's slots to the others."""
        slots = self._owned.pop(member, [])
        self._turns.pop(member, None)
        if not self._owned:
            self._queued.clear()
            return
        while slots:
            taker = min(self._owned, key=lambda name: len(self._owned[name]))
            least = len(self._owned[taker])
            more = sorted(len(own) for own in self._owned.values())[1:2]
            number = max(1, more[0] - least if more else len(slots))
            for _ in range(min(number, len(slots))):
                self._give(slots.pop(), taker)

    def put(self, slot: int, key: str) -> str:
        """Notes that a key's next event waits; answers the member that it waits for, empty if none."""
        ready = self._ready.get(slot)
        if ready is None:
            ready = self._ready[slot] = deque()
        ready.append(key)
        if not self._owned:
            return ""
        if slot not in self._queued:
            self._enqueue(slot)
        return self._owner[slot]

    def next(self, member: str) -> str | None:
        """Answers the next key whose event waits for a member, slot after slot; it does not wait any more."""
        turns = self._turns.get(member)
        while turns:
            slot = turns.popleft()
            if self._queued.get(slot) != member:
                continue
            ready = self._ready[slot]
            key = ready.popleft()
            if ready:
                turns.append(slot)
            else:
                del self._ready[slot], self._queued[slot]
            return key
        return None

    def has_ready(self, member: str) -> bool:
        """Tells whether something waits for a member."""
        turns = self._turns.get(member)
        while turns and self._queued.get(turns[0]) != member:
            turns.popleft()
        return bool(turns)

    def waiting_for(self) -> set[str]:
        """Answers the members that something waits for."""
        return set(self._queued.values())

    def clear(self) -> None:
        """Forgets what waits; the slots stay whose they are."""
        self._ready.clear()
        self._queued.clear()
        for turns in self._turns.values():
            turns.clear()

    def _give(self, slot: int, member: str) -> None:
        self._owner[slot] = member
        self._owned[member].append(slot)
        if slot in self._ready:
            self._enqueue(slot)

    def _enqueue(self, slot: int) -> None:
        owner = self._owner[slot]
        if self._queued.get(slot) != owner:
            self._queued[slot] = owner
            self._turns[owner].append(slot)
