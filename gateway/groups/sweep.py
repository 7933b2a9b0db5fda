"""Which keys the log is to be read again for, and how far that is.

A *sweep* goes through the log like a lift: from one key that *starves* (it is spilled, and nothing of it is
buffered) to the next one above, and from the last one back to the first. On its way it reads for all spilled
keys that have room. It passes over what lies between two starving keys that are far from each other: so a key
that is far behind costs others no time, nor they it. Plain state, no rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.groups.keys import Key


class Sweeps:
    """The spilled keys, and the sweep that reads for them.

    Attributes:
        wanted: The keys that the sweep reads for, by name: each is read without a gap from where it is
            spilled, or from where the sweep is if that is behind it.
        floor: No spilled key is to be read below this sequence; 0 if none is spilled. It may be too low.
    """

    def __init__(self, position: int, far: int) -> None:
        """Begins with no keys, at the group's position; passes over what is longer than ``far``."""
        self.wanted: dict[str, Key] = {}
        self.floor = 0
        self._spilled: dict[str, Key] = {}
        self._starving: dict[str, Key] = {}
        self._target: Key | None = None
        self._asked = False
        self._at = position
        self._far = far

    @property
    def starving_count(self) -> int:
        """How many keys starve."""
        return len(self._starving)

    @property
    def spilled_count(self) -> int:
        """How many keys are spilled."""
        return len(self._spilled)

    @property
    def first_starving(self) -> int:
        """Where the first key that starves is spilled; 0 if none does."""
        return min(map(_spilled_at, self._starving.values()), default=0)

    def add(self, key: Key) -> None:
        """Notes that a key is spilled; one that is parked does not starve."""
        self._spilled[key.name] = key
        if not self.floor or key.spilled < self.floor:
            self.floor = key.spilled

    def remove(self, key: Key) -> None:
        """Notes that a key is not spilled, or not to be read for."""
        for keys in (self._spilled, self._starving, self.wanted):
            keys.pop(key.name, None)
        if not self._spilled:
            self.floor = 0

    def read_for(self, key: Key) -> None:
        """Has a key read for: it starves. The sweep takes it along if its part is still to come."""
        self._starving[key.name] = key
        if key.spilled > self._at:
            self.wanted[key.name] = key

    def feed(self, key: Key) -> None:
        """Notes that a key does not starve any more."""
        self._starving.pop(key.name, None)

    def drop(self, key: Key) -> None:
        """Has the sweep pass over a key: it has enough, and is spilled from where it is now on."""
        del self.wanted[key.name]

    def behind(self, buffered: int) -> int | None:
        """Answers behind which position the log is to be read, None if nobody starves."""
        target = self._target
        if target is None or self._starving.get(target.name) is not target:
            target = self._target = self._next()
        if target is None:
            return None
        if target.name not in self.wanted or target.spilled > self._at + self._far:
            self._go_to(target, buffered)
        self._asked = True
        return self._at

    def expects(self) -> bool:
        """Tells, once, whether ``behind`` was asked: what is read for another sweep must not count here."""
        asked, self._asked = self._asked, False
        return asked

    def reach(self, position: int) -> None:
        """Notes that the log was read up to a position."""
        self._at = max(self._at, position)

    def end(self, position: int) -> list[Key]:
        """Ends the sweep if it has come to a position, the group's.

        Answers the keys that it read for: they are not spilled any more.
        """
        if self._at < position:
            return []
        done, self.wanted = list(self.wanted.values()), {}
        for key in done:
            self.remove(key)
        self._set_floor()
        return done

    def _next(self) -> Key | None:
        """Answers the next key that starves: the first one above, or the first one of all."""
        above = [key for key in self._starving.values() if key.name in self.wanted]
        return min(above or self._starving.values(), key=_spilled_at, default=None)

    def _go_to(self, target: Key, buffered: int) -> None:
        """Goes on where a key is spilled, for all that are spilled there or above and have room."""
        for key in self.wanted.values():
            key.spilled = max(key.spilled, self._at + 1)
        self._at = target.spilled - 1
        self.wanted = {
            key.name: key
            for key in self._spilled.values()
            if key.spilled > self._at and not key.parked and len(key.buffer) < buffered
        }
        self._set_floor()

    def _set_floor(self) -> None:
        self.floor = min((key.spilled for key in self._spilled.values()), default=0)


def _spilled_at(key: Key) -> int:
    return key.spilled
