"""What of a group's progress changed since it was last written down. Plain state, no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.groups.values import Changes

if TYPE_CHECKING:
    from gateway.groups.keys import Keys
    from gateway.groups.loose import Loose
    from gateway.groups.runs import Run
    from gateway.groups.values import Dead, Progress


class Tracking:
    """Notes what is touched, and makes ``Changes`` of it.

    Knows what is stored, so that what came and went between two writes costs none.
    """

    def __init__(self, stored: Progress) -> None:
        """Begins with what is stored."""
        self._stored_keys = set(stored.keys)
        self._stored_failed = set(stored.failed)
        self._stored_parked = set(stored.parked)
        self.keys: set[str] = set()
        """Keys that were touched."""
        self.failed: dict[int, Run | None] = {}
        """Failed events that were touched, by first sequence; None for those that are none any more."""
        self.parked: set[str] = set()
        """Keys that were parked or released."""
        self.loose = False
        """Whether events without an order were touched."""
        self.moved = False
        """Whether the position, or what was lost, was."""
        self.dead: dict[int, Dead] = {}
        """What was given up, by sequence."""
        self._revived: dict[int, None] = {}
        self._forget = False
        self._revived_above: int | None = None

    @property
    def is_dirty(self) -> bool:
        """Whether anything changed."""
        return bool(
            self.moved or self.loose or self.keys or self.failed or self.parked or self.dead or self._revived
        )

    def revive(self, sequence: int) -> None:
        """Notes that a dead letter is none any more, also one that was not written down yet."""
        self.dead.pop(sequence, None)
        self._revived[sequence] = None

    def is_revived(self, sequence: int) -> bool:
        """Tells whether something was a dead letter when changes were last taken, and is none now."""
        return sequence in self._revived and sequence not in self.dead

    def forget_all(self, position: int) -> None:
        """Notes that all keys and failed events are forgotten, and all dead letters above a position."""
        for those in (self._stored_keys, self._stored_failed, self._stored_parked):
            those.clear()
        self._clear()
        self.dead = {at: dead for at, dead in self.dead.items() if at <= position}
        self._revived = {at: None for at in self._revived if at <= position}
        self._forget = True
        above = self._revived_above
        self._revived_above = position if above is None else min(position, above)
        self.loose = self.moved = True

    def take(self, position: int, lost_through: int, keys: Keys, loose: Loose) -> Changes:
        """Answers what changed, and begins anew."""
        changes = Changes(
            position,
            lost_through,
            forget=self._forget,
            loose=tuple(loose.spans()) if self.loose else None,
            dead=list(self.dead.values()),
            revived=list(self._revived),
            revived_above=self._revived_above,
        )
        self._take_keys(keys, changes)
        self._take_failed(changes)
        self._take_parked(keys, changes)
        self._clear()
        self._forget, self._revived_above = False, None
        self.dead, self._revived = {}, {}
        self.loose = self.moved = False
        return changes

    def _clear(self) -> None:
        self.keys.clear()
        self.parked.clear()
        self.failed.clear()

    def _take_keys(self, keys: Keys, changes: Changes) -> None:
        stored = self._stored_keys
        for name in self.keys:
            key = keys.get(name)
            first = key.first_unsettled if key else None
            if first is not None:
                changes.keys[name] = first
                stored.add(name)
            elif name in stored:
                changes.keys[name] = None
                stored.discard(name)

    def _take_failed(self, changes: Changes) -> None:
        stored = self._stored_failed
        for first, run in self.failed.items():
            if run is not None:
                changes.failed[first] = run.as_failed()
                stored.add(first)
            elif first in stored:
                changes.failed[first] = None
                stored.discard(first)

    def _take_parked(self, keys: Keys, changes: Changes) -> None:
        stored = self._stored_parked
        for name in self.parked:
            key = keys.parked.get(name)
            if key is not None:
                changes.parked[name] = key.parked
                stored.add(name)
            elif name in stored:
                changes.parked[name] = None
                stored.discard(name)
