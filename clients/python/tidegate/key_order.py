"""Which events may be dealt with now, so that those of one key come strictly one after the other: pure.

An event without a key depends on no other.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")


class KeyOrder(Generic[ItemT]):
    """Lets one item of each key through at a time, the first one first."""

    def __init__(self) -> None:
        self._behind: dict[str, deque[ItemT]] = {}
        self.waiting = 0
        """How many items wait behind another one of their key."""

    def add(self, key: str, item: ItemT) -> bool:
        """Takes an item; tells whether it may begin. If not, ``done`` answers it when it may."""
        if not key:
            return True
        behind = self._behind.get(key)
        if behind is None:
            self._behind[key] = deque()
            return True
        behind.append(item)
        self.waiting += 1
        return False

    def done(self, key: str) -> ItemT | None:
        """Notes that the item of a key that began is dealt with; answers the one that may begin now."""
        if not key:
            return None
        behind = self._behind[key]
        if behind:
            self.waiting -= 1
            return behind.popleft()
        del self._behind[key]
        return None

    def clear(self) -> list[ItemT]:
        """Takes out all that waits, and answers it; those that began go on."""
        left = [item for behind in self._behind.values() for item in behind]
        for behind in self._behind.values():
            behind.clear()
        self.waiting = 0
        return left
