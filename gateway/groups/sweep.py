"""Which keys the log is to be read again for, and how far that is.

One *sweep* at a time reads for all spilled keys that have room, from the first one that *starves* (nothing
of it is buffered) up to the group's position. Whoever gets hungry behind it waits for the next one. Plain
state, no rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.groups.keys import Key


class Sweeps:
    """The spilled keys, and the sweep that reads for them.

    Attributes:
        wanted: The keys that the sweep reads for, by name.
        floor: No spilled key is to be read below this sequence; 0 if none is spilled. It may be too low.
    """

    def __init__(self) -> None:
        self.wanted: dict[str, Key] = {}
        self.floor = 0
        self._spilled: dict[str, Key] = {}
        self._starving: dict[str, Key] = {}
        self._at: int | None = None

    @property
    def starving_count(self) -> int:
        """How many keys starve."""
        return len(self._starving)

    def add(self, key: Key) -> None:
        """Notes that a key is spilled; one that is parked does not starve."""
        self._spilled[key.name] = key
        if not self.floor or key.spilled < self.floor:
            self.floor = key.spilled

    def remove(self, key: Key) -> None:
        """Notes that a key is not spilled, or not to be read for."""
        for keys in (self._spilled, self._starving, self.wanted):
            keys.pop(key.name, None)

    def read_for(self, key: Key) -> None:
        """Has a key read for: it starves. The sweep takes it along if its part is still to come."""
        self._starving[key.name] = key
        if self._at is not None and key.spilled > self._at:
            self.wanted[key.name] = key

    def feed(self, key: Key) -> None:
        """Notes that a key does not starve any more."""
        self._starving.pop(key.name, None)

    def drop(self, key: Key) -> None:
        """Has the sweep pass over a key: it has enough, and is spilled from where it is now on."""
        del self.wanted[key.name]

    def behind(self, buffered: int) -> int | None:
        """Answers behind which position the log is to be read, None if no key needs it."""
        if self._at is None and self._starving:
            least = min(key.spilled for key in self._starving.values())
            self.wanted = {
                key.name: key
                for key in self._spilled.values()
                if key.spilled >= least and not key.parked and len(key.buffer) < buffered
            }
            self._at = least - 1
        return self._at

    def reach(self, position: int) -> None:
        """Notes that the sweep was read up to a position."""
        if self._at is not None:
            self._at = max(self._at, position)

    def end(self, position: int) -> list[Key]:
        """Ends the sweep if there is nothing left up to a position, or nobody that it reads for.

        Answers the keys that it read for: they are not spilled any more.
        """
        if self._at is None or (self._at < position and self.wanted):
            return []
        self._at = None
        done, self.wanted = list(self.wanted.values()), {}
        for key in done:
            self.remove(key)
        self.floor = min((key.spilled for key in self._spilled.values()), default=0)
        return done
